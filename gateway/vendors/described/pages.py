"""Pages of the lists of logs."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.errors import UpstreamError
from gateway.vendors.base import SourceIds, parse_rows
from gateway.vendors.calls import Params, first_accepted
from gateway.vendors.described.compiled import Compiled
from gateway.vendors.described.filters import bounds
from gateway.vendors.described.listing import Listing, Rows
from gateway.vendors.described.numbered_pages import NumberedPages
from gateway.vendors.described.places import Places
from gateway.vendors.described.templates import path_of
from gateway.vendors.pages import Criteria, Page, Stream, Window

if TYPE_CHECKING:
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

MAX_EMPTY = 20
"""How many empty pages in turn are passed over at once."""
Unexpected = Callable[[str], UpstreamError]
"""Returns the error for a document of another shape than its argument."""


def checked(
    listing: Listing, document: Any, headers: Mapping[str, str], unexpected: Unexpected
) -> Rows:
    """Return the rows of an answer; UpstreamError if it has none."""
    rows = listing.rows(document, headers)
    if rows is None:
        name = listing.table.items
        raise unexpected(f"an object with {name}" if name else "a list")
    return rows


class LogPages:
    """Reads the lists of logs; ``page_size`` is the number of rows of a page, as far as known."""

    def __init__(
        self,
        compiled: Compiled,
        places: Places,
        client: UpstreamClient,
        ids: SourceIds,
        unexpected: Unexpected,
        page_size: int,
    ) -> None:
        self._compiled = compiled
        self._listing = compiled.pages
        self._places = places
        self._client = client
        self._ids = ids
        self._unexpected = unexpected
        self._numbered = NumberedPages()
        self.page_size = self._listing.limit(page_size)

    async def read(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        """Request a page, without the filters if the vendor refuses those."""
        own = bounds(self._compiled.description.list, window, criteria)
        filters = self._compiled.filters.params(criteria)
        read = self._page_by_token if self._listing.by_token else self._page_by_offset
        page, _ = await first_accepted(
            lambda params: read(
                stream, window, functools.partial(self._rows, stream, params, operation), operation
            ),
            ((*own, *filters), own),
        )
        return page

    async def _page_by_offset(
        self, stream: Stream, window: Window, read: Read, operation: Operation
    ) -> Page:
        limit = self._listing.limit(window.limit)
        if self._listing.by_page:
            rows, offset = await self._numbered.at(window.offset, limit, read)
            self.page_size = min(self.page_size, self._numbered.size or self.page_size)
        else:
            rows = await read(limit, window.offset)
            offset = window.offset if self._listing.by_offset else 0
        return self._page(stream, window, rows, offset, operation)

    async def _page_by_token(
        self, stream: Stream, window: Window, read: Read, operation: Operation
    ) -> Page:
        """Read the page of a token, or the one after some rows of the window.

        Vendors that filter the rows of each page may send empty ones before the end.
        """
        limit = self._listing.limit(window.limit)
        rows = await read(limit, 0, window.token)
        before = 0
        passed: set[str] = set()
        while rows.token and rows.token not in passed and len(passed) < MAX_EMPTY:
            if rows.rows:
                passed.clear()
                if window.token is not None or before + len(rows.rows) > window.offset:
                    break
            elif not rows.more:
                break
            passed.add(rows.token)
            before += len(rows.rows)
            rows = await read(limit, 0, rows.token)
        return self._page(stream, window, rows, before, operation)

    def _page(
        self, stream: Stream, window: Window, rows: Rows, offset: int, operation: Operation
    ) -> Page:
        parse, ids, place = self._compiled.parse_log, self._ids, stream.place
        logs, unreadable = parse_rows(
            rows.rows, lambda row: parse(row, ids, place), operation.memo(stream.key)
        )
        from_top = window.until is None and window.token is None
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=len(rows.rows),
            offset=offset if from_top else None,
            total=rows.total if from_top else None,
            more=rows.more,
            next_token=rows.token if stream.by_token and rows.more else None,
        )

    async def _rows(
        self,
        stream: Stream,
        filters: Params,
        operation: Operation,
        limit: int,
        offset: int,
        token: str | None = None,
    ) -> Rows:
        listing = self._listing
        variables = self._places.variables(stream.place)
        narrower = {name for name, _ in filters}
        usual = listing.params(variables, limit, offset=offset, token=token)
        params = (*(param for param in usual if param[0] not in narrower), *filters)
        body = listing.body(params, variables) if listing.by_post else None
        document, headers = await self._client.json(
            path_of(listing.table.path, variables),
            () if listing.by_post else params,
            operation=operation,
            rows=listing.raw_rows,
            body=body,
        )
        return checked(listing, document, headers, self._unexpected)


Read = Callable[..., Awaitable[Rows]]
"""Requests the rows of a page by limit, offset and token."""
