"""The memory of those who poll: which of the newest logs were seen, and down to which time.

A list is as new as its page in the cache, and a source may fail, so that lists differ in how far
they are known. What is remembered has to fit into a cursor: where it does not, first the time that
a log may be late becomes shorter, and lists of one source share the earliest floor of them.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway import ids
from gateway.feed.cursor import LATEST, SHORT_MARK_LENGTH, UNDATED, Memory, source_key
from gateway.feed.reader import NOT_READ
from gateway.model import Timestamp

if TYPE_CHECKING:
    from gateway.feed.reader import Reader
    from gateway.feed.ready import Row
    from gateway.model import WebhookLog

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
LATENESS = 10 * MINUTE
"""How late a vendor may list a log so that it is found, in nanoseconds."""
SLACKS = (MINUTE, 10 * SECOND, SECOND, 0)
"""How late it may be after its page was read, the longest first that fits."""
LEAST = 32
"""Logs that are remembered however old they are, if they were read."""
MAX_REMEMBERED = 100
"""Logs that are remembered; with more in the time of ``LATENESS``, the floor rises."""
MAX_MARKS = 170
"""Logs that are remembered where lists differ."""
MAX_HELD = 260
"""Logs that are remembered together with those that were seen before a failure."""
MAX_LISTS = 10
"""Lists that are named; where there are more, their sources are, or all."""
UNDATED_TOP, MAX_UNDATED = 16, 64
"""Logs at the top of a list without times that are remembered, and of all such lists."""
MAX_LOOKED_AT = 3000
"""Logs that are looked at for those that lists of another floor have to remember."""
EVERY = ids.mark("//")
"""Stands for all lists, where they are too many to be named."""

Matches = Callable[["WebhookLog"], bool]


def time_of(row: Row) -> Timestamp:
    """Return the time that is compared with a floor: an odd row's position, or its own time."""
    return max(row.time, row.log.triggered_at or row.time)


class Seen:
    """The logs that count as seen, the newest first, looked at no further than needed."""

    def __init__(
        self, readers: Sequence[Reader], rows: Iterable[tuple[Reader, Row]], matches: Matches
    ) -> None:
        self.undated: dict[Reader, list[Row]] = {}
        """The first logs of lists without times."""
        self._taken: list[tuple[Row, Reader]] = []
        given: dict[Reader, list[Row]] = {}
        for reader, row in rows:
            given.setdefault(reader, []).append(row)
        self._rest = heapq.merge(
            *(self._of(reader, given.get(reader, ()), matches) for reader in readers),
            key=lambda each: -time_of(each[0]),
        )

    def _of(
        self, reader: Reader, given: Sequence[Row], matches: Matches
    ) -> Iterator[tuple[Row, Reader]]:
        rows: Iterable[Row] = itertools.chain(given, reader.rows, reader.held)
        found = (row for row in rows if matches(row.log))
        first = next(found, None)
        if first is None:
            return iter(())
        if first.time == UNDATED:
            self.undated[reader] = [first, *itertools.islice(found, UNDATED_TOP - 1)]
        rows = itertools.chain(self.undated.get(reader, [first]), found)
        if reader.has_odd or reader.held:
            # The times of odd rows rise and fall.
            rows = sorted(rows, key=lambda row: -time_of(row))
        return ((row, reader) for row in rows)

    def newest(self, count: int) -> Sequence[tuple[Row, Reader]]:
        """Return so many of the newest logs with their lists, or all."""
        self._taken += itertools.islice(self._rest, max(0, count - len(self._taken)))
        return self._taken[:count]


