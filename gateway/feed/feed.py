"""One page of the merged list of all sources.

A source that fails is left out, and its report says so.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from gateway.errors import AllSourcesFailedError, ErrorCode, RequestError
from gateway.feed.counting import count_all
from gateway.feed.cursor import Cursor
from gateway.feed.filter_tests import Partial
from gateway.feed.filters import Filter
from gateway.feed.merge import merge
from gateway.feed.new_rows import NewRows, remember
from gateway.feed.positions import Entry, Positions
from gateway.feed.reader import Reader
from gateway.feed.report import UNREAD, Report
from gateway.feed.stream_opener import StreamOpener, partial_of
from gateway.model import Capability, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.feed.cursor import Memory
    from gateway.feed.reader import Row
    from gateway.model import WebhookLog
    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation

__all__ = ["UNREAD", "Feed", "Report", "Slice"]

CLOCK_INTERVAL = 100
"""Logs that are examined between two checks of the clock; at least the maximum size of a page."""


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the merged list.

    ``start`` is the position of its first entry, for polling, and ``end`` that of the last log
    examined: the last entry, or a later log if the filter rejected what followed until the scan
    limit. On an empty page, both are the cursor of the request, if there was one.
    """

    entries: Sequence[Entry]
    find_start: Callable[[], Cursor]
    find_end: Callable[[], Cursor]
    has_next: bool
    has_previous: bool
    reports: Sequence[Report]

    @property
    def start(self) -> Cursor:
        """The start cursor, computed on access because that takes time."""
        return self.find_start()

    @property
    def end(self) -> Cursor:
        """The end cursor, computed on access."""
        return self.find_end()


