"""Huawei CodeArts Repo, API v4.

A webhook belongs to a project, a group or a repository, and each of the three has the same
calls below its path. A list row has no headers and no bodies; the detail call has them.

https://support.huaweicloud.com/intl/en-us/api-codeartsrepo/ListProjectWebhookLogs.html
https://support.huaweicloud.com/intl/en-us/api-codeartsrepo/ShowProjectWebhookLog.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.errors import ErrorCode, UpstreamError
from gateway.model import (
    Capability,
    CodeArtsDetails,
    Hook,
    HttpRequest,
    HttpResponse,
    Provider,
    Timestamp,
    WebhookLog,
    WebhookLogStatus,
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
    from gateway.config import CodeArtsIam, CodeArtsSettings
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

SCOPES = {"projects": "project", "groups": "group", "repositories": "repository"}
MILLISECOND = 1_000_000
HOOKS_PER_PAGE = 100
IDS_END = 2**31
EVENTS = {
    "push_events": "push_hooks",
    "tag_push_events": "tag_push_hooks",
    "merge_requests_events": "merge_request_hooks",
    "note_events": "note_hooks",
}
"""A hook's switches, and the ``trigger`` that a log of such an event carries."""

Scope = tuple[str, str]
"""The kind of scope, as in the path, and its id."""


