"""Reading one upstream list lazily, from where a cursor left it.

A windowed stream is asked for what is no newer than the last log read, so that arrivals shift
nothing and page 1000 costs what page 1 costs. Any other stream has offsets, which arrivals shift
down and deletions shift up: there the list is read from where the anchor stood, and aligned on
the logs themselves.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from gateway import ids
from gateway.cache import FALLBACK_CODES, Cached
from gateway.errors import UpstreamError
from gateway.feed.cursor import UNDATED, Anchor, Cursor, Place
from gateway.model import CacheStatus, Freshness, Timestamp, WebhookLog
from gateway.sources.stale_pages import Bridge, bridge, count, rest
from gateway.vendors.pages import Page, Stream, Wanted, Window

if TYPE_CHECKING:
    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation

MILLISECOND = 1_000_000
NOT_READ = Timestamp(2**63 - 1)
"""The time of a row that is not read yet and may be any; the merge has to look at it first."""
REPEATS = 3
"""How often a vendor may give the very same page before its list counts as ended."""


class Row(msgspec.Struct, frozen=True):
    """A log with its place in the merged order.

    ``anchor`` is where it stood, for streams that have offsets.
    """

    log: WebhookLog
    mark: bytes
    time: Timestamp
    anchor: Anchor | None
    freshness: Freshness


class _Placed(msgspec.Struct):
    """A page whose logs have got their marks and their times."""

    rows: list[tuple[WebhookLog, bytes, Timestamp]]
    offset: int
    read: int
    more: bool
    total: int
    freshness: Freshness


class Reader:
    """One stream of one source, for one operation.

    It begins behind ``after``, and ends with the last log that is no older than ``down_to``.
    ``rows`` are read and not yet taken; ``waits_at`` is the time of the first of them where a
    cursor knows it, so that it need not be read yet. ``error`` is what ended the reading early;
    what was read before stays good. ``total`` is the vendor's count of the whole list, or None
    where it gives none or was asked for a part only. Nothing older than ``max_age`` seconds is
    taken from the cache; ``reads`` tells how fresh what was read is. ``now`` is when the list was
    asked for.
    """

    def __init__(
        self,
        source: Source,
        stream: Stream,
        wanted: Wanted,
        operation: Operation,
        *,
        now: Timestamp,
        after: Cursor | None = None,
        down_to: Timestamp | None = None,
        max_age: float | None = None,
    ) -> None:
        self.source = source
        self.key = ids.mark(f"{source.name}/{stream.key}")
        self.rows: deque[Row] = deque()
        self.error: UpstreamError | None = None
        self.exhausted = False
        self.total: int | None = None
        self.notes: list[str] = []
        self.unreadable: list[str] = []
        self.reads: list[Freshness] = []
        self.stream = stream
        self._wanted = wanted
        self._operation = operation
        self._now = now
        self._down_to = down_to
        self._max_age = max_age
        self._windowed = stream.windowed
        self._bound = after.time if after else None
        self._time = self._bound
        self._seen: set[bytes] = set(after.given) if after else set()
        # Whether logs of this stream are known to stand before what is read next.
        self._begun = False
        place = (after.places.get(self.key) if after else None) or Place()
        self.waits_at = place.next
        self._anchor = place.anchor
        self._offset = self._anchor.offset if self._anchor else 0
        self._first_total = -1
        self._last_total = -1
        self._last: Cached[Page] | None = None
        # The pages read so far, of a list with windows; else the last one.
        self._trail: list[Page] = []
        self._repeats = 0
        if place.ended or (self._windowed and self._bound == UNDATED):
            self.exhausted = True

    @property
    def next_time(self) -> Timestamp | None:
        """When the next row happened: NOT_READ until it is read, None when there is none."""
        if self.rows:
            return self.rows[0].time
        if self.exhausted:
            return None
        return NOT_READ if self.waits_at is None else self.waits_at

    def end(self, error: UpstreamError) -> None:
        """Read no further."""
        self.error = error
        self.exhausted = True

    async def fill(self) -> None:
        """Read on until a row is ready or the stream has ended; UpstreamError ends the stream."""
        self.waits_at = None
        while not self.rows and not self.exhausted:
            if self._windowed:
                await self._fill_from_window()
            else:
                await self._fill_from_offset()

    async def _fill_from_window(self) -> None:
        page = await self._read_on(self._time)
        if page.offset >= 0 and self._time is not None:
            # The vendor knows no windows after all, and answered from the top of its list.
            self._windowed = False
        until = self._time
        page.rows.sort(key=lambda row: row[2], reverse=True)
        found = False
        for log, mark, time in page.rows:
            if mark not in self._seen and (until is None or time <= until):
                self._take(log, mark, time, None, page.freshness)
                found = True
        self.exhausted = self.exhausted or not page.more or page.read == 0
        # Where a page holds nothing new, more logs share one moment than it has room for.
        self._offset = 0 if found and self._windowed else self._offset + page.read
        if not found and page.more and self._repeats > 1 and self._time is not None:
            self.notes.append(
                f"More than {page.read} logs share one millisecond; the vendor does not list the"
                " others."
            )
            self._time = Timestamp(self._time - MILLISECOND)
            self._offset = 0

    async def _fill_from_offset(self) -> None:
        page = await self._read_on()
        anchor, self._anchor = self._anchor, None
        in_place = self._fits(page, anchor)
        if not in_place and page.freshness.status is not CacheStatus.MISS:
            # Cached pages may show the list of another moment.
            self._max_age = 0
            page = await self._read(self._offset)
            in_place = self._fits(page, anchor)
        if anchor is not None and not in_place and 0 <= anchor.total < page.total:
            # Logs that arrived have pushed the anchor down by as many places.
            page = await self._read(anchor.offset + page.total - anchor.total)
            in_place = self._align(page, anchor)
        if not in_place:
            # Something was deleted, so what stood behind it may now stand on a page read before.
            self._max_age = 0
            page = await self._read_back(page)
        # Behind a log given before, the vendor's order tells what is fresh, not the times.
        ordered = in_place and self._begun
        behind = self._bound if anchor is None else None
        self._take_page(page, behind if ordered else self._time, ordered=ordered)
        self._offset, self._last_total = page.offset + page.read, page.total
        self._first_total = page.total if self._first_total < 0 else self._first_total
        self.exhausted = self.exhausted or not page.more or page.read == 0

    async def _read_back(self, page: _Placed) -> _Placed:
        """Find the page that begins with a log given before, from where to read forward again."""
        while page.offset > 0 and not (page.rows and self._is_known(*page.rows[0])):
            behind = page.offset
            if not page.rows:
                # Most of the list was deleted, or the cursor made up: steps would take too long.
                behind = min(behind, page.total) if page.total >= 0 else behind // 2
            page = await self._read(max(0, behind - self.source.page_size))
        return page

    async def _read_on(self, until: Timestamp | None = None) -> _Placed:
        """Read what stands behind the last page."""
        window = Window(limit=self.source.page_size, offset=self._offset, until=until)
        if self._last is None:
            return self._place(await self._ask(window, None))
        last = self._last.value
        try:
            kept = await self._ask(window, last.since or self._last.freshness.fetched_at)
        except UpstreamError as error:
            kept = await self._bridge(window, error)
        return self._place(kept)

    async def _bridge(self, window: Window, error: UpstreamError) -> Cached[Page]:
        """Go on in place of a failure where something older is known to go on."""

        async def recall(window: Window, since: Timestamp) -> Cached[Page] | None:
            return await self.source.recall_page(
                self.stream, window, self._wanted, self._operation, error=error, not_before=since
            )

        # An offset within a moment is counted from there, wherever the pages before it ended.
        trail = [] if window.until is not None and window.offset else self._trail
        found: Bridge | None = None
        for page in reversed(trail):
            found = found or await bridge(page, window, recall, known=self._seen, now=self._now)
        if found is None and trail and error.code in FALLBACK_CODES:
            failure = error.code.name
            found = rest(trail[-1], window, known=self._seen, now=self._now, failure=failure)
            if found is not None:
                self._operation.reads[self.source.name].append(found.kept.freshness)
        if found is None:
            raise error
        if window.until is None:
            self._first_total = self._last_total = count(found.seam.total)
        return found.kept

    async def _read(self, offset: int) -> _Placed:
        """Read a part of the list as it is now, or was not before the last page."""
        window = Window(limit=self.source.page_size, offset=offset)
        # A list of before would lack, further down, what has been pushed there since.
        return self._place(
            await self._ask(window, self._last.freshness.fetched_at if self._last else None)
        )

    async def _ask(self, window: Window, not_before: Timestamp | None) -> Cached[Page]:
        return await self.source.page(
            self.stream,
            window,
            self._wanted,
            self._operation,
            max_age=self._max_age,
            not_before=not_before,
        )

    def _place(self, kept: Cached[Page]) -> _Placed:
        page = kept.value
        last, self._last = self._last, kept
        if not self._windowed:
            self._trail.clear()
        self._trail.append(page)
        self.reads.append(kept.freshness)
        self.unreadable.extend(page.unreadable)
        if self.total is None and self._wanted == Wanted():
            self.total = page.total
        marks = page.marks
        repeats = last is not None and marks and marks == last.value.marks
        self._repeats = self._repeats + 1 if repeats else 0
        repeated = len(marks) - len(set(marks))
        return _Placed(
            rows=list(zip(page.logs, marks, self._times(page), strict=True)),
            offset=-1 if page.offset is None else page.offset,
            # A row that comes twice on one page stands in the list once.
            read=page.read - repeated,
            # Some lists ignore their paging parameters and give the same page for ever.
            more=(page.more or repeated > 0) and self._repeats < REPEATS,
            total=count(page.total),
            freshness=kept.freshness,
        )

    def _times(self, page: Page) -> list[Timestamp]:
        """Place each log in time so that the vendor's order stays as it is.

        A log without a time stands with the one before it. Leading ones stand with the first that
        has one, and a list without any time goes to the end, where it hides nothing. A log that
        is older than one behind it stands with that one.
        """
        dated = (log.triggered_at for log in page.logs if log.triggered_at is not None)
        before = self._time if self._begun and self._time is not None else next(dated, UNDATED)
        times = []
        for log in page.logs:
            before = before if log.triggered_at is None else log.triggered_at
            times.append(before)
        if not self._windowed:
            for index in range(len(times) - 2, -1, -1):
                times[index] = max(times[index], times[index + 1])
        return times

    def _fits(self, page: _Placed, anchor: Anchor | None) -> bool:
        """Tell whether a page continues the list without a gap."""
        return page.total >= self._last_total if anchor is None else self._align(page, anchor)

    def _align(self, page: _Placed, anchor: Anchor) -> bool:
        """Look for the anchor; everything up to it was given before."""
        for index, (_, mark, _) in enumerate(page.rows):
            if mark == anchor.mark:
                self._seen.update(row[1] for row in page.rows[: index + 1])
                self._begun = True
                return True
        return False

    def _is_known(self, log: WebhookLog, mark: bytes, time: Timestamp) -> bool:
        if mark in self._seen:
            return True
        return log.triggered_at is not None and self._bound is not None and time > self._bound

    def _take_page(self, page: _Placed, bound: Timestamp | None, *, ordered: bool) -> None:
        # What stands before a log that was given is new, or gone since.
        known = [index for index, row in enumerate(page.rows) if row[1] in self._seen]
        begin = known[-1] + 1 if known and ordered else 0
        # What arrived since the first page, which may have been kept, has pushed the list down.
        arrived = page.total - self._first_total if self._first_total >= 0 else 0
        for index, (log, mark, time) in enumerate(page.rows):
            is_new = index < begin or page.offset + index < arrived
            if mark not in self._seen and not is_new and (bound is None or time <= bound):
                anchor = Anchor(page.offset + index, mark, page.total)
                self._take(log, mark, time, anchor, page.freshness)
        # What was left out was given before or is new, and may be met again on the next page.
        self._seen.update(row[1] for row in page.rows)

    def _take(
        self,
        log: WebhookLog,
        mark: bytes,
        time: Timestamp,
        anchor: Anchor | None,
        freshness: Freshness,
    ) -> None:
        self._seen.add(mark)
        self._begun = True
        self._time = time if self._time is None else min(time, self._time)
        if self._down_to is not None and self._time < self._down_to:
            self.exhausted = True
        else:
            self.rows.append(Row(log, mark, self._time, anchor, freshness))