def remember(
    readers: Sequence[Reader],
    rows: Iterable[tuple[Reader, Row]],
    matches: Matches,
    before: Memory | None,
    failed: Iterable[str],
    now: Timestamp,
    most: Timestamp = LATEST,
) -> Memory:
    """Make the memory of a newest page.

    ``rows`` are those that count as seen, beside those that wait in the readers, and ``before`` is
    the memory that the page was polled with. ``failed`` are the sources whose lists were not all
    found. No floor is above ``most``, the time of the oldest new log that is left for later pages,
    if all that is above it can be remembered.
    """
    lost = set(failed)
    seen = Seen(readers, rows, matches)
    fresh = [reader for reader in readers if _is_fresh(reader, now)]
    floor = min(most, _floor(seen, fresh, now))
    floors: dict[bytes, Timestamp] = {}
    failing: list[bytes] = []
    kept: dict[bytes, Timestamp] = {}
    undated = [reader.key for reader in seen.undated]
    if before is not None and lost:
        # What is known of lists that were not found stays known.
        found = {
            each for reader in readers for each in (reader.key, source_key(reader.source.name))
        }
        kept = {key: old for key, old in before.floors.items() if key not in found}
        undated += [key for key in before.undated if key not in found]
    for name in lost:
        key = source_key(name)
        failing.append(key)
        floors[key] = before.floor_of(b"", key) if before else floor
    own = {reader: _own_floor(reader, before, floor, now) for reader in readers}
    for reader, its_floor in own.items():
        if its_floor != floor or reader.error is not None or reader.source.name in lost:
            floors[reader.key] = its_floor
        if reader.error is not None:
            failing.append(reader.key)
    floors = {**kept, **floors}
    if len(floors) > MAX_LISTS:
        floors, floor = _shared(floors, own, floor)
    marks, cut = _marks(seen, readers, floors, floor)
    lasting = {reader for reader in readers if reader.error is not None}
    if cut is not None and (floors or not (lasting or lost)):
        # What does not fit is not told apart. What failed keeps its floor, for all that it missed.
        kept_keys = {reader.key for reader in lasting} | set(kept)
        kept_keys |= {source_key(name) for name in lost}
        kept_keys |= {source_key(reader.source.name) for reader in lasting}
        floor = max(floor, Timestamp(cut + 1))
        floors = {
            key: each if key in kept_keys else max(each, Timestamp(cut + 1))
            for key, each in floors.items()
        }
    failing = _few(failing, readers)
    return Memory(
        floor,
        b"".join(mark[:SHORT_MARK_LENGTH] for mark in marks),
        floors,
        _held(before, failing, MAX_HELD - len(marks)),
        tuple(failing),
        tuple(_few(undated, readers)),
        SHORT_MARK_LENGTH,
    )


def _is_fresh(reader: Reader, now: Timestamp) -> bool:
    """Return whether a list was read as it is now, or was in the last minute."""
    return (
        reader.error is None
        and bool(reader.reads)
        and not any(read.failure or read.fetched_at < now - MINUTE for read in reader.reads)
    )


def _floor(seen: Seen, fresh: Sequence[Reader], now: Timestamp) -> Timestamp:
    """Return the time down to which the logs of lists that were read that far are remembered.

    It lies before the time at which any of the ``fresh`` lists was read, if that fits.
    """
    times = [time_of(row) for row, _ in seen.newest(MAX_REMEMBERED + 1)]
    floor = Timestamp(now - LATENESS)
    floor = UNDATED if len(times) < LEAST else min(floor, times[LEAST - 1])
    if len(times) > MAX_REMEMBERED:
        floor = max(floor, Timestamp(times[MAX_REMEMBERED] + 1))
    floor = min(floor, LATEST)
    read_at = min((read.fetched_at for reader in fresh for read in reader.reads), default=now)
    if read_at - MINUTE >= floor:
        return floor
    newest = seen.newest(MAX_MARKS + 1)
    lowest = time_of(newest[-1][0]) if len(newest) > MAX_MARKS else UNDATED
    for slack in SLACKS:
        if read_at - slack > lowest:
            return min(floor, Timestamp(read_at - slack))
    return floor