class CodeArts(Source):
    """The webhooks of the configured projects, groups and repositories."""

    provider: ClassVar = Provider.CODEARTS
    capabilities: ClassVar = frozenset(
        {
            Capability.LIST,
            Capability.GET,
            Capability.FILTER_TIME,
            Capability.COUNT,
            Capability.REQUEST_BODY,
            Capability.RESPONSE_BODY,
        }
    )

    def __init__(self, settings: CodeArtsSettings, client: UpstreamClient, cache: Cache) -> None:
        super().__init__(settings, client, cache)
        self._scopes: list[Scope] = [
            *(("projects", project) for project in settings.projects),
            *(("groups", str(group)) for group in settings.groups),
            *(("repositories", str(repository)) for repository in settings.repositories),
        ]
        self._chosen = {str(hook) for hook in settings.hooks}
        self._filters = True

    async def find_streams(self, operation: Operation) -> Found:
        """Give a stream for each hook; they are asked for only where that can't be known."""
        if self._chosen and len(self._scopes) == 1:
            scope = self._scopes[0]
            return Found([self._stream(scope, hook) for hook in sorted(self._chosen, key=int)])
        found, errors = either(
            await asyncio.gather(
                *(outcome(self._scope_hooks, scope, operation) for scope in self._scopes)
            )
        )
        if not found:
            raise errors[0]
        streams = [
            self._stream(scope, hook.upstream_id)
            for scope, hooks in found
            for hook in self._choose(hooks)
        ]
        missing = self._chosen - {stream.place[2] for stream in streams}
        for _, hooks in found:
            errors += self.unread(hooks)
        if missing and not errors:
            errors = [self._absent(missing)]
        return Found(streams, errors)

    def _stream(self, scope: Scope, hook: str) -> Stream:
        return Stream(
            key="/".join((*scope, hook)),
            place=(*scope, hook),
            hook_id=self.hook_id(*scope, hook),
            windowed=self._filters,
        )

    def _absent(self, hooks: set[str]) -> UpstreamError:
        return UpstreamError(
            ErrorCode.UPSTREAM_NOT_FOUND,
            f"Source {self.name} has no hook {', '.join(sorted(hooks))} in any of its scopes."
            " Check hooks in the configuration.",
            source=self.name,
        )

    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """Make one list call, and others with fewer parameters where they are refused.

        The newer ones are left out for good once the vendor has refused those that no caller chose.
        """
        own = _filters(window, Wanted())
        page, taken = await first_accepted(
            lambda filters: self._list(stream, window, filters, operation),
            (_filters(window, wanted), own, ()) if self._filters else [()],
        )
        if own and not taken:
            self._filters = False
        return page

    async def _list(
        self, stream: Stream, window: Window, filters: Params, operation: Operation
    ) -> Page:
        windowed = window.until is not None and bool(filters)
        # An offset that counts from a moment means nothing without it.
        offset = window.offset if windowed or window.until is None else 0
        document, headers = await self.client.json(
            _hook_path(stream.place) + "/logs",
            [("offset", str(offset)), ("limit", str(window.limit)), *filters],
            operation=operation,
        )
        rows = self.checked_list(document)
        logs, unreadable = self.rows(rows, lambda row: self._parse(row, stream.place))
        read = len(rows)
        total = _total(headers)
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=read,
            offset=None if windowed else offset,
            total=None if filters else total,
            more=read >= window.limit if total is None else offset + read < total,
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Make the detail call, if the place lies inside the configuration."""
        if len(place) != 4 or not self._granted(place[:3]) or not is_number(place[3], IDS_END):
            return None
        path = f"{_hook_path(place)}/logs/{place[3]}"
        answer = await if_known(self.client.json, path, operation=operation)
        if answer is None:
            return None
        try:
            return self._parse(Fields(answer[0]), place[:3], complete=True)
        except UnreadableError:
            raise self.unexpected("a webhook log") from None

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Give the id of the hook that a log's place names."""
        return self.hook_id(*place[:3])

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Give the hooks of every scope."""
        found = await asyncio.gather(
            *(self._scope_hooks(scope, operation) for scope in self._scopes)
        )
        return [hook for _, hooks in found for hook in self._choose(hooks)]

    def _choose(self, hooks: Hooks) -> list[Hook]:
        return [
            hook for hook in hooks.readable if not self._chosen or hook.upstream_id in self._chosen
        ]

    async def _scope_hooks(self, scope: Scope, operation: Operation) -> tuple[Scope, Hooks]:
        async def load(operation: Operation) -> Hooks:
            async def ask(read: int, _last: str) -> tuple[list[Any], bool]:
                document, headers = await self.client.json(
                    f"/v4/{scope[0]}/{scope[1]}/hooks",
                    [("offset", str(read)), ("limit", str(HOOKS_PER_PAGE))],
                    operation=operation,
                )
                rows = self.checked_list(document)
                total = _total(headers)
                end = read + len(rows)
                return rows, len(rows) >= HOOKS_PER_PAGE if total is None else end < total

            return await self.read_hooks(ask, lambda row: self._parse_hook(row, scope))

        return scope, await self.remember("hooks/" + "/".join(scope), load, operation)

    def _granted(self, place: Sequence[str]) -> bool:
        scope, hook = (place[0], place[1]), place[2]
        return (
            scope in self._scopes
            and is_number(hook, IDS_END)
            and (not self._chosen or hook in self._chosen)
        )

    def _parse(self, row: Fields, place: tuple[str, ...], *, complete: bool = False) -> WebhookLog:
        upstream_id = row.number_id()
        shown = row.redacted()
        status, code = _status(row)
        repository = shown.object("repository")
        uuid = row.text("uuid")
        duration = row.number("execution_duration")
        return WebhookLog(
            id=self.log_id(*place, upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            provider=self.provider,
            hook_id=self.hook_id(*place),
            event=row.text("trigger"),
            status=status,
            failure=classify(status_code=code, message=None if code else "internal error")
            if status is WebhookLogStatus.FAILED
            else None,
            triggered_at=row.own_time("created_at"),
            last_attempted_at=row.time("updated_at"),
            duration_ms=None if duration is None else round(duration * 1000, 6),
            correlation_id=uuid,
            request=HttpRequest(
                url=shown.text("url"),
                headers=shown.headers("request_headers"),
                body=shown.body("request_data"),
            ),
            response=None
            if code is None and "response_headers" not in row and "response_body" not in row
            else HttpResponse(
                status_code=code,
                headers=shown.headers("response_headers"),
                body=shown.body("response_body"),
            ),
            details=CodeArtsDetails(
                scope=SCOPES[place[0]],
                scope_id=place[1],
                repository_id=repository.integer("id") if repository else None,
                repository=repository.text("namespace") if repository else None,
                uuid=uuid,
            ),
            raw=shown.document,
            warnings=tuple(dict.fromkeys(row.warnings)),
            complete=complete,
        )

    def _parse_hook(self, row: Fields, scope: Scope) -> tuple[str, Hook]:
        upstream_id = row.number_id()
        shown = row.redacted()
        return upstream_id, Hook(
            id=self.hook_id(*scope, upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            name=shown.text("name"),
            url=shown.text("url"),
            events=tuple(event for switch, event in EVENTS.items() if row.boolean(switch)),
            created_at=row.time("created_at"),
        )


def _hook_path(place: Sequence[str]) -> str:
    return f"/v4/{place[0]}/{place[1]}/hooks/{place[2]}"


def _filters(window: Window, wanted: Wanted) -> Params:
    """Write the bounds a millisecond wide of the mark: whether they include theirs is not told."""
    filters = []
    untils = [moment for moment in (window.until, wanted.until) if moment is not None]
    if untils:
        before = Timestamp(min(untils) + MILLISECOND)
        filters.append(("created_before", timestamps.format_millis(before)))
    if wanted.since is not None:
        after = Timestamp(wanted.since - MILLISECOND)
        filters.append(("created_after", timestamps.format_millis(after)))
    if wanted.correlation_id is not None and is_sendable(wanted.correlation_id):
        filters.append(("uuid", wanted.correlation_id))
    return tuple(filters)


def _status(row: Fields) -> tuple[WebhookLogStatus, int | None]:
    """Read ``response_status``: digits, or "internal error" where no answer came."""
    text = row.text("response_status") or ""
    if is_number(text) and 100 <= int(text) < 600:
        code = int(text)
        accepted = 200 <= code < 300
        return (WebhookLogStatus.SUCCEEDED if accepted else WebhookLogStatus.FAILED), code
    if text.strip().lower() == "internal error":
        return WebhookLogStatus.FAILED, None
    if text:
        row.warnings.append("The vendor's response_status is neither a code nor a known text.")
    return WebhookLogStatus.UNKNOWN, None


def _total(headers: Mapping[str, str]) -> int | None:
    text = headers.get("X-Total", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def read_error(body: Any) -> VendorError:
    """Find code and message in any of the shapes that the vendor's own client accepts."""
    found = _words(body)
    if found is None and isinstance(body, dict):
        found = next(filter(None, map(_words, body.values())), None)
    return found or VendorError()


