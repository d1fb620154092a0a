"""Search a whole list for a log that no call can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.errors import ErrorCode, UpstreamError
from gateway.model import Timestamp, WebhookLog, worst
from gateway.vendors.pages import TOKEN_REFUSED, Criteria, Page, Scan, Stream, Window

if TYPE_CHECKING:
    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation


class LogSearch:
    """One search of a list, newest first, until the operation's deadline.

    If ``uncached`` is true, neither the cache nor calls in flight are used. While the vendor fails,
    the cached pages are searched. A log that none of them contains may still exist, so the list is
    then read from the vendor.
    """

    def __init__(
        self, source: Source, scan: Scan, operation: Operation, *, uncached: bool = False
    ) -> None:
        self._source = source
        self._scan = scan
        self._operation = operation
        self._uncached = uncached
        self._not_before: Timestamp | None = None
        self._failure: UpstreamError | None = None

    async def find(self) -> WebhookLog | None:
        """Return the log, or None if it is not in the list; UpstreamError if that is not known."""
        window = Window(limit=self._source.page_size)
        followed: set[str] = set()
        while True:
            try:
                page = await self._read(window)
            except UpstreamError as error:
                if window.token is None or error.status not in TOKEN_REFUSED or self._uncached:
                    raise
                # The page that named it was cached; as it is now, it may name another.
                return await self._again()
            for log in page.logs:
                if log.upstream_id == self._scan.upstream_id:
                    return log
            following = None
            if not self._scan.is_past(page):
                following = _following(self._scan.stream, window, page)
            if following is None:
                return await self._end(window, page)
            if following.token is not None:
                if following.token in followed:
                    raise self._repeated_token()
                followed.add(following.token)
            window = following

    async def _read(self, window: Window) -> Page:
        source, operation = self._source, self._operation
        request = (self._scan.stream, window, Criteria(), operation)
        if self._uncached:
            return await source.vendor.read_page(*request)
        try:
            cached = await source.page(*request, not_before=self._not_before)
        except UpstreamError as error:
            if window.token is not None and error.status in TOKEN_REFUSED:
                raise
            self._failure = error
            stale = await source.recall_page(*request, error=error, not_before=Timestamp(0))
            if stale is None:
                raise
            cached = stale
        self._not_before = cached.freshness.fetched_at
        operation.made_of = worst(filter(None, (operation.made_of, cached.freshness)))
        return cached.value

    async def _end(self, window: Window, page: Page) -> WebhookLog | None:
        """End a search without a result, or search the list as the vendor has it now."""
        if self._failure:
            raise self._failure
        made_of = self._operation.made_of
        # An empty page may be one that is gone.
        is_gone = window.token is not None and not page.read and not self._uncached
        if is_gone or (made_of and made_of.failure):
            return await self._again()
        return None

    async def _again(self) -> WebhookLog | None:
        self._operation.made_of = None
        search = LogSearch(self._source, self._scan, self._operation, uncached=True)
        return await search.find()

    def _repeated_token(self) -> UpstreamError:
        return UpstreamError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            f"Source {self._source.name} could not be searched to its end: its vendor's page tokens"
            " lead back to pages that were read before.",
            source=self._source.name,
        )


def _following(stream: Stream, window: Window, page: Page) -> Window | None:
    """Return the window after a page, without times; None if it is the last page."""
    if stream.by_token:
        return None if page.next_token is None else replace(window, token=page.next_token)
    end = (page.offset or 0) + page.read
    return replace(window, offset=end) if page.more and end > window.offset else None