class Feed:
    """The merged list of some sources under one filter, for one page of one operation.

    ``scan_limit`` is the maximum number of logs examined for a page, ``now`` the time of the
    operation. Cached data older than ``max_age`` seconds is not used.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        wanted: Filter,
        operation: Operation,
        *,
        scan_limit: int,
        now: Timestamp,
        max_age: float | None = None,
    ) -> None:
        chosen = [
            source
            for source in sources
            if wanted.may_match(Partial(source=source.name, provider=source.provider))
        ]
        self._sources = [source for source in chosen if wanted.may_match(partial_of(source))]
        self._filter = wanted
        self._operation = operation
        self._scan_limit = scan_limit
        self._now = now
        self._max_age = max_age
        self._reports = {
            source.name: Report(
                source=source.name, notes=[] if source in self._sources else [UNREAD], now=now
            )
            for source in chosen
        }
        self._readers: list[Reader] = []
        self._opener = StreamOpener(
            self._sources, wanted, operation, self._reports, now=now, max_age=max_age
        )

    async def forward(self, first: int, after: Cursor | None) -> Slice:
        """Return the ``first`` matches after a cursor.

        There are fewer if the scan limit or the operation's deadline is reached.
        """
        if after is not None and after.is_top:
            after = None
        since, _ = self._filter.bounds("triggered_at")
        self._readers = await self._opener.open(after, lambda _key, _source: since)
        positions = Positions(self._filter, self._readers, after, first)
        entries: list[Entry] = []
        async for reader, row in merge(self._readers, self._scan_limit if first else 0):
            self._reports[reader.source.name].scanned += 1
            positions.add(reader, row)
            if self._matches(row.log):
                entries.append(Entry(positions, len(positions.rows) - 1))
                if len(entries) == first:
                    break
            if self._is_late(len(positions.rows)):
                break
        if after is None:
            begin = entries[0].index if entries else len(positions.rows)
            seen = zip(positions.owners[begin:], positions.rows[begin:], strict=True)
            positions.top, positions.memory = begin, self._memory(list(seen), None)
        top = positions.top_cursor if after is None else lambda: after
        return Slice(
            entries=entries,
            find_start=entries[0].cursor if entries else top,
            find_end=functools.partial(positions.cursor, len(positions.rows) - 1)
            if positions.rows
            else top,
            has_next=any(reader.next_time is not None for reader in self._readers),
            has_previous=after is not None,
            reports=self._finish(entries),
        )

    async def backward(self, last: int, before: Cursor) -> Slice:
        """Return the ``last`` matches that are new since a cursor was made, or newer than it.

        Raises RequestError if more logs are newer than can be examined within the scan limit and
        the operation's deadline.
        """
        new_rows = NewRows(before)
        self._readers = await self._opener.open(None, new_rows.floor_of)
        positions = Positions(self._filter, self._readers, None, last)
        entries: deque[Entry] = deque(maxlen=last)
        remembered: list[int] = []
        found = scanned = 0
        async for reader, row in merge(self._readers, self._scan_limit + new_rows.remembered + 1):
            self._reports[reader.source.name].scanned += 1
            positions.add(reader, row)
            if new_rows.is_remembered(reader, row):
                remembered.append(len(positions.rows) - 1)
                continue
            scanned += 1
            self._check_scanned(scanned)
            if new_rows.is_new(reader, row) and self._matches(row.log):
                entries.append(Entry(positions, len(positions.rows) - 1))
                found += 1
        reports = self._finish(entries)
        if entries:
            begin = entries[0].index
            above = [index for index in remembered if index < begin]
            indices = [*above, *range(begin, len(positions.rows))]
            seen = [(positions.owners[index], positions.rows[index]) for index in indices]
            positions.top, positions.memory = begin, self._memory(seen, before.memory)
        return Slice(
            entries=list(entries),
            find_start=entries[0].cursor if entries else lambda: before,
            find_end=entries[-1].cursor if entries else lambda: before,
            has_next=True,
            has_previous=found > len(entries),
            reports=reports,
        )

    def _check_scanned(self, scanned: int) -> None:
        if scanned > self._scan_limit:
            raise RequestError(
                ErrorCode.CURSOR_TOO_OLD,
                f"More than {self._scan_limit} logs are newer than that cursor."
                " Begin without a cursor and read forward.",
            )
        if self._is_late(scanned):
            raise RequestError(
                ErrorCode.CURSOR_TOO_OLD,
                "There was no time to look at all logs that are newer than that cursor."
                " Begin without a cursor and read forward.",
            )

    def _matches(self, log: WebhookLog) -> bool:
        return self._filter.test(log) is True

    def _memory(
        self, seen: Sequence[tuple[Reader, Row]], before: Memory | None
    ) -> Callable[[], Memory]:
        """Return a function that builds the memory for polling when it is first needed."""

        @functools.cache
        def make() -> Memory:
            return remember(
                self._readers, seen, self._matches, before, self._opener.incomplete, self._now
            )

        return make

    def _is_late(self, scanned: int) -> bool:
        """Return whether the deadline has passed; the clock is checked only now and then."""
        if scanned % CLOCK_INTERVAL:
            return False
        return asyncio.get_running_loop().time() > self._operation.deadline

    async def count(self, page: Slice) -> int | None:
        """Count the logs of the whole list exactly; None if no vendor call can."""
        if any(report.error for report in page.reports):
            return None
        if not page.has_previous and not page.has_next:
            return len(page.entries)
        if not all(Capability.COUNT in source.capabilities for source in self._sources):
            return None
        # The vendors' counts do not apply if the filter tests single logs.
        if not all(
            self._filter.test(partial_of(reader.source, reader.stream)) is True
            for reader in self._readers
        ):
            return None
        return await count_all(self._readers, self._operation, self._max_age)

    def _finish(self, entries: Iterable[Entry]) -> list[Report]:
        """Complete the reports; AllSourcesFailedError if every source failed."""
        for entry in entries:
            self._reports[entry.log.source].returned += 1
        for name, report in self._reports.items():
            readers = [reader for reader in self._readers if reader.source.name == name]
            report.complete(readers, self._operation.calls[name])
            self._operation.incomplete |= report.error is not None
        reports = list(self._reports.values())
        if reports and all(report.failed for report in reports):
            raise AllSourcesFailedError([report.error for report in reports if report.error])
        return reports
