"""RWS Language Weaver Edge, API v2: the audit log of its webhooks.

It has page numbers over a list that grows at its head and shrinks wherever an entry is deleted,
no time filter, and no call for one entry.

https://developers.languageweaver.com/api/lw-edge/webhook-audit-logging
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.errors import UpstreamError
from gateway.model import (
    Capability,
    Hook,
    HttpRequest,
    LanguageWeaverDetails,
    Provider,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.normalise.failures import classify
from gateway.normalise.fields import MAX_ID, Fields, is_number
from gateway.sources.source import Source
from gateway.upstream.auth import (
    Credential,
    FixedCredential,
    PassedCredential,
    Token,
    TokenEndpoint,
    basic,
)
from gateway.upstream.errors import VendorError
from gateway.vendors.calls import Params, is_sendable
from gateway.vendors.pages import Found, Hooks, Page, Stream, Wanted, Window

if TYPE_CHECKING:
    from gateway.config import LanguageWeaverLogin, LanguageWeaverSettings
    from gateway.upstream.operation import Operation

STREAM = Stream(key="audit")
MAX_EVENTS = 10


class LanguageWeaver(Source):
    """The one audit log of a controller."""

    provider: ClassVar = Provider.LANGUAGE_WEAVER
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

    async def find_streams(self, operation: Operation) -> Found:
        """There is just one."""
        del operation
        return Found([STREAM])

    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """List the page that holds the offset."""
        del stream
        limit, offset = window.limit, window.offset
        page, size = await self._page(offset // limit + 1, limit, wanted, operation)
        if page.offset is not None and page.offset > offset:
            # The vendor's pages are larger than asked for, so that number is of a later one.
            page, size = await self._page(offset // size + 1, limit, wanted, operation)
        if size < limit:
            self.page_size = size
        return page

    async def _page(
        self, number: int, size: int, wanted: Wanted, operation: Operation
    ) -> tuple[Page, int]:
        """Ask for a page by its number, and tell how large the vendor's pages really are."""
        params = [("page", str(number)), ("perPage", str(size)), *_filters(wanted)]
        document, _ = await self.client.json("/api/v2/audit/webhooks", params, operation=operation)
        logs, unreadable = self.rows(self.listed(document, "entries"), self._parse)
        read = len(logs) + len(unreadable)
        envelope = Fields(document)
        total = envelope.count("totalItems")
        number = min(number, envelope.count("page") or number)
        if (number - 1) * size + read != total:
            # The largest page is not documented, so the vendor may have pages of its own size. On
            # the last page that number may be what the page happens to hold.
            size = envelope.count("perPage") or size
        offset = (number - 1) * size
        page = Page(
            logs=logs,
            unreadable=unreadable,
            read=read,
            offset=offset,
            total=total,
            more=read >= size if total is None else offset + read < total,
        )
        return page, size

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Look through the list, newest first: the vendor has no call for one entry."""
        if not self.grants(place):
            return None
        return await self._find(place[0], operation)

    async def _find(
        self, upstream_id: str, operation: Operation, *, anew: bool = False
    ) -> WebhookLog | None:
        number = int(upstream_id)

        def is_gone(page: Page) -> bool:
            # Ids are counted up; a page that is in their order and ends below has passed it.
            numbers = [int(log.upstream_id) for log in page.logs]
            return bool(numbers) and numbers[-1] < number and sorted(numbers)[::-1] == numbers

        return await self.scan(STREAM, upstream_id, operation, is_gone, anew=anew)

    def log_id_of(self, upstream_id: str) -> str:
        """Make the id of an entry: there is one audit log, and it counts its entries."""
        return self.log_id(upstream_id)

    def grants(self, place: tuple[str, ...]) -> bool:
        """Tell whether the place is an entry's number: all of the audit log is granted."""
        return len(place) == 1 and is_number(place[0])

    async def retry(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Ask for a retry, whose answer is not documented, and read the entry again."""
        path = f"/api/v2/audit/webhooks/{place[0]}/retry"
        await self.client.act("PUT", path, operation=operation)
        try:
            return await self._find(place[0], operation, anew=True)
        except UpstreamError:
            # It was done all the same.
            return None

    async def delete(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Delete the entry, which the vendor gives back."""
        path = f"/api/v2/audit/webhooks/{place[0]}"
        document = await self.client.act("DELETE", path, operation=operation)
        logs, _ = self.rows([document], self._parse)
        return logs[0] if logs else None

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Give the webhooks."""
        size = self.page_size

        async def load(operation: Operation) -> Hooks:
            numbers = itertools.count(1)

            async def ask(read: int, _last: str) -> tuple[list[Any], bool]:
                document, _ = await self.client.json(
                    "/api/v2/webhooks",
                    [("page", str(next(numbers))), ("perPage", str(size))],
                    operation=operation,
                )
                rows = self.listed(document, "webhooks")
                total = Fields(document).count("totalItems")
                return rows, len(rows) >= size if total is None else read + len(rows) < total

            return await self.read_hooks(ask, self._parse_hook)

        return (await self.remember("hooks", load, operation)).readable

    def _parse(self, row: Fields) -> WebhookLog:
        upstream_id = row.number_id()
        shown = row.redacted()
        uuid = row.text("uuid")
        message = row.text("errorMessage")
        status = _status(message)
        retries = row.count("retryAttempts")
        return WebhookLog(
            id=self.log_id(upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            provider=self.provider,
            hook_id=self.hook_id(uuid) if uuid and len(uuid) <= MAX_ID else None,
            event=row.text("event"),
            status=status,
            failure=classify(message=message) if status is WebhookLogStatus.FAILED else None,
            triggered_at=row.own_time("timeTriggered"),
            last_attempted_at=row.time("timeLastAttempted"),
            attempt=None if retries is None else retries + 1,
            request=HttpRequest(url=shown.text("url"), body=shown.body("data")),
            details=LanguageWeaverDetails(webhook_uuid=uuid, retry_attempts=retries),
            raw=shown.document,
            warnings=tuple(dict.fromkeys(row.warnings)),
        )

    def _parse_hook(self, row: Fields) -> tuple[str, Hook]:
        upstream_id = row.id("uuid")
        shown = row.redacted()
        return upstream_id, Hook(
            id=self.hook_id(upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            name=shown.text("description"),
            url=shown.text("url"),
            events=row.texts("events"),
        )


def _status(message: str | None) -> WebhookLogStatus:
    """Trust the message, the only sign of a failure; without it nothing is known."""
    if message is None:
        return WebhookLogStatus.UNKNOWN
    return WebhookLogStatus.FAILED if message else WebhookLogStatus.SUCCEEDED


def _filters(wanted: Wanted) -> Params:
    """Write what the vendor can apply.

    Not a part of the URL: callers see URLs redacted, and how many logs the vendor found for a
    part would tell them what was hidden.
    """
    filters = []
    if wanted.failed is not None:
        filters.append(("failed", "true" if wanted.failed else "false"))
    events = wanted.events or ()
    if 0 < len(events) <= MAX_EVENTS and all(
        is_sendable(event) and "," not in event for event in events
    ):
        filters.append(("event", ",".join(events)))
    return tuple(filters)


def read_error(body: Any) -> VendorError:
    """Find code and message; the details are optional, and so is the body."""
    error = Fields(body).object("error") if isinstance(body, dict) else None
    if error is None:
        return VendorError()
    said = [text for text in (error.text("message"), error.text("details")) if text]
    return VendorError(error.text("code"), ": ".join(said) or None)


def credential(
    settings: LanguageWeaverSettings, endpoint: Callable[[str], TokenEndpoint]
) -> Credential:
    """Make the credential: an API key as the user of HTTP Basic, or a token for a login.

    https://developers.languageweaver.com/api/lw-edge/auth
    """
    auth = settings.auth
    if auth.type == "pass-through":
        return PassedCredential(settings.name, auth.header, "Authorization")
    if auth.type == "api-key":
        return FixedCredential(basic(auth.key.get_secret_value(), ""))
    tokens = endpoint(f"{settings.base_url}/api/v2/auth")
    return tokens.credential(
        lambda: _login(auth, tokens), lambda token: {"Authorization": f"Bearer {token}"}
    )


async def _login(auth: LanguageWeaverLogin, endpoint: TokenEndpoint) -> Token:
    document, _ = await endpoint.post(
        form={"username": auth.username, "password": auth.password.get_secret_value()}
    )
    # The field that carries the token is not documented.
    names = ("token", "accessToken", "access_token", "authToken", "jwt")
    found = [document[name] for name in names if isinstance(document.get(name), str)]
    return endpoint.token(found[0] if found else None, 30 * 24 * 3600)
