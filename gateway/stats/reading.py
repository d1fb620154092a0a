"""What was read of some lists, and the time of which all is known.

A list that was read from 10:00 down to 09:12 tells nothing about 09:00. A list that is newest first
but for a few late logs is known down to its lowest position plus twice the longest delay seen, as
unread logs may be late too::

    times        10:00 09:50 09:55 09:40        09:55 is five minutes late
    known from   09:50 on
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from gateway.feed.counting import count_all, count_filtered
from gateway.feed.cursor import LATEST, UNDATED
from gateway.feed.push_down import EVERYTHING, criteria_of
from gateway.feed.report import Report
from gateway.feed.stream_opener import partial_of
from gateway.model import Capability, Timestamp
from gateway.vendors.pages import Criteria

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.feed.filters import Filter
    from gateway.feed.reader import Reader
    from gateway.feed.ready import Row
    from gateway.model import WebhookLogStatus
    from gateway.upstream.operation import Operation


class ListReading:
    """The matches that were read from one list.

    All of the list's logs from ``since`` on were read: UNDATED if that is all of them, LATEST if
    it is none. ``until`` is the time of the reading, before which they were triggered.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.source = reader.source.name
        self.hook_id = reader.stream.hook_id
        self.rows: list[Row] = []
        self.scanned = 0
        self._highest: Timestamp | None = None
        self._lowest: Timestamp | None = None
        self._delay = 0

    def take(self, rows: Sequence[Row], matches: Iterable[int]) -> None:
        """Take the next rows of the list, some of which match."""
        self.scanned += len(rows)
        self.rows += [rows[index] for index in matches]
        self._highest = rows[0].time if self._highest is None else self._highest
        self._lowest = rows[-1].time
        for row in rows:
            own = row.log.triggered_at
            if own is not None and own - row.time > self._delay:
                self._delay = own - row.time

    @property
    def time_of_page(self) -> int:
        """How long, in nanoseconds, the logs of a page were triggered, as far as is known."""
        if self._highest is None or self._lowest is None:
            return 0
        time = self._highest - self._lowest
        return time * self.reader.source.page_size // max(1, self.scanned)

    @property
    def is_ended(self) -> bool:
        """Whether the list was read to its end, or below the filter's time."""
        reader = self.reader
        return reader.exhausted and reader.error is None and not reader.rows

    @property
    def since(self) -> Timestamp:
        """The time from which on all logs of the list were read."""
        pages = self.reader.pages
        if pages.loss is not None:
            return LATEST
        if self.is_ended and not pages.is_short:
            return UNDATED
        if self._lowest in {None, UNDATED} or self.reader.is_unordered:
            return LATEST
        assert self._lowest is not None  # noqa: S101 - checked above
        # Others of the last row's moment may follow it.
        return Timestamp(min(LATEST, self._lowest + 1 + 2 * self._delay))

    @property
    def until(self) -> Timestamp:
        """The time up to which the list is known; LATEST if nothing was read."""
        reads = self.reader.reads
        return min((read.fetched_at for read in reads), default=LATEST)

    @property
    def is_doubtful(self) -> bool:
        """Whether older data was read in place of a failure, or logs lack values."""
        return self.reader.pages.is_lacking or any(read.failure for read in self.reader.reads)


class Span(msgspec.Struct, frozen=True):
    """What is known of some lists.

    All their logs from ``since`` on were read (UNDATED: all of them), up to ``until``, except those
    of lists of which nothing is known; ``is_whole`` is true if there are none. ``since`` is LATEST
    if nothing is known. ``oldest`` and ``newest`` are the bounds of the time of which anything was
    read, and ``asked`` are those of the filter. ``is_complete`` is true if all logs were read.
    """

    since: Timestamp
    until: Timestamp
    oldest: Timestamp
    newest: Timestamp
    asked: tuple[Timestamp | None, Timestamp | None]
    is_whole: bool
    is_complete: bool

    @property
    def is_empty(self) -> bool:
        """Whether there is no time of which all is known, or none before the filter's end."""
        return self.since >= LATEST or (self.asked[1] is not None and self.since > self.asked[1])

    @property
    def begin(self) -> Timestamp | None:
        """The earliest time of which all is known; None if there is none."""
        if self.is_empty or self.since == UNDATED:
            return None if self.is_empty else self.asked[0]
        return self.since if self.asked[0] is None else max(self.since, self.asked[0])

    @property
    def end(self) -> Timestamp | None:
        """The latest time of which all is known; None if there is none."""
        if self.is_empty:
            return None
        return self.until if self.asked[1] is None else min(self.until, self.asked[1])

    def knows(self, start: int) -> bool:
        """Return whether all logs from ``start`` on were read, up to ``until`` at least."""
        return self.is_whole and self.since <= start < self.until

    def touches(self, start: int, end: int) -> bool:
        """Return whether some list was read for a part of the time from ``start`` to ``end``."""
        return self.oldest < end and start < self.newest


