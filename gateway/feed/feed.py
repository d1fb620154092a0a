"""One ordered list out of many: the k-way merge of all streams of the chosen sources.

Newest first. All streams are opened at the same time, and read on only when the merge needs it.
A stream that fails ends, and is told about in its source's report; the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from gateway.errors import (
    AllSourcesFailedError,
    ErrorCode,
    RequestError,
    UpstreamError,
    defect,
)
from gateway.feed.cursor import LATEST, UNDATED, Cursor
from gateway.feed.filters import Filter, Partial
from gateway.feed.positions import Entry, Places
from gateway.feed.reader import Reader, Row
from gateway.model import Capability, Freshness, Timestamp, worst
from gateway.vendors.pages import StreamsChanged, Wanted, Window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation
    from gateway.vendors.pages import Stream

log = logging.getLogger(__name__)

MINUTE = 60_000_000_000
TURN = 10
"""Logs that are looked at before others get their turn: with a large filter it takes its time."""
LOOK = 100
"""Logs that are looked at whatever time it is, as many as a page has at most."""

UNREAD = "It was not read: no log of its vendor has what the filter asks for."
"""The note on a source that was chosen, and needs no reading."""


class Report(msgspec.Struct, kw_only=True):
    """How the reading of one source went.

    ``returned`` counts its logs on the page, ``scanned`` those that were looked at for it, and
    ``unreadable`` has a reason for each row that could not be turned into a log. ``error`` is the
    first failure, ``failed`` tells that it left nothing of the source to read. ``freshness`` is
    that of its oldest page, with the worst status of all; ``now`` is when the list was asked for.
    """

    source: str
    error: UpstreamError | None = None
    failed: bool = False
    returned: int = 0
    scanned: int = 0
    upstream_calls: int = 0
    unreadable: Sequence[str] = ()
    notes: list[str] = []
    freshness: Freshness | None = None
    now: Timestamp


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the merged list.

    ``end`` resumes behind the last log looked at: behind the last entry, or further on where the
    filter refused what followed and the scan limit was reached.
    """

    entries: Sequence[Entry]
    end: Cursor | None
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

    async def forward(self, first: int, after: Cursor | None) -> Slice:
        """Give the ``first`` matches behind a cursor.

        There are fewer once the scan limit is reached, or the operation's time is over.
        """
        since, _ = self._filter.bounds("triggered_at")
        await self._open(after, since)
        places = Places(self._filter, self._readers, after, first)
        entries: list[Entry] = []
        async for reader, row in self._merged(self._scan_limit if first else 0):
            places.add(reader, row)
            if self._filter.test(row.log) is True:
                entries.append(Entry(places, len(places.rows) - 1))
                if len(entries) == first:
                    break
            if self._is_late(len(places.rows)):
                break
        return Slice(
            entries=entries,
            end=places.cursor(len(places.rows) - 1) if places.rows else after,
            has_next=any(reader.next_time is not None for reader in self._readers),
            has_previous=after is not None,
            reports=self._finish(entries),
        )

    async def backward(self, last: int, before: Cursor) -> Slice:
        """Give the ``last`` matches in front of a cursor: what is new since it was made.

        Raises RequestError when there is more in front of it than the scan limit, or the
        operation's time, allows to count back through.
        """
        await self._open(None, before.time)
        places = Places(self._filter, self._readers, None, last)
        entries: deque[Entry] = deque(maxlen=last)
        found = scanned = 0
        passed = False
        async for reader, row in self._merged(self._scan_limit + 1):
            places.add(reader, row)
            scanned += 1
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
            passed = passed or row.mark == before.given[-1]
            if row.time == UNDATED == before.time:
                # Of these only the order tells where they stand.
                if passed:
                    continue
            elif row.time == before.time and not _stands_before(row.mark, before):
                continue
            if self._filter.test(row.log) is True:
                entries.append(Entry(places, len(places.rows) - 1))
                found += 1
        return Slice(
            entries=list(entries),
            end=entries[-1].cursor() if entries else None,
            has_next=True,
            has_previous=found > len(entries),
            reports=self._finish(entries),
        )

    def _is_late(self, looked_at: int) -> bool:
        """Tell whether the operation's time is over, now and then."""
        if looked_at % LOOK:
            return False
        return asyncio.get_running_loop().time() > self._operation.deadline

    async def count(self, page: Slice) -> int | None:
        """Count the logs of the whole list, exactly, or tell None where no vendor call can."""
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
        counts = await asyncio.gather(*map(self._count, self._readers))
        return None if None in counts else sum(count or 0 for count in counts)

    async def _count(self, reader: Reader) -> int | None:
        if reader.total is None:
            window = Window(limit=1)
            try:
                kept = await reader.source.page(
                    reader.stream, window, Wanted(), self._operation, max_age=self._max_age
                )
            except (UpstreamError, StreamsChanged):
                return None
            return kept.value.total
        return reader.total

    async def _open(self, after: Cursor | None, down_to: Timestamp | None) -> None:
        """Find the streams of every source and read the first rows of each, all at once."""
        opened = await asyncio.gather(
            *(self._open_source(source, after, down_to) for source in self._sources)
        )
        self._readers = [reader for readers in opened for reader in readers]

    async def _open_source(
        self, source: Source, after: Cursor | None, down_to: Timestamp | None
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
        return []

    async def _open_streams(
        self, source: Source, after: Cursor | None, down_to: Timestamp | None
    ) -> list[Reader]:
        found = await source.find_streams(self._operation)
        if found.errors:
            self._reports[source.name].error = found.errors[0]
        streams = [
            stream for stream in found.streams if self._filter.may_match(_partial(source, stream))
        ]
        wanted = self._wanted()
        readers = [
            Reader(
                source,
                stream,
                wanted,
                self._operation,
                now=self._now,
                after=after,
                down_to=down_to,
                max_age=self._max_age,
            )
            for stream in streams
        ]
        await asyncio.gather(
            *(
                self._fill(reader)
                for reader in readers
                if after is None or reader.waits_at is None or reader.waits_at >= after.horizon
            )
        )
        return readers

    async def _fill(self, reader: Reader) -> None:
        try:
            await reader.fill()
        except UpstreamError as error:
            reader.end(error)
        except StreamsChanged:
            raise
        except Exception:
            log.exception("Reading source %s failed.", reader.source.name)
            reader.end(defect(reader.source.name))

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

    async def _merged(self, limit: int) -> AsyncIterator[tuple[Reader, Row]]:
        """Give at most ``limit`` rows of all readers, the newest first."""
        heap: list[tuple[int, int]] = []
        for order, reader in enumerate(self._readers):
            if (time := reader.next_time) is not None:
                heap.append((-time, order))
        heapq.heapify(heap)
        looked_at = 0
        while heap and limit:
            _, order = heapq.heappop(heap)
            reader = self._readers[order]
            if reader.rows:
                self._reports[reader.source.name].scanned += 1
                limit -= 1
                looked_at += 1
                if not looked_at % TURN:
                    await asyncio.sleep(0)
                yield reader, reader.rows.popleft()
            if limit and not reader.rows:
                try:
                    await self._fill(reader)
                except StreamsChanged as news:
                    # The other streams are there for who asks next.
                    reader.end(news.refusal)
            if reader.rows:
                heapq.heappush(heap, (-reader.rows[0].time, order))

    def _finish(self, entries: Iterable[Entry]) -> list[Report]:
        """Complete the reports; AllSourcesFailedError when there is nothing else to tell."""
        for entry in entries:
            self._reports[entry.log.source].returned += 1
        for name, report in self._reports.items():
            readers = [reader for reader in self._readers if reader.source.name == name]
            errors = [reader.error for reader in readers if reader.error]
            # What opened the breaker tells more than that it is open.
            errors.sort(key=lambda error: error.code is ErrorCode.UPSTREAM_CIRCUIT_OPEN)
            report.error = report.error or next(iter(errors), None)
            report.failed = report.failed or (
                len(errors) == len(readers) > 0 and not report.scanned
            )
            report.freshness = worst(read for reader in readers for read in reader.reads)
            report.unreadable = [reason for reader in readers for reason in reader.unreadable]
            report.notes += [note for reader in readers for note in reader.notes]
            if report.freshness and report.freshness.failure:
                report.notes.append(_instead(report.freshness.failure))
            report.upstream_calls = self._operation.calls[name]
            self._operation.incomplete |= report.error is not None
        reports = list(self._reports.values())
        if reports and all(report.failed for report in reports):
            raise AllSourcesFailedError([report.error for report in reports if report.error])
        return reports


def _instead(code: str) -> str:
    what = ErrorCode[code].value.rstrip(".")
    return f"What was read earlier is given in place of a failure: {what[:1].lower()}{what[1:]}."


def _partial(source: Source, stream: Stream | None = None) -> Partial:
    return Partial(
        source=source.name,
        provider=source.provider,
        hook_id=stream.hook_id if stream else None,
        lacks=source.lacks,
    )


def _stands_before(mark: bytes, cursor: Cursor) -> bool:
    """Tell whether a log of the cursor's own time stands before it; one not met before is new."""
    return mark in cursor.given[:-1] or mark not in (*cursor.given, *cursor.known)


def _moment(bound: int | None) -> Timestamp | None:
    return Timestamp(bound) if bound is not None and 0 < bound < LATEST else None