def _words(body: Any) -> VendorError | None:
    if not isinstance(body, dict):
        return None
    for code, message in (
        ("error_code", "error_msg"),
        ("errorCode", "errorMsg"),
        ("code", "message"),
    ):
        if isinstance(body.get(code), str) or isinstance(body.get(message), str):
            fields = Fields(body)
            return VendorError(fields.text(code), fields.text(message))
    return None


def credential(settings: CodeArtsSettings, endpoint: Callable[[str], TokenEndpoint]) -> Credential:
    """Make the credential: a token as it is, or one that IAM gives for 24 hours.

    https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html
    """
    auth = settings.auth
    if auth.type == "pass-through":
        return PassedCredential(settings.name, auth.header, "X-Auth-Token")
    if auth.type == "token":
        return FixedCredential({"X-Auth-Token": auth.token.get_secret_value()})
    tokens = endpoint(f"{auth.url}/v3/auth/tokens?nocatalog=true")
    return tokens.credential(
        lambda: _iam_token(auth, tokens), lambda token: {"X-Auth-Token": token}
    )


async def _iam_token(auth: CodeArtsIam, endpoint: TokenEndpoint) -> Token:
    user = {
        "name": auth.user,
        "password": auth.password.get_secret_value(),
        "domain": {"name": auth.domain},
    }
    document, headers = await endpoint.post(
        json={
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": auth.project}},
            }
        }
    )
    token = document.get("token")
    expires_at = token.get("expires_at") if isinstance(token, dict) else None
    return endpoint.token(headers.get("X-Subject-Token"), 24 * 3600, expires_at)