class Reading(msgspec.Struct, frozen=True, dict=True):
    """The matches of a filter in some sources, as far as they were read.

    ``broken`` are the sources whose lists were not all found.
    """

    wanted: Filter
    lists: Sequence[ListReading]
    reports: Sequence[Report]
    broken: frozenset[str]
    now: Timestamp
    operation: Operation
    max_age: float | None

    @property
    def scanned(self) -> int:
        """Number of logs that were examined."""
        return sum(one.scanned for one in self.lists)

    @property
    def is_sampled(self) -> bool:
        """Whether a list was not read to its end, although its vendor did not fail."""
        return any(not one.is_ended and one.reader.error is None for one in self.lists)

    @functools.cached_property
    def _by_hook(self) -> Mapping[tuple[str, str | None], Sequence[ListReading]]:
        """The lists by source and hook."""
        found: dict[tuple[str, str | None], list[ListReading]] = {}
        for one in self.lists:
            found.setdefault((one.source, one.hook_id), []).append(one)
        return found

    def of(self, source: str | None = None, hook_id: str | None = None) -> Sequence[ListReading]:
        """Return the lists that may have logs of a source and one of its hooks; None is any."""
        if source is None:
            return self.lists
        if hook_id is None:
            return [one for one in self.lists if one.source == source]
        return [one for key in (hook_id, None) for one in self._by_hook.get((source, key), ())]

    def span(self, source: str | None = None, hook_id: str | None = None) -> Span:
        """Return what is known of the lists that may have logs of a source and a hook."""
        lists = self.of(source, hook_id)
        bounds = [(one.since, one.until) for one in lists]
        known = [(since, until) for since, until in bounds if since < LATEST]
        is_whole = len(known) == len(bounds) and not self._is_broken(lists, source, hook_id)
        nothing = not known and not is_whole
        since = LATEST if nothing else max((since for since, _ in known), default=UNDATED)
        return Span(
            since=since,
            until=min([self.now, *(until for _, until in known)]),
            oldest=LATEST if nothing else min((since for since, _ in known), default=UNDATED),
            newest=max([until for _, until in known], default=self.now),
            asked=self.wanted.bounds("triggered_at"),
            is_whole=is_whole,
            is_complete=is_whole and since == UNDATED and not any(one.is_doubtful for one in lists),
        )

    def _is_broken(
        self, lists: Sequence[ListReading], source: str | None, hook_id: str | None
    ) -> bool:
        """Return whether lists that may have such logs were not found."""
        if hook_id is not None and lists and all(one.hook_id == hook_id for one in lists):
            return False
        return bool(self.broken if source is None else source in self.broken)

    async def count(
        self,
        source: str | None = None,
        hook_id: str | None = None,
        status: WebhookLogStatus | None = None,
    ) -> int | None:
        """Count the matches of a source, hook and status exactly; None if that is not possible.

        Where they were not all read, the vendors are asked for their counts.
        """
        lists = self.of(source, hook_id)
        if self._is_broken(lists, source, hook_id):
            return None
        total = 0
        for name in dict.fromkeys(one.source for one in lists):
            found = await self._count_source(name, hook_id, status)
            if found is None:
                return None
            total += found
        return total

    async def _count_source(
        self, source: str, hook_id: str | None, status: WebhookLogStatus | None
    ) -> int | None:
        lists = self.of(source, hook_id)
        if self.span(source, hook_id).is_complete:
            logs = (row.log for one in lists for row in one.rows)
            return sum(
                hook_id in {None, log.hook_id} and status in {None, log.status} for log in logs
            )
        readers = [one.reader for one in lists]
        if not all(
            Capability.COUNT in reader.source.capabilities
            and (hook_id is None or reader.stream.hook_id == hook_id)
            and reader.error is None
            for reader in readers
        ):
            return None
        asked = [self._criteria(reader, status) for reader in readers]
        if all(criteria == EVERYTHING for criteria in asked):
            return await count_all(readers, self.operation, self.max_age)
        total = 0
        for reader, criteria in zip(readers, asked, strict=True):
            if criteria is None:
                return None
            found = await count_filtered(reader, criteria, self.operation, self.max_age)
            if found is None:
                return None
            total += found
        return total

    def _criteria(self, reader: Reader, status: WebhookLogStatus | None) -> Criteria | None:
        """Return criteria that just the matches of a list meet, if its vendor counts by them."""
        known = partial_of(reader.source, reader.stream)
        test = self.wanted.test
        if status is None and test(known) is True:
            return EVERYTHING
        statuses = frozenset({status}) if status else criteria_of(self.wanted, known).statuses
        criteria = Criteria(statuses=statuses)
        # Otherwise the filter tests more of a log than its status.
        is_all = all(
            test(replace(known, supposed={"status": each})) is True for each in statuses or ()
        )
        is_counted = statuses and is_all and reader.source.counts(criteria)
        return criteria if is_counted and reader.source.applicable(criteria) == criteria else None
