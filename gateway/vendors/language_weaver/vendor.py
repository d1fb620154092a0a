"""RWS Language Weaver Edge, API v2: the audit log of its webhooks.

The log is read by page number; new entries shift all others, and so do deletions. There is no
filter by time, and no call for one entry.

https://developers.languageweaver.com/api/lw-edge/webhook-audit-logging
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from gateway.model import Capability, Hook, WebhookLog, WebhookLogStatus
from gateway.normalise.fields import Fields, is_number
from gateway.upstream.path import ApiPath
from gateway.vendors.base import Vendor, parse_rows, read_hooks
from gateway.vendors.calls import Params, is_sendable, may_have_more
from gateway.vendors.language_weaver.parsing import (
    PROVIDER,
    LanguageWeaverDetails,
    parse_hook,
    parse_log,
    read_error,
)
from gateway.vendors.language_weaver.settings import LanguageWeaverSettings, credential
from gateway.vendors.pages import Criteria, Found, Hooks, Page, Scan, Stream, Window
from gateway.vendors.retried import Retried, RetryKind

if TYPE_CHECKING:
    from gateway.upstream.operation import Operation

STREAM = Stream(key="audit")
MAX_EVENTS = 10
FAILED, SUCCEEDED = WebhookLogStatus.FAILED, WebhookLogStatus.SUCCEEDED
STATUSES = {frozenset({FAILED}): "true", frozenset({SUCCEEDED}): "false"}
"""The values of the vendor's filter ``failed``. Entries without errorMessage, whose status is
unknown, may be in either list, or in none."""
RECORDED = frozenset({FAILED, SUCCEEDED, WebhookLogStatus.UNKNOWN})
"""All statuses that entries have."""


class LanguageWeaver(Vendor[LanguageWeaverSettings]):
    """The audit log of a controller. Places are ``(entry,)``."""

    provider: ClassVar = PROVIDER
    title: ClassVar = "RWS Language Weaver Edge"
    settings: ClassVar = LanguageWeaverSettings
    details: ClassVar = LanguageWeaverDetails
    read_error = staticmethod(read_error)
    credential = staticmethod(credential)
    capabilities: ClassVar = frozenset(
        {
            Capability.LIST,
            Capability.RETRY,
            Capability.DELETE,
            Capability.FILTER_STATUS,
            Capability.FILTER_EVENT,
            Capability.COUNT,
            Capability.REQUEST_BODY,
        }
    )
    lacks: ClassVar = frozenset({"http_status", "correlation_id"})

    _larger = 0
    """The rows of a page of a vendor that gives more than requested, and does not say so."""
    _smaller = 0
    """The rows of a page of a vendor that gives fewer than requested, and does not say so."""

    async def find_streams(self, operation: Operation) -> Found:
        """Return the only stream."""
        del operation
        return Found([STREAM])

    def applicable(self, criteria: Criteria) -> Criteria:
        """Keep the one status, and events that fit into a parameter."""
        statuses = criteria.statuses and criteria.statuses & RECORDED
        events = criteria.events or ()
        are_sendable = all(is_sendable(event) and "," not in event for event in events)
        return Criteria(
            statuses=statuses if statuses in STATUSES else None,
            events=events if 0 < len(events) <= MAX_EVENTS and are_sendable else None,
        )

    async def read_page(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        """Request the page that contains the offset."""
        del stream
        offset = window.offset
        limit = max(min(window.limit, self._smaller or window.limit), self._larger)
        page, size = await self._page(offset // limit + 1, limit, criteria, operation)
        if page.offset is not None and page.offset > offset:
            # The vendor's pages are larger than requested, so that number is of a later page.
            later = page
            page, size = await self._page(offset // size + 1, limit, criteria, operation)
            if not later.read and (page.offset or 0) + page.read <= offset:
                page = replace(later, offset=offset)
        elif page.offset == offset // limit * limit and 0 < page.read <= offset - page.offset:
            # Either the list ends with that page, or the vendor's pages are smaller than requested
            # and it does not say so.
            number = offset // limit + 2
            following, _ = await self._page(number, limit, criteria, operation)
            if following.read:
                if size == limit:
                    # Asked for in this size, a page number means the same rows to the vendor.
                    self._smaller = page.read
                size = page.read
            if following.offset == (number - 1) * limit:
                following = replace(following, offset=page.offset + page.read)
            page = following
        if size < limit:
            self.page_size = size
        return page

    async def _page(
        self, number: int, size: int, criteria: Criteria, operation: Operation
    ) -> tuple[Page, int]:
        """Request a page by number; return it with the actual size of the vendor's pages."""
        params = [
            ("page", str(number)),
            ("perPage", str(size)),
            *_filters(self.applicable(criteria)),
        ]
        document, _ = await self.client.json(
            "/api/v2/audit/webhooks", params, operation=operation, rows="entries"
        )
        logs, unreadable = parse_rows(
            self.listed(document, "entries"),
            lambda row: parse_log(row, self.ids),
            operation.memo(STREAM.key),
        )
        read = len(logs) + len(unreadable)
        envelope = Fields(document or {})
        total = envelope.count("totalItems")
        number = min(number, envelope.count("page") or number)
        if read > size and "perPage" not in envelope:
            self._larger = size = read
        if (number - 1) * size + read != total:
            # The largest page size is not documented, so the vendor may use another one and state
            # it in perPage. On the last page, that may be the number of rows instead.
            size = envelope.count("perPage") or size
        offset = (number - 1) * size
        page = Page(
            logs=logs,
            unreadable=unreadable,
            read=read,
            offset=offset,
            total=total,
            more=read > 0,
        )
        return page, size

    def scan_for(self, place: tuple[str, ...]) -> Scan | None:
        """Search the whole log, as there is no call for one entry."""
        if not self.grants(place):
            return None
        number = int(place[0])

        def is_past(page: Page) -> bool:
            # Ids ascend with time. A page in their order that ends with a lower id is past it.
            numbers = [int(log.upstream_id) for log in page.logs]
            return bool(numbers) and numbers[-1] < number and sorted(numbers)[::-1] == numbers

        return Scan(STREAM, place[0], is_past)

    def log_id_of(self, upstream_id: str) -> str:
        """Return the id of an entry, whose number is unique."""
        return self.ids.log(upstream_id)

    def grants(self, place: tuple[str, ...]) -> bool:
        """Return whether the place is an entry's number; the configuration covers the whole log."""
        return len(place) == 1 and is_number(place[0])

    async def retry(self, place: tuple[str, ...], operation: Operation) -> Retried:
        """Retry an entry, which counts its retries. The body of the answer is not documented."""
        path = ApiPath.of("/api/v2/audit/webhooks/{id}/retry", place[0])
        await self.client.act("PUT", path, operation=operation)
        return Retried(RetryKind.SAME_LOG)

    async def delete(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Delete an entry, which the vendor returns."""
        path = ApiPath.of("/api/v2/audit/webhooks/{id}", place[0])
        document = await self.client.act("DELETE", path, operation=operation)
        logs, _ = parse_rows([document], lambda row: parse_log(row, self.ids))
        return logs[0] if logs else None

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the webhooks."""
        size = self.page_size

        async def load(operation: Operation) -> Hooks:
            numbers = itertools.count(1)

            async def read_rows(read: int, _last: str) -> tuple[list[Any], bool]:
                document, _ = await self.client.json(
                    "/api/v2/webhooks",
                    [("page", str(next(numbers))), ("perPage", str(size))],
                    operation=operation,
                )
                rows = self.listed(document, "webhooks")
                total = Fields(document or {}).count("totalItems")
                return rows, may_have_more(len(rows), size, read, total)

            return await read_hooks(read_rows, lambda row: parse_hook(row, self.ids), operation)

        return (await self.cached_hooks("hooks", load, operation)).readable


def _filters(criteria: Criteria) -> Params:
    """Return the query parameters for the criteria that are applicable.

    The vendor's filter by a part of the URL is not used. Callers see URLs redacted, and the number
    of logs that match a part would reveal what is masked.
    """
    filters = []
    if criteria.statuses is not None:
        filters.append(("failed", STATUSES[criteria.statuses]))
    if criteria.events is not None:
        filters.append(("event", ",".join(criteria.events)))
    return tuple(filters)
