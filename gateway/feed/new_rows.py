"""Find the logs that are new to a polling client, however late a vendor lists them.

Comparing times is not enough. A vendor may list a log minutes after its time, a source may be down
for an hour, and one wrong clock may keep a log at the top for a day. So the cursor of the newest
page remembers the logs that were returned down to a time, its floor::

    seen by 10:00     09:59 09:57 09:55 | floor 09:50
    listed at 10:01   10:00 09:58 09:57 09:55 ...       10:00 and 09:58 are new

A source that failed, or was read from stale pages, keeps its earlier floor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from gateway.feed.cursor import LATEST, MARK_LENGTH, UNDATED, Memory
from gateway.feed.reader import NOT_READ, source_key
from gateway.model import Timestamp

if TYPE_CHECKING:
    from gateway.feed.cursor import Cursor
    from gateway.feed.reader import Reader, Row
    from gateway.model import WebhookLog

MINUTE = 60_000_000_000
LATENESS = 10 * MINUTE
"""Maximum delay in nanoseconds with which a vendor may list a log, so that it is still found."""
MIN_REMEMBERED = 32
"""Number of newest logs that are remembered at any age, if they were read."""
MAX_REMEMBERED = 100
"""Maximum number of remembered logs; if there are more within ``LATENESS``, the floor rises."""
MAX_MARKS = 2 * MAX_REMEMBERED
UNDATED_TOP = 16
"""Number of remembered logs at the top of a list without times."""


def time_of(row: Row) -> Timestamp:
    """Return the time to compare with a floor: an odd row's position, or its own time if later."""
    return max(row.time, row.log.triggered_at or row.time)


class NewRows:
    """Decides which rows of a merge are new since a cursor. Rows must be passed in merged order."""

    def __init__(self, before: Cursor) -> None:
        self._before = before
        self._memory = before.memory
        self._at_cursor = {*before.returned, *before.known}
        self._passed: set[bytes] = set()
        self._seen = self._memory.marks if self._memory else frozenset()
        self.remembered = len(self._seen)

    def floor_of(self, key: bytes, source: str) -> Timestamp:
        """Return the time down to which a list has to be read."""
        if self._memory is None:
            return self._before.time
        return self._memory.floor_of(key, source_key(source))

    def is_remembered(self, reader: Reader, row: Row) -> bool:
        """Return whether the row is one of those that the cursor remembers."""
        if self._memory is None:
            return False
        found = row.mark in self._seen or row.mark in self._at_cursor
        if found:
            self._passed.add(reader.key)
        return found

    def is_new(self, reader: Reader, row: Row) -> bool:
        """Return whether a row that is not remembered was not seen before."""
        before = self._before
        if self._memory is None:
            return self._is_above(row)
        if time_of(row) >= self.floor_of(reader.key, reader.source.name):
            return True
        if row.time == UNDATED:
            # Undated rows can only be compared by their order.
            return reader.key in self._memory.undated and reader.key not in self._passed
        return row.time == before.time

    def _is_above(self, row: Row) -> bool:
        """Return whether a row is above a cursor that has no memory."""
        before = self._before
        if row.mark in before.returned[-1:]:
            self._passed.add(b"")
        if row.time == UNDATED == before.time:
            return not self._passed
        if row.time != before.time:
            return row.time > before.time
        # A row with that time is new unless the cursor lists it.
        return row.mark in before.returned[:-1] or row.mark not in self._at_cursor


def remember(
    readers: Sequence[Reader],
    rows: Iterable[tuple[Reader, Row]],
    matches: Callable[[WebhookLog], bool],
    before: Memory | None,
    failed: Iterable[str],
    now: Timestamp,
) -> Memory:
    """Build the memory for the cursor of the newest page.

    ``rows`` count as seen, as do the rows waiting in the readers. ``before`` is the memory of the
    cursor that was polled with. ``failed`` are the sources whose lists were not all found.
    """
    seen: dict[bytes, list[Row]] = {reader.key: [] for reader in readers}
    for reader, row in rows:
        if matches(row.log):
            seen[reader.key].append(row)
    for reader in readers:
        seen[reader.key] += [row for row in (*reader.rows, *reader.held) if matches(row.log)]
    floor = _floor(seen.values(), now)
    floors: dict[bytes, Timestamp] = {}
    marks: dict[bytes, None] = {}
    undated: list[bytes] = []
    failing: list[bytes] = []
    failed_sources = set(failed)
    for name in failed_sources:
        key = source_key(name)
        failing.append(key)
        floors[key] = before.floor_of(b"", key) if before else floor
    for reader in readers:
        own = _own_floor(reader, before, floor, now)
        if own != floor or reader.error is not None or reader.source.name in failed_sources:
            floors[reader.key] = own
        if reader.error is not None:
            failing.append(reader.key)
        known = seen[reader.key]
        marks |= dict.fromkeys(row.mark for row in known if time_of(row) >= own)
        if known and known[0].time == UNDATED:
            undated.append(reader.key)
            marks |= dict.fromkeys(row.mark for row in known[:UNDATED_TOP])
    if before is not None and failed_sources:
        # Lists that were not found keep what was remembered about them.
        found = {source_key(reader.source.name) for reader in readers}
        remaining = {key: old for key, old in before.floors.items() if key not in {*seen, *found}}
        floors = {**remaining, **floors}
        undated += [key for key in before.undated if key not in seen]
    return Memory(
        floor,
        b"".join(list(marks)[:MAX_MARKS]),
        floors,
        _held(before, failing),
        tuple(failing),
        tuple(undated),
    )


def _held(before: Memory | None, failing: Collection[bytes]) -> bytes:
    """Return the marks that were seen before the present failures began."""
    if before is None or not failing:
        return b""
    begins = any(key not in before.failing for key in failing)
    held = before.seen + before.held if begins else before.held
    return held[: MAX_MARKS * MARK_LENGTH]


def _floor(seen: Iterable[Iterable[Row]], now: Timestamp) -> Timestamp:
    """Return the floor for lists that were read far enough."""
    times = sorted((time_of(row) for rows in seen for row in rows), reverse=True)
    floor = Timestamp(now - LATENESS)
    floor = UNDATED if len(times) < MIN_REMEMBERED else min(floor, times[MIN_REMEMBERED - 1])
    if len(times) > MAX_REMEMBERED:
        floor = max(floor, Timestamp(times[MAX_REMEMBERED] + 1))
    return min(floor, LATEST)


def _covered(reader: Reader) -> Timestamp:
    """Return the time down to which a list was read completely."""
    down_to = UNDATED if reader.down_to is None else reader.down_to
    if reader.covered in {UNDATED, NOT_READ}:
        return down_to
    # More rows with the time of the last one may follow.
    return max(down_to, Timestamp(min(reader.covered + 1, LATEST)))


def _own_floor(
    reader: Reader, before: Memory | None, floor: Timestamp, now: Timestamp
) -> Timestamp:
    """Return the floor of one list.

    It is earlier than the common floor if the data is stale, and later if the list was not read
    that far.
    """
    old = before.floor_of(reader.key, source_key(reader.source.name)) if before else None
    if reader.error is not None:
        return floor if old is None else old
    if not reader.reads:
        return max(floor, _covered(reader))
    fetched_at = min(read.fetched_at for read in reader.reads)
    is_stale = any(read.failure for read in reader.reads) or fetched_at < now - MINUTE
    own = min(floor, Timestamp(fetched_at - (LATENESS if is_stale else MINUTE)))
    return max(own, _covered(reader))
