"""One page of the merged list of all sources.

A source that fails is left out, and its report says so.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

import msgspec

from gateway.errors import AllSourcesFailedError, ErrorCode, RequestError
from gateway.feed.counting import count_all
from gateway.feed.cursor import LATEST, UNDATED, Cursor
from gateway.feed.filter_tests import Partial
from gateway.feed.filters import Filter
from gateway.feed.memory import remember, time_of
from gateway.feed.merge import ROWS_PER_TURN, Merge, Turn, merge
from gateway.feed.new_rows import NewRows
from gateway.feed.positions import Entries, Positions
from gateway.feed.reader import Reader
from gateway.feed.report import UNREAD, Report, complete_all
from gateway.feed.stream_opener import StreamOpener, partial_of
from gateway.model import Capability, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.feed.cursor import Memory
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

    entries: Entries
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
        self._sources, self._reports = choose(sources, wanted, now)
        self._filter = wanted
        self._operation = operation
        self._scan_limit = scan_limit
        self._now = now
        self._max_age = max_age
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
        found = await self._look_through(positions, first)
        entries = Entries(positions, found)
        if after is None:
            begin = found[0] if found else len(positions.rows)
            indices = range(begin, len(positions.rows))
            positions.top, positions.memory = begin, self._memory(indices, None)
        top = positions.top_cursor if after is None else lambda: after
        return Slice(
            entries=entries,
            find_start=functools.partial(positions.cursor, found[0]) if found else top,
            find_end=functools.partial(positions.cursor, len(positions.rows) - 1)
            if positions.rows
            else top,
            has_next=any(reader.next_time is not None for reader in self._readers),
            has_previous=after is not None,
            reports=self._finish(),
        )

    async def _look_through(self, positions: Positions, first: int) -> list[int]:
        """Add the rows of the merge down to the ``first`` match; return the indices of those."""
        merge = Merge(self._readers, self._scan_limit if first else 0)
        turn = Turn()
        found: list[int] = []
        scanned = refused = 0
        while True:
            missing = first - len(found)
            while ahead := merge.ahead(self._filter.rows_at_once(missing, scanned)):
                reader, rows = ahead
                matches = self._filter.matches(rows, missing)
                if len(matches) == missing:
                    rows = rows[: matches[-1] + 1]
                merge.take(reader, len(rows))
                positions.extend(reader, rows)
                self._note(reader, len(rows), len(matches))
                found += [scanned + index for index in matches]
                if len(matches) == missing:
                    return found
                missing -= len(matches)
                before, scanned = scanned, scanned + len(rows)
                refused += len(rows) - len(matches)
                await self._give_turn(refused, len(rows) - len(matches))
                if scanned // ROWS_PER_TURN > before // ROWS_PER_TURN:
                    await turn.end()
                    if self._is_late(scanned, len(rows)):
                        return found
            if not await merge.read_on():
                return found

    async def backward(self, last: int, before: Cursor) -> Slice:
        """Return the ``last`` matches that are new since a cursor was made, or newer than it.

        Raises RequestError if more logs are newer than can be examined within the scan limit and
        the operation's deadline.
        """
        new_rows = NewRows(before)
        self._readers = await self._opener.open(None, new_rows.floor_of)
        new_rows.open(self._opener.passed(self._readers, before))
        positions = Positions(self._filter, self._readers, None, last)
        new: list[int] = []
        remembered: list[int] = []
        scanned = 0
        async for reader, row in merge(self._readers, self._scan_limit + new_rows.remembered + 1):
            positions.add(reader, row)
            if new_rows.is_remembered(reader, row):
                remembered.append(len(positions.rows) - 1)
                continue
            scanned += 1
            self._check_scanned(scanned)
            if new_rows.is_new(reader, row) and self._matches(row.log):
                new.append(len(positions.rows) - 1)
            else:
                await self._give_turn(scanned - len(new))
        later = max(0, len(new) - last)
        unseen, chosen = new[:later], new[later:]
        for owner in positions.owners:
            self._note(owner, 1, 0)
        for index in chosen:
            self._note(positions.owners[index], 0, 1)
        entries = Entries(positions, chosen)
        reports = self._finish()
        if entries:
            begin = entries[0].index
            above = [index for index in remembered if index < begin]
            indices = [*above, *range(begin, len(positions.rows))]
            positions.top, positions.seen_above = begin, above
            positions.memory = self._memory(indices, before.memory, unseen)
        return Slice(
            entries=entries,
            find_start=entries[0].cursor if entries else lambda: before,
            find_end=entries[-1].cursor if entries else lambda: before,
            has_next=True,
            has_previous=bool(unseen),
            reports=reports,
        )

    def _note(self, reader: Reader, scanned: int, returned: int) -> None:
        report = self._reports[reader.source.name]
        report.scanned += scanned
        report.returned += returned

    def _check_scanned(self, scanned: int) -> None:
        if scanned > self._scan_limit:
            raise RequestError(
                ErrorCode.CURSOR_TOO_OLD,
                f"More than {self._scan_limit} logs are newer than that cursor."
                " Begin without a cursor and read forward.",
            )
        if self._is_late(scanned, 1):
            raise RequestError(
                ErrorCode.CURSOR_TOO_OLD,
                "There was no time to look at all logs that are newer than that cursor."
                " Begin without a cursor and read forward.",
            )

    def _matches(self, log: WebhookLog) -> bool:
        return self._filter.test(log) is True

    def _memory(
        self, indices: Sequence[int], before: Memory | None, unseen: Sequence[int] = ()
    ) -> Callable[[Positions], Memory]:
        """Return a function that builds the memory for polling when it is first needed.

        The rows of the indices count as seen; the ``unseen`` ones are left for later pages.
        """
        built: list[Memory] = []

        # Without a reference to the positions, which would be garbage for the collector alone.
        def build(positions: Positions) -> Memory:
            if not built:
                seen = [(positions.owners[index], positions.rows[index]) for index in indices]
                incomplete = self._opener.incomplete
                times = (time_of(positions.rows[index]) for index in unseen)
                most = min((time for time in times if time != UNDATED), default=LATEST)
                built.append(
                    remember(
                        self._readers, seen, self._matches, before, incomplete, self._now, most
                    )
                )
            return built[0]

        return build

    async def _give_turn(self, refused: int, more: int = 1) -> None:
        """Let other operations have their turn now and then while logs are refused.

        ``more`` were refused since the last call.
        """
        if refused % ROWS_PER_TURN < more:
            await asyncio.sleep(0)

    def _is_late(self, scanned: int, more: int) -> bool:
        """Return whether the deadline has passed; the clock is checked only now and then.

        ``more`` logs were examined since the last call.
        """
        if scanned % CLOCK_INTERVAL >= more:
            return False
        late = self._operation.is_late
        if late:
            self._operation.result.is_lasting = False
        return late

    async def count(self, page: Slice) -> int | None:
        """Count the logs of the whole list exactly; None if no vendor call can."""
        if any(report.error for report in page.reports):
            return None
        if not page.has_previous and not page.has_next:
            # Which of the two is wrong can't be known.
            is_short = any(reader.pages.is_short for reader in self._readers)
            return None if is_short else len(page.entries)
        if not all(Capability.COUNT in source.capabilities for source in self._sources):
            return None
        # The vendors' counts do not apply if the filter tests single logs.
        if not all(
            self._filter.test(partial_of(reader.source, reader.stream)) is True
            for reader in self._readers
        ):
            return None
        return await count_all(self._readers, self._operation, self._max_age)

    def _finish(self) -> list[Report]:
        """Complete the reports; AllSourcesFailedError when there is nothing else to tell."""
        reports = complete_all(self._reports, self._readers, self._operation)
        if reports and all(report.failed for report in reports):
            raise AllSourcesFailedError([report.error for report in reports if report.error])
        return reports


def choose(
    sources: Sequence[Source], wanted: Filter, now: Timestamp
) -> tuple[Sequence[Source], dict[str, Report]]:
    """Return the sources to read, and reports of all that the filter allows.

    Some of those need not be read, because their vendor's logs lack what the filter asks for.
    """
    chosen = read = sources
    if not wanted.matches_all:
        read = [source for source in sources if wanted.may_match(partial_of(source))]
        chosen = [
            source
            for source in sources
            # Where more is known, nothing is possible that was not possible before.
            if source in read
            or wanted.may_match(Partial(source=source.name, provider=source.provider))
        ]
    return read, {
        source.name: Report(source=source.name, notes=[] if source in read else [UNREAD], now=now)
        for source in chosen
    }
