"""One page of the merged list of all sources.

A source that fails is left out, and its report says so.
"""

from __future__ import annotations

import asyncio
import functools
from collections import Counter, deque
from typing import TYPE_CHECKING

import msgspec

from gateway.errors import AllSourcesFailedError, ErrorCode, RequestError
from gateway.feed.counting import count_all
from gateway.feed.cursor import Cursor
from gateway.feed.filter_tests import Partial
from gateway.feed.filters import Filter
from gateway.feed.memory import remember
from gateway.feed.merge import TURN, Merge, Turn, merged
from gateway.feed.news import News
from gateway.feed.opening import Opening, partial_of
from gateway.feed.positions import Entry, Positions
from gateway.feed.reader import Reader
from gateway.feed.report import UNREAD, Report
from gateway.model import Capability, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.feed.cursor import Memory
    from gateway.feed.ready import Row
    from gateway.model import WebhookLog
    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation

__all__ = ["UNREAD", "Feed", "Report", "Slice"]

LOOK = 100
"""Logs that are looked at between two looks at the clock: no fewer than a page has at most."""


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the merged list.

    ``start`` is the place of its first entry, for those who poll for what is new, and ``end`` that
    of the last log looked at: the last entry, or further on where the filter refused what followed
    and the scan limit was reached. Of an empty page both are the cursor that it was asked for with,
    unless there was none.
    """

    entries: Sequence[Entry]
    find_start: Callable[[], Cursor]
    find_end: Callable[[], Cursor]
    has_next: bool
    has_previous: bool
    reports: Sequence[Report]

    @property
    def start(self) -> Cursor:
        """Make the start cursor; it costs work, so only where it is asked for."""
        return self.find_start()

    @property
    def end(self) -> Cursor:
        """Make the end cursor."""
        return self.find_end()


class Feed:
    """The merged list of some sources under one filter, for one page of one operation.

    ``scan_limit`` is how many logs are looked at for a page, ``now`` the time it is read at.
    Nothing older than ``max_age`` seconds is taken from the cache.
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
        self._opening = Opening(
            self._sources, wanted, operation, self._reports, now=now, max_age=max_age
        )

    async def forward(self, first: int, after: Cursor | None) -> Slice:
        """Return the ``first`` matches behind a cursor.

        There are fewer once the scan limit is reached, or the operation's time is over.
        """
        if after is not None and after.is_top:
            after = None
        since, _ = self._filter.bounds("triggered_at")
        self._readers = await self._opening.open(after, lambda _key, _source: since)
        positions = Positions(self._filter, self._readers, after, first)
        found = await self._look_through(positions, first)
        self._count_scanned(positions)
        entries = [Entry(positions, index) for index in found]
        if after is None:
            begin = entries[0].index if entries else len(positions.rows)
            seen = zip(positions.owners[begin:], positions.rows[begin:], strict=True)
            positions.top, positions.memory = begin, self._memory(list(seen), None)
        top = positions.above if after is None else lambda: after
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

    async def _look_through(self, positions: Positions, first: int) -> list[int]:
        """Add the rows of the merge down to the ``first`` match; return the indices of those."""
        merge = Merge(self._readers, self._scan_limit if first else 0)
        turn = Turn()
        test = self._filter.test
        found: list[int] = []
        looked_at = 0
        while True:
            most = first - len(found) if self._filter.matches_all else 1
            while (taken := merge.take(most)) is not None:
                reader, rows = taken
                positions.extend(reader, rows)
                before, looked_at = looked_at, looked_at + len(rows)
                if self._filter.matches_all or test(rows[0].log) is True:
                    found += range(before, looked_at)
                    if len(found) == first:
                        return found
                else:
                    await self._give_turn(looked_at - len(found))
                if looked_at // TURN > before // TURN:
                    await turn.end()
                    if self._is_late(looked_at):
                        return found
                if self._filter.matches_all:
                    most = first - len(found)
            if not await merge.read_on():
                return found

    async def backward(self, last: int, before: Cursor) -> Slice:
        """Return the ``last`` matches that are new since a cursor was made, or stand above it.

        Raises RequestError when there is more of it than the scan limit, or the operation's time,
        allows to look through.
        """
        news = News(before)
        self._readers = await self._opening.open(None, news.floor_of)
        news.open(self._opening.passed(self._readers, before))
        positions = Positions(self._filter, self._readers, None, last)
        entries: deque[Entry] = deque(maxlen=last)
        remembered: list[int] = []
        found = scanned = 0
        async for reader, row in merged(self._readers, self._scan_limit + news.remembered + 1):
            positions.add(reader, row)
            if news.is_remembered(reader, row):
                remembered.append(len(positions.rows) - 1)
                continue
            scanned += 1
            self._check_scanned(scanned)
            if news.is_new(reader, row) and self._matches(row.log):
                entries.append(Entry(positions, len(positions.rows) - 1))
                found += 1
            else:
                await self._give_turn(scanned - found)
        self._count_scanned(positions)
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

    def _count_scanned(self, positions: Positions) -> None:
        for owner, count in Counter(positions.owners).items():
            self._reports[owner.source.name].scanned += count

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
        """Return what makes the memory of those who poll, once it is asked for."""

        @functools.cache
        def make() -> Memory:
            return remember(
                self._readers, seen, self._matches, before, self._opening.unfound, self._now
            )

        return make

    async def _give_turn(self, refused: int) -> None:
        """Let other operations have their turn now and then while logs are refused."""
        if not refused % TURN:
            await asyncio.sleep(0)

    def _is_late(self, looked_at: int) -> bool:
        """Return whether the operation's time is over, looking at the clock now and then."""
        if looked_at % LOOK:
            return False
        return asyncio.get_running_loop().time() > self._operation.deadline

    async def count(self, page: Slice) -> int | None:
        """Count the logs of the whole list, exactly; None where no vendor call can."""
        if any(report.error for report in page.reports):
            return None
        if not page.has_previous and not page.has_next:
            return len(page.entries)
        if not all(Capability.COUNT in source.capabilities for source in self._sources):
            return None
        # A filter that looks at the logs themselves leaves fewer than the vendors count.
        if not all(
            self._filter.test(partial_of(reader.source, reader.stream)) is True
            for reader in self._readers
        ):
            return None
        return await count_all(self._readers, self._operation, self._max_age)

    def _finish(self, entries: Iterable[Entry]) -> list[Report]:
        """Complete the reports; AllSourcesFailedError when there is nothing else to tell."""
        for name, count in Counter(entry.record.source for entry in entries).items():
            self._reports[name].returned += count
        readers: dict[str, list[Reader]] = {name: [] for name in self._reports}
        for reader in self._readers:
            readers[reader.source.name].append(reader)
        for name, report in self._reports.items():
            report.complete(readers[name], self._operation.calls[name])
            self._operation.incomplete |= report.error is not None
        reports = list(self._reports.values())
        if reports and all(report.failed for report in reports):
            raise AllSourcesFailedError([report.error for report in reports if report.error])
        return reports
