"""Yandex Tracker, API v3: the HTTP requests that a trigger sends.

The log has no paging: only its newest rows, or the newest up to a moment. An older revision of
the page knows no parameters at all, so those are left out once the vendor refuses them. The body
that the receiver answered is never logged.

https://yandex.ru/support/tracker/ru/concepts/queues/view-trigger-logs
https://yandex.ru/support/tracker/ru/concepts/queues/get-triggers
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from gateway.errors import UpstreamError
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
from gateway.normalise import timestamps
from gateway.normalise.failures import classify
from gateway.normalise.fields import Fields, UnreadableError, is_number
from gateway.sources.source import Source
from gateway.upstream.auth import (
    Credential,
    FixedCredential,
    PassedCredential,
    Token,
    TokenEndpoint,
)
from gateway.upstream.errors import VendorError
from gateway.vendors.calls import Params, either, first_accepted, if_known, is_sendable, outcome
from gateway.vendors.pages import Found, Hooks, Page, Stream, Wanted, Window

if TYPE_CHECKING:
    from gateway.cache import Cache
    from gateway.config import YandexTrackerIam, YandexTrackerSettings
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

MILLISECOND = 1_000_000
TIMES_END = 2**62
MAX_LIMIT = 100
TRIGGERS_PER_PAGE = 50


class YandexTracker(Source):
    """The triggers with a Webhook action in the configured queues."""

    provider: ClassVar = Provider.YANDEX_TRACKER
    capabilities: ClassVar = frozenset(
        {Capability.LIST, Capability.GET, Capability.FILTER_TIME, Capability.REQUEST_BODY}
    )
    lacks: ClassVar = frozenset({"event"})

    def __init__(
        self, settings: YandexTrackerSettings, client: UpstreamClient, cache: Cache
    ) -> None:
        super().__init__(settings, client, cache)
        # By queue; None stands for every trigger of the queue that sends webhooks.
        self._queues: dict[str, list[str] | None] = dict.fromkeys(settings.queues)
        for queue, triggers in settings.triggers.items():
            self._queues[queue] = [str(trigger) for trigger in triggers]
        self._filters = True

    async def find_streams(self, operation: Operation) -> Found:
        """Give a stream for each trigger; only those of whole queues are asked for."""
        found, errors = either(
            await asyncio.gather(
                *(outcome(self._triggers, queue, operation) for queue in self._queues)
            )
        )
        if not found:
            raise errors[0]
        streams: list[Stream] = []
        for queue, triggers, unread in found:
            errors += unread
            streams += [
                Stream(
                    key=f"{queue}/{trigger}",
                    place=(queue, trigger),
                    hook_id=self.hook_id(queue, trigger),
                    windowed=self._filters,
                )
                for trigger in triggers
            ]
        return Found(streams, errors)

    async def _triggers(
        self, queue: str, operation: Operation
    ) -> tuple[str, Sequence[str], list[UpstreamError]]:
        chosen = self._queues[queue]
        if chosen is not None:
            return queue, chosen, []
        hooks = await self._queue_hooks(queue, operation)
        return queue, [hook.upstream_id for hook in hooks.readable], self.unread(hooks)

    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """List the newest logs of the window, or of the trigger where parameters are refused.

        They are left out for good once the vendor has refused those that no caller chose.
        """
        limit = ("limit", str(min(window.limit, MAX_LIMIT)))
        page, taken = await first_accepted(
            lambda params: self._list(stream, params, operation),
            (
                (limit, *_filters(window, wanted)),
                (limit, *_filters(window, Wanted())),
                (),
            )
            if self._filters
            else [()],
        )
        if not taken:
            self._filters = False
        return page

    async def _list(self, stream: Stream, params: Params, operation: Operation) -> Page:
        document, _ = await self.client.json(_log_path(stream.place), params, operation=operation)
        rows = self.checked_list(document)
        logs, unreadable = self.rows(rows, lambda row: self._parse(row, stream.place))
        limit = int(dict(params).get("limit", 0))
        # Who gives more than was asked for passes over parameters, and has given all there is.
        different = len({log.upstream_id for log in logs}) + len(unreadable)
        heeded = bool(params) and different <= limit
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=len(rows),
            offset=None if heeded else 0,
            more=heeded and len(rows) >= limit,
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Ask for the millisecond that the id keeps; there is no call for one log."""
        if len(place) != 4 or not self._granted(place[0], place[1]):
            return None
        if place[2] and not is_number(place[2], TIMES_END):
            return None
        moment = Timestamp(int(place[2])) if place[2] else None
        window = Window(limit=MAX_LIMIT, until=moment)
        stream = Stream(key="", place=place[:2])
        page = await if_known(self.read_page, stream, window, Wanted(since=moment), operation)
        logs = page.logs if page else ()
        return next((log for log in logs if log.upstream_id == place[3]), None)

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Give the id of the trigger that a log's place names."""
        return self.hook_id(*place[:2])

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Give the triggers of whole queues, and those that are named, read one by one."""
        found = await asyncio.gather(
            *(
                self._queue_hooks(queue, operation)
                if chosen is None
                else self._named_hooks(queue, chosen, operation)
                for queue, chosen in self._queues.items()
            )
        )
        return [hook for hooks in found for hook in hooks.readable]

    async def _queue_hooks(self, queue: str, operation: Operation) -> Hooks:
        async def load(operation: Operation) -> Hooks:
            async def ask(_read: int, last: str) -> tuple[list[Any], bool]:
                # The page after a cursor may begin with the cursor's own row.
                cursor = [("id", last)] if last else []
                document, _ = await self.client.json(
                    _triggers_path(queue),
                    [("perPage", str(TRIGGERS_PER_PAGE)), *cursor],
                    operation=operation,
                )
                rows = self.checked_list(document)
                return rows, len(rows) >= TRIGGERS_PER_PAGE

            return await self.read_hooks(ask, lambda row: self._parse_hook(row, queue))

        return await self.remember(f"hooks/{queue}", load, operation)

    async def _named_hooks(self, queue: str, chosen: Sequence[str], operation: Operation) -> Hooks:
        async def read(trigger: str, operation: Operation) -> Hook | None:
            path = f"{_triggers_path(queue)}/{trigger}"
            answer = await if_known(self.client.json, path, operation=operation)
            if answer is None:
                return None
            try:
                return self._parse_hook(Fields(answer[0]), queue)[1]
            except UnreadableError:
                raise self.unexpected("a trigger") from None

        async def load(operation: Operation) -> Hooks:
            hooks = await asyncio.gather(*(read(trigger, operation) for trigger in chosen))
            return Hooks([hook for hook in hooks if hook is not None])

        return await self.remember(f"hooks/{queue}", load, operation)

    def _granted(self, queue: str, trigger: str) -> bool:
        if queue not in self._queues or not is_number(trigger):
            return False
        chosen = self._queues[queue]
        return chosen is None or trigger in chosen

    def _parse(self, row: Fields, place: tuple[str, ...]) -> WebhookLog:
        upstream_id = row.id()
        triggered_at = row.own_time("startTime")
        shown = row.redacted()
        issue = row.text("issueId")
        request, response = shown.object("request"), shown.object("response")
        code = response.status("statusCode") if response else None
        auth = request.object("webhookAuthContext") if request else None
        status = _status(row, code)
        return WebhookLog(
            id=self.log_id(*place, "" if triggered_at is None else str(triggered_at), upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            provider=self.provider,
            hook_id=self.hook_id(*place),
            status=status,
            failure=classify(status_code=code) if status is WebhookLogStatus.FAILED else None,
            triggered_at=triggered_at,
            last_attempted_at=row.time("endTime"),
            duration_ms=row.number("duration"),
            correlation_id=issue,
            request=None
            if request is None
            else HttpRequest(
                method=request.text("method"),
                url=request.text("endpoint"),
                headers=request.headers("headers"),
                body=request.body("body"),
            ),
            response=None
            if response is None
            else HttpResponse(status_code=code, headers=response.headers("headers")),
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

    def _parse_hook(self, row: Fields, queue: str) -> tuple[str, Hook | None]:
        upstream_id = row.number_id()
        shown = row.redacted()
        actions = [
            action for action in shown.objects("actions") if action.text("type") == "Webhook"
        ]
        if not actions:
            return upstream_id, None
        return upstream_id, Hook(
            id=self.hook_id(queue, upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            name=shown.text("name"),
            url=actions[0].text("endpoint") or actions[0].text("url"),
            enabled=row.boolean("active"),
        )


def _triggers_path(queue: str) -> str:
    return f"/v3/queues/{quote(queue, safe='')}/triggers"


def _log_path(place: Sequence[str]) -> str:
    return f"{_triggers_path(place[0])}/{place[1]}/webhooks/log"


def _filters(window: Window, wanted: Wanted) -> Params:
    """Write the bounds a millisecond wide of the mark: whether they include theirs is not told."""
    filters = []
    if wanted.since is not None:
        after = Timestamp(wanted.since - MILLISECOND)
        filters.append(("from", timestamps.format_millis(after, "+0000")))
    untils = [moment for moment in (window.until, wanted.until) if moment is not None]
    if untils:
        before = Timestamp(min(untils) + MILLISECOND)
        filters.append(("to", timestamps.format_millis(before, "+0000")))
    if wanted.correlation_id is not None and is_sendable(wanted.correlation_id):
        filters.append(("issueId", wanted.correlation_id))
    return tuple(filters)


def _status(row: Fields, code: int | None) -> WebhookLogStatus:
    if code is None:
        # How the vendor shows an attempt without an answer is not documented; this is the way.
        return WebhookLogStatus.FAILED if "response" not in row else WebhookLogStatus.UNKNOWN
    return WebhookLogStatus.SUCCEEDED if 200 <= code < 300 else WebhookLogStatus.FAILED


def read_error(body: Any) -> VendorError:
    """Find the messages and those about single fields; IAM has one message and its own code."""
    if not isinstance(body, dict):
        return VendorError()
    fields = Fields(body)
    said = [fields.text("message"), *fields.texts("errorMessages")]
    about = fields.object("errors")
    if about:
        said += [f"{name}: {about.text(name) or 'refused'}" for name in about.document]
    return VendorError(
        fields.text("statusCode") or fields.text("code"), " ".join(filter(None, said)) or None
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
    if auth.type == "pass-through":
        return PassedCredential(settings.name, auth.header, "Authorization", organisation)
    if auth.type == "oauth":
        token = auth.token.get_secret_value()
        return FixedCredential({"Authorization": f"OAuth {token}", **organisation})
    if auth.token is not None:
        token = auth.token.get_secret_value()
        return FixedCredential({"Authorization": f"Bearer {token}", **organisation})
    tokens = endpoint(auth.url)
    return tokens.credential(
        lambda: _iam_token(auth, tokens),
        lambda token: {"Authorization": f"Bearer {token}", **organisation},
    )


async def _iam_token(auth: YandexTrackerIam, endpoint: TokenEndpoint) -> Token:
    passport = auth.passport_token.get_secret_value() if auth.passport_token else ""
    document, _ = await endpoint.post(json={"yandexPassportOauthToken": passport})
    # Twelve hours is the most a token lives, so an hour is safe where the end is not told.
    return endpoint.token(document.get("iamToken"), 3600, document.get("expiresAt"))