def _marks(
    seen: Seen, readers: Sequence[Reader], floors: Mapping[bytes, Timestamp], floor: Timestamp
) -> tuple[list[bytes], Timestamp | None]:
    """Return the marks of the logs above the floors, the newest first, as far as they fit.

    Also returns the time of the first that did not fit, if any.
    """
    own = {
        reader: floors.get(reader.key, floors.get(source_key(reader.source.name), floor))
        for reader in readers
    }
    lowest = min(own.values(), default=floor)
    marks: dict[bytes, None] = {}
    share = max(1, MAX_UNDATED // max(1, len(seen.undated)))
    for rows in list(seen.undated.values())[:MAX_UNDATED]:
        marks.update(dict.fromkeys(row.mark for row in rows[:share]))
    count = MAX_MARKS
    while count < MAX_LOOKED_AT:
        newest = seen.newest(count)
        for row, reader in newest[count - MAX_MARKS :]:
            time = time_of(row)
            if time < lowest:
                return list(marks), None
            if time >= own[reader] and row.mark not in marks:
                if len(marks) >= MAX_MARKS:
                    return list(marks), time
                marks[row.mark] = None
        if len(newest) < count:
            break
        count += MAX_MARKS
    return list(marks), None


def _shared(
    floors: Mapping[bytes, Timestamp], own: Mapping[Reader, Timestamp], floor: Timestamp
) -> tuple[dict[bytes, Timestamp], Timestamp]:
    """Let the lists of one source share the earliest floor, or all lists if that is not enough."""
    shared: dict[bytes, Timestamp] = {}
    listed: set[bytes] = set()
    for reader, its_floor in own.items():
        key = source_key(reader.source.name)
        listed.add(reader.key)
        shared[key] = min(its_floor, shared.get(key, floors.get(key, its_floor)))
    others = {key: each for key, each in floors.items() if key not in listed and key not in shared}
    shared = {**others, **{key: each for key, each in shared.items() if each != floor}}
    if len(shared) <= MAX_LISTS:
        return shared, floor
    return {}, min(floor, *shared.values())


def _few(keys: Sequence[bytes], readers: Sequence[Reader]) -> list[bytes]:
    """Return the marks of lists, or of their sources, or that of all, so that they are few."""
    if len(keys) <= MAX_LISTS:
        return list(keys)
    sources = {reader.key: source_key(reader.source.name) for reader in readers}
    found = list(dict.fromkeys(sources.get(key, key) for key in keys))
    return found if len(found) <= MAX_LISTS else [EVERY]


def _held(before: Memory | None, failing: Collection[bytes], room: int) -> bytes:
    """Return the marks that were seen before the failures that last."""
    if before is None or not failing:
        return b""
    begins = any(key not in before.failing for key in failing)
    held = before.seen + before.held if begins else before.held
    if before.width != SHORT_MARK_LENGTH:
        return b""
    return held[: max(0, room) * SHORT_MARK_LENGTH]


def _covered(reader: Reader) -> Timestamp:
    """Return the time down to which all of a list was read."""
    down_to = UNDATED if reader.down_to is None else reader.down_to
    if reader.covered in {UNDATED, NOT_READ}:
        return down_to
    # Others of the last row's moment may follow it.
    return max(down_to, Timestamp(min(reader.covered + 1, LATEST)))


def _own_floor(
    reader: Reader, before: Memory | None, floor: Timestamp, now: Timestamp
) -> Timestamp:
    """Return the floor of one list.

    It is lower where the list was not read as it is now, and higher where it was not read so far.
    """
    old = before.floor_of(reader.key, source_key(reader.source.name)) if before else None
    if reader.error is not None:
        return floor if old is None else old
    if not reader.reads:
        return max(floor, _covered(reader))
    fetched_at = min(read.fetched_at for read in reader.reads)
    if not _is_fresh(reader, now):
        floor = min(floor, Timestamp(fetched_at - LATENESS))
    return max(floor, _covered(reader))
