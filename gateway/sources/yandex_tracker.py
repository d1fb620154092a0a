"""Yandex Tracker, API v3: the HTTP requests that a trigger sends.

The log has no paging: only its newest rows, or the newest up to a moment. An older revision of
the page knows no parameters at all, so those are left out once the vendor refuses them. The body
that the receiver answered is never logged.

https://yandex.ru/support/tracker/ru/concepts/queues/view-trigger-logs
https://yandex.ru/support/tracker/ru/concepts/queues/get-triggers
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from gateway import timestamps
from gateway.errors import UpstreamError
from gateway.failure import classify
from gateway.model import (
    Capability,
    Hook,
    HttpRequest,
    HttpResponse,
    Provider,
    Timestamp,
    WebhookLog,
    WebhookLogStatus,
    YandexTrackerDetails,
)
from gateway.sources.base import Found, Page, Source, Stream, Wanted, Window, either
from gateway.sources.fields import Fields
from gateway.upstream.auth import (
    Credential,
    FixedCredential,
    Token,
    TokenCredential,
    TokenEndpoint,
    expiry,
)
from gateway.upstream.client import VendorError

if TYPE_CHECKING:
    from gateway.cache import Cache
    from gateway.config import YandexTrackerIam, YandexTrackerSettings
    from gateway.upstream.client import Params, UpstreamClient
    from gateway.upstream.operation import Operation

MILLISECOND = 1_000_000
MAX_LIMIT = 100
TRIGGERS_PER_PAGE = 50


class YandexTracker(Source):
    """The triggers with a Webhook action in the configured queues."""

    provider: ClassVar = Provider.YANDEX_TRACKER
    capabilities: ClassVar = frozenset(
        {Capability.LIST, Capability.GET, Capability.FILTER_TIME, Capability.REQUEST_BODY}
    )

    def __init__(
        self, settings: YandexTrackerSettings, client: UpstreamClient, cache: Cache
    ) -> None:
        super().__init__(settings, client, cache)
        # None stands for every trigger of the queue that sends webhooks.
        self._queues: dict[str, set[str] | None] = (
            dict.fromkeys(settings.queues)
            if settings.queues
            else {
                queue: {str(trigger) for trigger in triggers}
                for queue, triggers in settings.triggers.items()
            }
        )
        self._filters = True

    async def find_streams(self, operation: Operation) -> Found:
        """One stream a trigger; only the triggers of whole queues are asked for."""
        found, errors = either(
            await asyncio.gather(
                *(
                    self._try_triggers(queue, chosen, operation)
                    for queue, chosen in self._queues.items()
                )
            )
        )
        if not found:
            raise errors[0]
        return Found(
            [
                Stream(
                    key=f"{queue}/{trigger}",
                    place=(queue, trigger),
                    hook_id=self.hook_id(queue, trigger),
                    windowed=self._filters,
                )
                for queue, triggers in found
                for trigger in triggers
            ],
            errors,
        )

    async def _try_triggers(
        self, queue: str, chosen: set[str] | None, operation: Operation
    ) -> tuple[str, list[str]] | UpstreamError:
        if chosen is not None:
            return queue, sorted(chosen, key=int)
        try:
            return queue, [hook.upstream_id for hook in await self._queue_hooks(queue, operation)]
        except UpstreamError as error:
            return error

    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """List the newest logs of the window, or of the trigger if windows are refused."""
        if self._filters:
            limit = min(window.limit, MAX_LIMIT)
            params = [("limit", str(limit)), *_filters(window, wanted)]
            try:
                return await self._list(stream, params, operation, limit)
            except UpstreamError as error:
                if error.status not in {400, 422}:
                    raise
        page = await self._list(stream, [], operation, None)
        self._filters = False
        return page

    async def _list(
        self, stream: Stream, params: Params, operation: Operation, limit: int | None
    ) -> Page:
        document, _ = await self.client.json(_log_path(stream.place), params, operation=operation)
        logs, unreadable = self.rows(document, lambda row: self._parse(row, stream.place))
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=len(document),
            offset=0 if limit is None else None,
            more=limit is not None and len(document) >= limit,
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Ask for the millisecond that the id keeps; there is no call for one log."""
        if len(place) != 4 or not self._granted(place[0], place[1]):
            return None
        moment = Timestamp(int(place[2])) if place[2].isdecimal() else None
        # The vendor does not tell which bounds it includes, so both lie a millisecond off.
        wanted = Wanted(since=moment)
        window = Window(limit=MAX_LIMIT, until=moment)
        stream = Stream(key="", place=place[:2])
        page = await self.read_page(stream, window, wanted, operation)
        return next((log for log in page.logs if log.upstream_id == place[3]), None)

    async def load_hooks(self, operation: Operation) -> Sequence[Hook]:
        """List the triggers of whole queues, and read those that are named one by one."""
        found = await asyncio.gather(
            *(
                self._queue_hooks(queue, operation)
                if chosen is None
                else self._named_hooks(queue, chosen, operation)
                for queue, chosen in self._queues.items()
            )
        )
        return [hook for hooks in found for hook in hooks]

    async def _queue_hooks(self, queue: str, operation: Operation) -> Sequence[Hook]:
        hooks: Sequence[Hook] = await self.remember(
            f"hooks/{queue}", lambda: self._load_queue_hooks(queue, operation)
        )
        return hooks

    async def _load_queue_hooks(self, queue: str, operation: Operation) -> list[Hook]:
        triggers: dict[str, Hook | None] = {}
        params = [("perPage", str(TRIGGERS_PER_PAGE))]
        while True:
            path = f"/v3/queues/{quote(queue, safe='')}/triggers"
            document, _ = await self.client.json(path, params, operation=operation)
            if not isinstance(document, list):
                raise self.unexpected("a list of triggers")
            fresh = {
                row.id(): self._parse_hook(row, queue)
                for row in map(Fields, document)
                # The page of a cursor may begin with the cursor's own row.
                if row.id() not in triggers
            }
            triggers |= fresh
            if not fresh or len(document) < TRIGGERS_PER_PAGE:
                return [hook for hook in triggers.values() if hook is not None]
            params = [("perPage", str(TRIGGERS_PER_PAGE)), ("id", next(reversed(fresh)))]

    async def _named_hooks(
        self, queue: str, chosen: set[str], operation: Operation
    ) -> Sequence[Hook]:
        found = await asyncio.gather(
            *(
                self.client.json(
                    f"/v3/queues/{quote(queue, safe='')}/triggers/{trigger}", operation=operation
                )
                for trigger in sorted(chosen, key=int)
            )
        )
        hooks = (self._parse_hook(Fields(document), queue) for document, _ in found)
        return [hook for hook in hooks if hook is not None]

    def _granted(self, queue: str, trigger: str) -> bool:
        if queue not in self._queues or not (trigger.isascii() and trigger.isdecimal()):
            return False
        chosen = self._queues[queue]
        return chosen is None or trigger in chosen

    def _parse(self, row: Fields, place: tuple[str, ...]) -> WebhookLog:
        shown = row.redacted()
        upstream_id = row.id()
        triggered_at = row.time("startTime")
        issue = row.text("issueId")
        request, response = shown.object("request"), shown.object("response")
        code = response.integer("statusCode") if response else None
        auth = request.object("webhookAuthContext") if request else None
        status = _status(row, code)
        return WebhookLog(
            id=self.log_id(*place, "" if triggered_at is None else str(triggered_at), upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            provider=self.provider,
            hook_id=self.hook_id(*place),
            status=status,
            failure=classify(status_code=code, message=None)
            if status is WebhookLogStatus.FAILED
            else None,
            triggered_at=triggered_at,
            last_attempted_at=row.time("endTime"),
            duration_ms=row.number("duration"),
            correlation_id=issue,
            request=request
            and HttpRequest(
                method=request.text("method"),
                url=request.text("endpoint"),
                headers=request.headers("headers"),
                body=request.body("body"),
            ),
            response=response
            and HttpResponse(status_code=code, headers=response.headers("headers")),
            details=YandexTrackerDetails(
                queue=place[0],
                trigger_id=row.text("triggerId") or place[1],
                action_id=row.text("actionId"),
                issue_id=issue,
                auth_type=auth.text("type") if auth else None,
            ),
            raw=shown.document,
            warnings=tuple(dict.fromkeys(row.warnings)),
        )

    def _parse_hook(self, row: Fields, queue: str) -> Hook | None:
        shown = row.redacted()
        actions = [
            action for action in shown.objects("actions") if action.text("type") == "Webhook"
        ]
        if not actions:
            return None
        upstream_id = row.id()
        return Hook(
            id=self.hook_id(queue, upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            name=shown.text("name"),
            url=actions[0].text("endpoint") or actions[0].text("url"),
            enabled=row.boolean("active"),
        )


def _log_path(place: Sequence[str]) -> str:
    return f"/v3/queues/{quote(place[0], safe='')}/triggers/{place[1]}/webhooks/log"


def _filters(window: Window, wanted: Wanted) -> list[tuple[str, str]]:
    """Write the bounds a millisecond wide of the mark: whether they include theirs is not told."""
    filters = []
    if wanted.since is not None:
        after = Timestamp(wanted.since - MILLISECOND)
        filters.append(("from", timestamps.format_millis(after, "+0000")))
    untils = [moment for moment in (window.until, wanted.until) if moment is not None]
    if untils:
        before = Timestamp(min(untils) + MILLISECOND)
        filters.append(("to", timestamps.format_millis(before, "+0000")))
    if wanted.correlation_id is not None:
        filters.append(("issueId", wanted.correlation_id))
    return filters


def _status(row: Fields, code: int | None) -> WebhookLogStatus:
    if code is None:
        # How the vendor shows an attempt without an answer is not documented; this is the way.
        return WebhookLogStatus.FAILED if "response" not in row else WebhookLogStatus.UNKNOWN
    return WebhookLogStatus.SUCCEEDED if 200 <= code < 300 else WebhookLogStatus.FAILED


def read_error(body: Any, headers: Mapping[str, str]) -> VendorError:
    """Find the messages, and those about single fields."""
    if not isinstance(body, dict):
        return VendorError(request_id=headers.get("X-Request-Id"))
    fields = Fields(body)
    about = fields.object("errors")
    fragments = [f"{name}: {about.text(name)}" for name in about.document] if about else []
    return VendorError(
        fields.text("statusCode"),
        " ".join((*fields.texts("errorMessages"), *fragments)) or None,
        headers.get("X-Request-Id"),
    )


def credential(
    settings: YandexTrackerSettings, endpoint: Callable[[str], TokenEndpoint]
) -> Credential:
    """Make the credential: OAuth, or an IAM token, given or got for a passport token.

    https://yandex.cloud/en/docs/iam/operations/iam-token/create
    """
    organisation = (
        {"X-Org-ID": settings.org_id}
        if settings.org_id is not None
        else {"X-Cloud-Org-ID": settings.cloud_org_id or ""}
    )
    auth = settings.auth
    if auth.type == "oauth":
        token = auth.token.get_secret_value()
        return FixedCredential({"Authorization": f"OAuth {token}", **organisation})
    if auth.token is not None:
        token = auth.token.get_secret_value()
        return FixedCredential({"Authorization": f"Bearer {token}", **organisation})
    tokens = endpoint(auth.url)
    return TokenCredential(
        lambda: _iam_token(auth, tokens),
        lambda token: {"Authorization": f"Bearer {token}", **organisation},
    )


async def _iam_token(auth: YandexTrackerIam, endpoint: TokenEndpoint) -> Token:
    passport = auth.passport_token.get_secret_value() if auth.passport_token else ""
    document, _ = await endpoint.post(json={"yandexPassportOauthToken": passport})
    # Twelve hours is the most a token lives, so an hour is safe where the end is not told.
    return endpoint.token(document.get("iamToken"), expiry(document.get("expiresAt"), 3600))
