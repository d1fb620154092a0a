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
    logs were examined. Before the operation's deadline passes, it ends with what it has.
    """
    chosen, reports = choose(sources, wanted, now)
    opener = StreamOpener(chosen, wanted, operation, reports, now=now, max_age=max_age)
    since, _ = wanted.bounds("triggered_at")
    readers = await opener.open(None, lambda _key, _source: since)
    lists = [ListReading(reader) for reader in readers]
    await _Scan(wanted, operation, lists, scan_limit).run()
    for one in lists:
        report = reports[one.source]
        report.scanned += one.scanned
        report.returned += len(one.rows)
    return Reading(
        wanted=wanted,
        lists=lists,
        reports=complete_all(reports, readers, operation),
        broken=frozenset(opener.incomplete),
        now=now,
        operation=operation,
        max_age=max_age,
    )


class _Scan:
    """Reads lists on, those first that are known down to a later time than others."""

    def __init__(
        self, wanted: Filter, operation: Operation, lists: Sequence[ListReading], limit: int
    ) -> None:
        self._wanted = wanted
        self._operation = operation
        self._lists = lists
        self._limit = limit
        self._turn = Turn()
        self._longest = 0.0
        """Seconds of the longest round of calls so far."""

    async def run(self) -> None:
        """Read until the limit, the ends of all lists, or the deadline."""
        for one in self._lists:
            await self._drain(one)
        while batch := self._next():
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(_fill(one.reader) for one in batch))
            for one in batch:
                await self._drain(one)
            self._longest = max(self._longest, asyncio.get_running_loop().time() - began)
        for one in self._lists:
            # Rows that could not be placed were read all the same.
            if not one.is_ended and not one.reader.rows and (held := one.reader.held):
                one.rows += [held[index] for index in self._wanted.matches(held, len(held))]

    def _next(self) -> list[ListReading]:
        """Return the lists to read on: those that are known least far back."""
        left = self._limit - sum(one.scanned for one in self._lists)
        unread = [one for one in self._lists if not one.reader.exhausted]
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
        late = asyncio.get_running_loop().time() + ahead > self._operation.deadline
        if late:
            self._operation.is_lasting = False
        return late


async def _fill(reader: Reader) -> None:
    try:
        await fill(reader)
    except StreamsChanged as change:
        # The next operation finds the new streams.
        reader.end(change.refusal)
