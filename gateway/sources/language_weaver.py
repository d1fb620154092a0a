"""RWS Language Weaver Edge, API v2: the audit log of its webhooks.

The only vendor of the first four that can send again and delete. It has page numbers over a list
that grows at its head and shrinks wherever an entry is deleted, no time filter, and no call for
one entry.

https://developers.languageweaver.com/api/lw-edge/webhook-audit-logging
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.failure import classify
from gateway.model import (
    Capability,
    Hook,
    HttpRequest,
    LanguageWeaverDetails,
    Provider,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.sources.base import Found, Page, Source, Stream, Wanted, Window
from gateway.sources.fields import Fields
from gateway.upstream.auth import (
    Credential,
    FixedCredential,
    Token,
    TokenCredential,
    TokenEndpoint,
    basic,
    expiry,
)
from gateway.upstream.client import VendorError

if TYPE_CHECKING:
    from gateway.config import LanguageWeaverLogin, LanguageWeaverSettings
    from gateway.upstream.operation import Operation

STREAM = Stream(key="audit")
MAX_PER_PAGE = 100
SCAN_PAGES = 100
"""How many pages are looked through for one entry."""


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

    async def find_streams(self, operation: Operation) -> Found:
        """There is just one."""
        del operation
        return Found([STREAM])

    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """List the page that holds the offset."""
        del stream
        number = window.offset // window.limit + 1
        params = [("page", str(number)), ("perPage", str(window.limit))]
        if wanted.failed is not None:
            params.append(("failed", "true" if wanted.failed else "false"))
        if wanted.events is not None:
            params.append(("event", ",".join(wanted.events)))
        if wanted.url_part is not None:
            params.append(("url", wanted.url_part))
        document, _ = await self.client.json("/api/v2/audit/webhooks", params, operation=operation)
        if not isinstance(document, dict):
            raise self.unexpected("a page of the audit log")
        envelope = Fields(document)
        entries = document.get("entries")
        logs, unreadable = self.rows(entries if entries is not None else [], self._parse)
        read = len(logs) + len(unreadable)
        # The largest page is not documented: where the vendor cuts it down, that is the size.
        per_page = envelope.integer("perPage") or window.limit
        if 0 < per_page < window.limit:
            self.page_size = per_page
        offset = ((envelope.integer("page") or number) - 1) * per_page
        total = envelope.integer("totalItems")
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=read,
            offset=offset,
            total=total,
            more=read >= per_page if total is None else offset + read < total,
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Look through the list, newest first: the vendor has no call for one entry."""
        if len(place) != 1 or not place[0].isdecimal():
            return None
        offset = 0
        for _ in range(SCAN_PAGES):
            window = Window(limit=min(MAX_PER_PAGE, max(self.page_size, 50)), offset=offset)
            page = await self.read_page(STREAM, window, Wanted(), operation)
            for log in page.logs:
                if log.upstream_id == place[0]:
                    return log
            if not page.more or not page.read:
                break
            offset = (page.offset or 0) + page.read
        return None

    async def load_hooks(self, operation: Operation) -> Sequence[Hook]:
        """List the webhooks, page by page."""
        hooks: dict[str, Hook] = {}
        number = 1
        while True:
            params = [("page", str(number)), ("perPage", str(MAX_PER_PAGE))]
            document, _ = await self.client.json("/api/v2/webhooks", params, operation=operation)
            if not isinstance(document, dict):
                raise self.unexpected("a page of webhooks")
            envelope = Fields(document)
            before = len(hooks)
            for row in envelope.objects("webhooks"):
                hook = self._parse_hook(row)
                hooks[hook.upstream_id] = hook
            if len(hooks) == before or number >= (envelope.integer("totalPages") or 1):
                return list(hooks.values())
            number += 1

    def _parse(self, row: Fields) -> WebhookLog:
        shown = row.redacted()
        upstream_id = row.id()
        uuid = row.text("uuid")
        message = shown.text("errorMessage")
        status = _status(row)
        retries = row.integer("retryAttempts")
        return WebhookLog(
            id=self.log_id(upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            provider=self.provider,
            hook_id=self.hook_id(uuid) if uuid else None,
            event=row.text("event"),
            status=status,
            failure=classify(status_code=None, message=message)
            if status is WebhookLogStatus.FAILED
            else None,
            triggered_at=row.time("timeTriggered"),
            last_attempted_at=row.time("timeLastAttempted"),
            attempt=None if retries is None else retries + 1,
            request=HttpRequest(url=shown.text("url"), body=shown.body("data")),
            details=LanguageWeaverDetails(webhook_uuid=uuid, retry_attempts=retries),
            raw=shown.document,
            warnings=tuple(dict.fromkeys(row.warnings)),
        )

    def _parse_hook(self, row: Fields) -> Hook:
        shown = row.redacted()
        upstream_id = row.id("uuid")
        return Hook(
            id=self.hook_id(upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            name=shown.text("description"),
            url=shown.text("url"),
            events=row.texts("events"),
        )


def _status(row: Fields) -> WebhookLogStatus:
    """Trust the message, the only sign of a failure; without it nothing is known."""
    if "errorMessage" not in row:
        return WebhookLogStatus.UNKNOWN
    return WebhookLogStatus.FAILED if row.text("errorMessage") else WebhookLogStatus.SUCCEEDED


def read_error(body: Any, headers: Mapping[str, str]) -> VendorError:
    """Find code and message; the details are optional, and so is the body."""
    error = Fields(body).object("error") if isinstance(body, dict) else None
    request_id = headers.get("X-Request-Id")
    if error is None:
        return VendorError(request_id=request_id)
    said = [text for text in (error.text("message"), error.text("details")) if text]
    return VendorError(error.text("code"), ": ".join(said) or None, request_id)


def credential(
    settings: LanguageWeaverSettings, endpoint: Callable[[str], TokenEndpoint]
) -> Credential:
    """Make the credential: an API key as the user of HTTP Basic, or a token for a login.

    https://developers.languageweaver.com/api/lw-edge/auth
    """
    auth = settings.auth
    if auth.type == "api-key":
        return FixedCredential(basic(auth.key.get_secret_value(), ""))
    tokens = endpoint(f"{settings.base_url}/api/v2/auth")
    return TokenCredential(
        lambda: _login(auth, tokens), lambda token: {"Authorization": f"Bearer {token}"}
    )


async def _login(auth: LanguageWeaverLogin, endpoint: TokenEndpoint) -> Token:
    document, _ = await endpoint.post(
        form={"username": auth.username, "password": auth.password.get_secret_value()}
    )
    # The field that carries the token is not documented.
    names = ("token", "accessToken", "access_token", "authToken", "jwt")
    value = next((document[name] for name in names if name in document), None)
    return endpoint.token(value, expiry(None, 30 * 24 * 3600))
