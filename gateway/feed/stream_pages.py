"""Read the vendor's pages of one list for one operation, and learn from them about the list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from gateway.errors import ErrorCode, UpstreamError
from gateway.feed.cursor import Anchor
from gateway.model import Freshness, Timestamp, WebhookLog
from gateway.sources.stale_pages import Continuation, continue_stale
from gateway.sources.windows import rounded
from gateway.vendors.pages import Criteria, Page, Window

if TYPE_CHECKING:
    from gateway.cache import Cached
    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation
    from gateway.vendors.pages import Stream


class ListedRow(msgspec.Struct, frozen=True):
    """A log as its vendor lists it; ``anchor`` is its position in a list with offsets."""

    log: WebhookLog
    mark: bytes
    freshness: Freshness
    anchor: Anchor | None = None


class StreamPages:
    """Reads pages of one list; each page is at least as new as the one before it.

    ``seen`` are the marks of the logs that were returned, or must not be. ``total`` is the vendor's
    count of the whole list, or None if it gives none or only a part was requested. ``loss`` is the
    error for logs that are missing although no call failed. Cached data older than ``max_age``
    seconds is not used; ``reads`` is the freshness of the pages. ``now`` is when the operation
    requested the list.
    """

    def __init__(
        self,
        source: Source,
        stream: Stream,
        criteria: Criteria,
        operation: Operation,
        *,
        now: Timestamp,
        max_age: float | None = None,
    ) -> None:
        self.source = source
        self.stream = stream
        self.operation = operation
        self._seen: set[bytes] = set()
        self._begun_with: Page | None = None
        """The page whose rows were all taken at once."""
        self._is_noted = True
        """False while its marks are not among those that were seen."""
        self._peeked: tuple[Window, Cached[Page]] | None = None
        """What was found at a first look, and was not taken."""
        self._again: Page | None = None
        """The page that the next read returns, because it was read before."""
        self.watched: set[bytes] = set()
        """Marks of the odd rows that were returned, for ``may_repeat``."""
        self._met: dict[bytes, Timestamp | None] = {}
        self.total: int | None = None
        self.top = 0
        """Number of rows on the first page of the list."""
        self.loss: UpstreamError | None = None
        self.is_lacking = False
        """Whether logs lack values that the vendor could not be asked for."""
        self.is_short = False
        """Whether the list ended before as many rows as the vendor counts."""
        self.notes: list[str] = []
        self.unreadable: list[str] = []
        self.reads: list[Freshness] = []
        self.max_age = max_age
        self.facts = source.list_facts
        self.continued: Continuation | None = None
        """The page that replaced the last one after a failure, if it did."""
        self._criteria = criteria
        self._now = now
        self._last: Cached[Page] | None = None
        # All pages read so far if the list has windows, otherwise the last one.
        self._trail: list[Page] = []

    @property
    def seen(self) -> set[bytes]:
        """The marks of the logs that were returned, or must not be."""
        if not self._is_noted and self._begun_with is not None:
            self._seen.update(self._begun_with.marks)
            self._is_noted = True
        return self._seen

    def peek(self, window: Window) -> Cached[Page] | None:
        """Return the first page of the list, if that is cached, fresh and takes no wait."""
        cached = self.source.peek_page(
            self.stream, window, self._criteria, self.operation, max_age=self.max_age
        )
        self._peeked = None if cached is None else (window, cached)
        return cached

    @property
    def has_peeked(self) -> bool:
        """Whether the first page was found at a first look, and was not taken."""
        return self._peeked is not None

    async def look(self, window: Window) -> Cached[Page]:
        """Return the first page of the list; UpstreamError if it can't be read.

        The next read of the same window returns it, too.
        """
        cached = await self.source.page(
            self.stream, window, self._criteria, self.operation, max_age=self.max_age
        )
        self._peeked = window, cached
        return cached

    def begin(self, cached: Cached[Page], window: Window) -> None:
        """Begin with a page, all rows of which are taken at once."""
        self._peeked = None
        self._last = cached
        self._trail.append(cached.value)
        self._learn(cached, window)
        self._begun_with, self._is_noted = cached.value, False

    def repeat(self) -> None:
        """Let the page that the list began with be read once more, row by row."""
        if self._is_noted and self._begun_with is not None:
            self._seen.difference_update(self._begun_with.marks)
        self._is_noted = True
        self._again = self._begun_with

    @property
    def whole(self) -> bool:
        """True if the whole list is requested, so that the vendor's total counts all of it."""
        return self._criteria == Criteria()

    async def read(self, window: Window, *, follows: bool = True, anew: bool = False) -> Page:
        """Read a page; if it ``follows`` the last one, stale pages may replace it.

        If ``anew`` is true, it is not taken from the cache if it was requested before the last one,
        or is that itself.
        """
        self.continued = None
        if (again := self._again) is not None:
            self._again = None
            return again
        not_before = None
        if self._last is not None:
            since = self._last.value.since if follows and not anew else None
            not_before = since or self._last.freshness.fetched_at
            if anew:
                not_before = Timestamp(not_before + 1)
        peeked, self._peeked = self._peeked, None
        try:
            cached = (
                peeked[1]
                if peeked is not None and peeked[0] == window
                else await self.source.page(
                    self.stream,
                    window,
                    self._criteria,
                    self.operation,
                    max_age=self.max_age,
                    not_before=not_before,
                )
            )
        except UpstreamError as error:
            # A refreshed page names another next page than the one that is cached.
            if self._last is None or not follows or self.stream.by_token:
                raise
            self.continued = await self._continue(window, error)
            cached = self.continued.cached
        self._last = cached
        if not self.stream.windowed:
            self._trail.clear()
        self._trail.append(cached.value)
        self._learn(cached, window)
        return cached.value

    async def take_turn(self) -> None:
        """Let others run, as cached pages come without waiting; UpstreamError when it is late."""
        await asyncio.sleep(0)
        if self.operation.is_late:
            raise UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"The list of source {self.source.name} could not be read on before the operation's"
                " time was up. Try again, or give it more time.",
                source=self.source.name,
            )

    async def _continue(self, window: Window, error: UpstreamError) -> Continuation:
        async def recall(window: Window, since: Timestamp) -> Cached[Page] | None:
            if window.until is not None:
                until = rounded(window.until, self.stream.granularity)
                window = replace(window, until=until)
            return await self.source.recall_page(
                self.stream, window, self._criteria, self.operation, error=error, not_before=since
            )

        found = await continue_stale(
            # An offset within a window counts from there, wherever the pages before it ended.
            [] if window.until is not None and window.offset else self._trail,
            window,
            recall,
            seen=self.seen,
            now=self._now,
            failure=error.code,
        )
        if found is None or self._is_stuck(found.cached.value):
            raise error
        if found.is_rest:
            self.operation.reads[self.source.name].append(found.cached.freshness)
        return found

    def _is_stuck(self, page: Page) -> bool:
        """Return whether a stale page has nothing new, though it is not the last of its list."""
        return page.read >= self.facts.largest_page and self.seen.issuperset(page.marks)

    def _learn(self, cached: Cached[Page], window: Window) -> None:
        page = cached.value
        self.reads.append(cached.freshness)
        self.unreadable.extend(page.unreadable)
        if page.lacking is not None:
            self.is_lacking = True
            self.note(page.lacking)
        if self.total is None and self.whole and window.until is None and window.token is None:
            self.total, self.top = page.total, self.end(page, window)
        if self.watched:
            for log, mark in zip(page.logs, page.marks, strict=True):
                if mark in self.watched:
                    self._met[mark] = log.triggered_at
        if self.continued is not None:
            return
        end = self.end(page, window) if page.offset is not None else None
        if not self.facts.learn(page, end):
            self.note(f"The vendor counts {page.total} logs but lists more; its count is not used.")

    def may_repeat(self, mark: bytes, time: Timestamp) -> bool:
        """Return whether a watched row may be on a page that is no newer than a time."""
        if not self.reads:
            return True
        if mark not in self._met:
            return False
        own = self._met[mark]
        return own is None or own <= time

    @property
    def freshness(self) -> Freshness:
        """The freshness of the last page."""
        return self.reads[-1]

    def end(self, page: Page, window: Window) -> int:
        """Return the offset after a page. A row that is repeated on the page counts once."""
        begin = window.offset if page.offset is None else page.offset
        return begin + page.read - page.repeats

    @property
    def listed(self) -> int:
        """Number of rows of a list that was read from its top, each of them counted once."""
        return len(self.seen) + len(self.unreadable)

    def note(self, text: str) -> None:
        """Add a note to the source's report, unless it is there already."""
        if text not in self.notes:
            self.notes.append(text)

    def note_count(self, end: int) -> None:
        """Say so if a list ended before as many rows as the vendor counts."""
        if self.whole and self.total is not None and end < self.total:
            self.is_short = True
            self.note(f"The vendor counts {self.total} logs but lists {end}.")

    def report_loss(self, why: str) -> None:
        """Report that logs are missing, and why."""
        self.note(why)
        self.loss = self.loss or UpstreamError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            f"Source {self.source.name} may have more logs than are listed. {why}",
            source=self.source.name,
        )

    def rows(self, page: Page) -> Sequence[ListedRow]:
        """Return the logs of the last page."""
        freshness = self.freshness
        return [
            ListedRow(log, mark, freshness) for log, mark in zip(page.logs, page.marks, strict=True)
        ]
