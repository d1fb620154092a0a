"""Read the matches of a filter, newest first, by the same pages as the merged list."""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING

from gateway.feed.feed import choose
from gateway.feed.merge import Turn, fill
from gateway.feed.report import complete_all
from gateway.feed.stream_opener import StreamOpener
from gateway.stats.reading import ListReading, Reading
from gateway.vendors.pages import StreamsChanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.feed.filters import Filter
    from gateway.feed.reader import Reader
    from gateway.model import Timestamp
    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation

AT_ONCE = 4
"""Lists that are read on at the same time."""
PATIENCE = 2.0
"""Seconds that all sources have to open before the others are read on without them."""
ROWS_AT_ONCE = 50
"""Rows that are tested in one go."""


async def read(
    sources: Sequence[Source],
    wanted: Filter,
    operation: Operation,
    *,
    scan_limit: int,
    now: Timestamp,
    max_age: float | None = None,
) -> Reading:
    """Read the matches of a filter.

    The first page of each list is read, and then the newest lists are read on until ``scan_limit``
    logs were examined. Before the operation's deadline passes, it ends with what it has. A source
    that takes long to answer does not take the others' time.
    """
    chosen, reports = choose(sources, wanted, now)
    openers = [
        StreamOpener([source], wanted, operation, reports, now=now, max_age=max_age)
        for source in chosen
    ]
    since, _ = wanted.bounds("triggered_at")
    openings = [
        asyncio.create_task(opener.open(None, lambda _key, _source: since)) for opener in openers
    ]
    running = _Scan(wanted, operation, openings, scan_limit)
    try:
        await running.run()
    finally:
        for opening in openings:
            opening.cancel()
    lists = running.lists
    for one in lists:
        report = reports[one.source]
        report.scanned += one.scanned
        report.returned += len(one.rows)
    return Reading(
        wanted=wanted,
        lists=lists,
        reports=complete_all(reports, [one.reader for one in lists], operation),
        broken=frozenset().union(*(opener.incomplete for opener in openers)),
        now=now,
        operation=operation,
        max_age=max_age,
    )


class _Scan:
    """Reads lists on, those first that are known down to a later time than others."""

    def __init__(
        self,
        wanted: Filter,
        operation: Operation,
        openings: Sequence[asyncio.Task[list[Reader]]],
        limit: int,
    ) -> None:
        self._wanted = wanted
        self._operation = operation
        self._openings = openings
        self._limit = limit
        self._opened: dict[asyncio.Task[list[Reader]], list[ListReading]] = {}
        self._turn = Turn()
        self._longest = 0.0
        """Seconds of the longest round of calls so far."""

    @property
    def lists(self) -> list[ListReading]:
        """The lists that are open, in order of their sources."""
        return [one for opening in self._openings for one in self._opened.get(opening, ())]

    async def run(self) -> None:
        """Read until the limit, the ends of all lists, or the deadline."""
        await self._take_opened(asyncio.ALL_COMPLETED, PATIENCE)
        while (batch := self._next()) or len(self._opened) < len(self._openings):
            if not batch:
                await self._take_opened(asyncio.FIRST_COMPLETED)
                continue
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(_fill(one.reader) for one in batch))
            for one in batch:
                await self._drain(one)
            self._longest = max(self._longest, asyncio.get_running_loop().time() - began)
            await self._take_opened(asyncio.FIRST_COMPLETED, 0)
        for one in self.lists:
            # Rows that could not be placed were read all the same.
            if not one.is_ended and not one.reader.rows and (held := one.reader.held):
                one.rows += [held[index] for index in self._wanted.matches(held, len(held))]

    async def _take_opened(self, until: str, seconds: float | None = None) -> None:
        """Wait for sources to be open, and take the first rows of those that are."""
        if waiting := [one for one in self._openings if one not in self._opened]:
            done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=until)
            for opening in done:
                opened = self._opened[opening] = list(map(ListReading, opening.result()))
                for one in opened:
                    await self._drain(one)

    def _next(self) -> list[ListReading]:
        """Return the lists to read on: those that are known least far back."""
        left = self._limit - sum(one.scanned for one in self.lists)
        unread = [one for one in self.lists if not one.reader.exhausted]
        if left <= 0 or not unread or self._is_late(self._longest):
            return []
        pages = -(-left // max(one.reader.source.page_size for one in unread))
        found = heapq.nlargest(min(AT_ONCE, pages), unread, key=lambda one: one.reader.covered)
        # Others are read on at the same time if the next page would reach below them anyway.
        level = found[0].reader.covered - found[0].time_of_page
        return [one for one in found if one.reader.covered >= level]

    async def _drain(self, one: ListReading) -> None:
        """Take the rows that a list has ready."""
        rows, step = one.reader.rows, self._wanted.rows_at_once(ROWS_AT_ONCE, 0)
        while rows and not self._is_late():
            some = [rows.popleft() for _ in range(min(step, len(rows)))]
            one.take(some, self._wanted.matches(some, len(some)))
            await self._turn.end()

    def _is_late(self, ahead: float = 0.0) -> bool:
        """Return whether the deadline will have passed in so many seconds."""
        late = asyncio.get_running_loop().time() + ahead >= self._operation.deadline
        if late:
            self._operation.result.is_lasting = False
        return late


async def _fill(reader: Reader) -> None:
    try:
        await fill(reader)
    except StreamsChanged as change:
        # The next operation finds the new streams.
        reader.end(change.refusal)
