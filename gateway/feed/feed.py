"""The merge: one page of one list, made of the lists of many vendors.

Every vendor that fails is left out, and said to have failed in its report.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from gateway.errors import AllSourcesFailedError, ErrorCode, RequestError, UpstreamError, defect
from gateway.feed.counting import count_all
from gateway.feed.cursor import LATEST, Cursor, unpack_hints
from gateway.feed.filters import Filter, Partial
from gateway.feed.merge import fill, merged
from gateway.feed.news import News, remember
from gateway.feed.positions import Entry, Positions
from gateway.feed.reader import Reader, stream_key
from gateway.feed.report import UNREAD, Report
from gateway.feed.stream_pages import StreamPages
from gateway.model import Capability, Timestamp
from gateway.vendors.pages import StreamsChanged, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.feed.cursor import Memory
    from gateway.feed.reader import Row
    from gateway.model import Hook, WebhookLog
    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation
    from gateway.vendors.pages import Found, Stream

__all__ = ["UNREAD", "Feed", "Report", "Slice"]

log = logging.getLogger(__name__)

MINUTE = 60_000_000_000
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
    start: Cursor
    end: Cursor
    has_next: bool
    has_previous: bool
    reports: Sequence[Report]


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
        self._sources = [source for source in chosen if wanted.may_match(_partial(source))]
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
        self._unfound: set[str] = set()
        """The sources of which not all streams were found."""

    async def forward(self, first: int, after: Cursor | None) -> Slice:
        """Return the ``first`` matches behind a cursor.

        There are fewer once the scan limit is reached, or the operation's time is over.
        """
        if after is not None and after.is_top:
            after = None
        since, _ = self._filter.bounds("triggered_at")
        await self._open(after, lambda _key, _source: since)
        positions = Positions(self._filter, self._readers, after, first)
        entries: list[Entry] = []
        async for reader, row in merged(self._readers, self._scan_limit if first else 0):
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
            positions.top, positions.memory = begin, self._remember(seen, None)
        top = positions.above() if after is None else after
        return Slice(
            entries=entries,
            start=entries[0].cursor() if entries else top,
            end=positions.cursor(len(positions.rows) - 1) if positions.rows else top,
            has_next=any(reader.next_time is not None for reader in self._readers),
            has_previous=after is not None,
            reports=self._finish(entries),
        )

    async def backward(self, last: int, before: Cursor) -> Slice:
        """Return the ``last`` matches that are new since a cursor was made, or stand above it.

        Raises RequestError when there is more of it than the scan limit, or the operation's time,
        allows to look through.
        """
        news = News(before)
        await self._open(None, news.floor_of)
        positions = Positions(self._filter, self._readers, None, last)
        entries: deque[Entry] = deque(maxlen=last)
        remembered: list[int] = []
        found = scanned = 0
        async for reader, row in merged(self._readers, self._scan_limit + news.remembered + 1):
            self._reports[reader.source.name].scanned += 1
            positions.add(reader, row)
            if news.is_remembered(reader, row):
                remembered.append(len(positions.rows) - 1)
                continue
            scanned += 1
            self._check_scanned(scanned)
            if news.is_new(reader, row) and self._matches(row.log):
                entries.append(Entry(positions, len(positions.rows) - 1))
                found += 1
        reports = self._finish(entries)
        if entries:
            begin = entries[0].index
            above = [index for index in remembered if index < begin]
            indices = [*above, *range(begin, len(positions.rows))]
            seen = [(positions.owners[index], positions.rows[index]) for index in indices]
            positions.top, positions.memory = begin, self._remember(seen, before.memory)
        return Slice(
            entries=list(entries),
            start=entries[0].cursor() if entries else before,
            end=entries[-1].cursor() if entries else before,
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

    def _remember(self, seen: Iterable[tuple[Reader, Row]], before: Memory | None) -> Memory:
        return remember(self._readers, seen, self._matches, before, self._unfound, self._now)

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
            self._filter.test(_partial(reader.source, reader.stream)) is True
            for reader in self._readers
        ):
            return None
        return await count_all(self._readers, self._operation, self._max_age)

    async def _open(
        self, after: Cursor | None, down_to: Callable[[bytes, str], Timestamp | None]
    ) -> None:
        """Find the streams of every source and read the first rows of each, all at once."""
        opened = await asyncio.gather(
            *(self._open_source(source, after, down_to) for source in self._sources)
        )
        self._readers = [reader for readers in opened for reader in readers]
        if after is None:
            return
        hints = unpack_hints(after, [reader.key for reader in self._readers])
        for reader, hint in zip(self._readers, hints, strict=True):
            reader.hint(hint)
        changed = await asyncio.gather(
            *(
                self._fill(reader)
                for reader in self._readers
                if reader.waits_at is None or reader.waits_at >= after.horizon
            )
        )
        for source in filter(None, dict.fromkeys(changed)):
            self._readers = [reader for reader in self._readers if reader.source is not source]
            readers = await self._open_source(source, after, down_to)
            await asyncio.gather(*map(self._fill, readers))
            self._readers += readers

    async def _fill(self, reader: Reader) -> Source | None:
        """Read the first rows; return the source if its streams turned out to have changed."""
        try:
            await fill(reader)
        except StreamsChanged as news:
            reader.end(news.refusal)
            return reader.source
        return None

    async def _open_source(
        self,
        source: Source,
        after: Cursor | None,
        down_to: Callable[[bytes, str], Timestamp | None],
    ) -> list[Reader]:
        report = self._reports[source.name]
        try:
            with contextlib.suppress(StreamsChanged):
                return await self._open_streams(source, after, down_to)
            return await self._open_streams(source, after, down_to)
        except UpstreamError as error:
            report.error = error
        except StreamsChanged as news:
            report.error = news.refusal
        except Exception:
            # One vendor's surprise must not take the other vendors' rows away.
            log.exception("Finding the streams of source %s failed.", source.name)
            report.error = defect(source.name)
        report.failed = True
        self._unfound.add(source.name)
        return []

    async def _open_streams(
        self,
        source: Source,
        after: Cursor | None,
        down_to: Callable[[bytes, str], Timestamp | None],
    ) -> list[Reader]:
        """Find the streams of a source, and read the first page of each as soon as it is known."""
        readers: dict[str, Reader] = {}
        filling: list[asyncio.Task[None]] = []

        def begin(stream: Stream) -> None:
            if stream.key in readers or not self._filter.may_match(_partial(source, stream)):
                return
            key = stream_key(source.name, stream.key)
            reader = Reader(
                self._pages(source, stream), after=after, down_to=down_to(key, source.name)
            )
            readers[stream.key] = reader
            if after is None:
                filling.append(asyncio.create_task(fill(reader)))

        def begin_hooks(hooks: Sequence[Hook]) -> None:
            for hook in hooks:
                if (stream := source.stream_of(hook)) is not None:
                    begin(stream)

        operation = copy.copy(self._operation)
        operation.on_hooks = begin_hooks if after is None else None
        try:
            found: Found = await source.find_streams(operation)
            for stream in found.streams:
                begin(stream)
            await asyncio.gather(*filling)
        finally:
            for task in filling:
                task.cancel()
        if found.errors:
            self._reports[source.name].error = found.errors[0]
            self._unfound.add(source.name)
        # In the order of the streams, whichever was known first.
        return [readers[stream.key] for stream in found.streams if stream.key in readers]

    def _pages(self, source: Source, stream: Stream) -> StreamPages:
        return StreamPages(
            source, stream, self._wanted(), self._operation, now=self._now, max_age=self._max_age
        )

    def _wanted(self) -> Wanted:
        since, until = self._filter.bounds("triggered_at")
        events, correlations = self._filter.only("event"), self._filter.only("correlation_id")
        return Wanted(
            # Bounds that move with every call would find nothing in the cache.
            since=_moment(since and since - since % MINUTE),
            until=_moment(until and until + -until % MINUTE),
            failed=self._filter.failed(),
            events=tuple(sorted(events)) if events else None,
            correlation_id=next(iter(correlations))
            if correlations and len(correlations) == 1
            else None,
        )

    def _finish(self, entries: Iterable[Entry]) -> list[Report]:
        """Complete the reports; AllSourcesFailedError when there is nothing else to tell."""
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


def _partial(source: Source, stream: Stream | None = None) -> Partial:
    return Partial(
        source=source.name,
        provider=source.provider,
        hook_id=stream.hook_id if stream else None,
        lacks=source.lacks,
    )


def _moment(bound: int | None) -> Timestamp | None:
    return Timestamp(bound) if bound is not None and 0 < bound < LATEST else None
