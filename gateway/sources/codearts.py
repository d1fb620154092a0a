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

from gateway import timestamps
from gateway.errors import ErrorCode, UpstreamError
from gateway.failure import classify
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
from gateway.sources.base import Found, Page, Source, Stream, Wanted, Window, either
from gateway.sources.fields import Fields, UnreadableError
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
    from gateway.config import CodeArtsIam, CodeArtsSettings
    from gateway.upstream.client import Params, UpstreamClient
    from gateway.upstream.operation import Operation

SCOPES = {"projects": "project", "groups": "group", "repositories": "repository"}
MILLISECOND = 1_000_000
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
        self._chosen = {str(hook) for hook in settings.hooks or ()} or None
        self._filters = True

    async def find_streams(self, operation: Operation) -> Found:
        """Give one stream a hook; the hooks are asked for only where that can't be known."""
        if self._chosen is not None and len(self._scopes) == 1:
            scope = self._scopes[0]
            return Found([self._stream(scope, hook) for hook in sorted(self._chosen, key=int)])
        found, errors = either(
            await asyncio.gather(*(self._try_hooks(scope, operation) for scope in self._scopes))
        )
        if not found:
            raise errors[0]
        return Found(
            [self._stream(scope, hook.upstream_id) for scope, hooks in found for hook in hooks],
            errors,
        )

    def _stream(self, scope: Scope, hook: str) -> Stream:
        return Stream(
            key="/".join((*scope, hook)),
            place=(*scope, hook),
            hook_id=self.hook_id(*scope, hook),
            windowed=self._filters,
        )

    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """List logs; without the newer parameters for good once the vendor has refused them."""
        plain = [("offset", str(window.offset)), ("limit", str(window.limit))]
        filters = _filters(window, wanted) if self._filters else []
        path = _hook_path(stream.place) + "/logs"
        try:
            document, headers = await self.client.json(path, plain + filters, operation=operation)
        except UpstreamError as error:
            if not (filters and error.status in {400, 422}):
                raise
            filters, plain = [], [("offset", "0"), ("limit", str(window.limit))]
            document, headers = await self.client.json(path, plain, operation=operation)
            self._filters = False
        logs, unreadable = self.rows(document, lambda row: self._parse(row, stream.place))
        offset = int(plain[0][1])
        total = _total(headers)
        read = len(document)
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=read,
            offset=None if any(name == "created_before" for name, _ in filters) else offset,
            total=None if filters else total,
            more=read >= window.limit if total is None else offset + read < total,
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Make the detail call, if the place lies inside the configuration."""
        if len(place) != 4 or not self._granted(place[:3]) or not _is_number(place[3]):
            return None
        try:
            document, _ = await self.client.json(
                f"{_hook_path(place)}/logs/{place[3]}", operation=operation
            )
        except UpstreamError as error:
            if error.code is ErrorCode.UPSTREAM_NOT_FOUND:
                return None
            raise
        try:
            return self._parse(Fields(document), place[:3], complete=True)
        except UnreadableError:
            raise self.unexpected("a webhook log") from None

    async def load_hooks(self, operation: Operation) -> Sequence[Hook]:
        """List the hooks of every scope."""
        found = await asyncio.gather(*(self._hooks(scope, operation) for scope in self._scopes))
        return [hook for hooks in found for hook in hooks]

    async def _try_hooks(
        self, scope: Scope, operation: Operation
    ) -> tuple[Scope, Sequence[Hook]] | UpstreamError:
        try:
            return scope, await self._hooks(scope, operation)
        except UpstreamError as error:
            return error

    async def _hooks(self, scope: Scope, operation: Operation) -> Sequence[Hook]:
        hooks: Sequence[Hook] = await self.remember(
            "hooks/" + "/".join(scope), lambda: self._load_hooks(scope, operation)
        )
        return hooks

    async def _load_hooks(self, scope: Scope, operation: Operation) -> list[Hook]:
        path = f"/v4/{scope[0]}/{scope[1]}/hooks"
        hooks: dict[str, Hook] = {}
        offset, limit = 0, 100
        while True:
            params = [("offset", str(offset)), ("limit", str(limit))]
            document, headers = await self.client.json(path, params, operation=operation)
            if not isinstance(document, list):
                raise self.unexpected("a list of hooks")
            before = len(hooks)
            for item in document:
                hook = self._parse_hook(Fields(item).redacted(), scope)
                if self._chosen is None or hook.upstream_id in self._chosen:
                    hooks[hook.upstream_id] = hook
            offset += len(document)
            total = _total(headers)
            # A vendor that ignores the offset would give the same page for ever.
            ended = len(document) < limit if total is None else offset >= total
            if ended or not document or len(hooks) == before:
                return list(hooks.values())

    def _granted(self, place: Sequence[str]) -> bool:
        scope, hook = (place[0], place[1]), place[2]
        return (
            scope in self._scopes
            and _is_number(hook)
            and (self._chosen is None or hook in self._chosen)
        )

    def _parse(self, row: Fields, place: tuple[str, ...], *, complete: bool = False) -> WebhookLog:
        shown = row.redacted()
        upstream_id = row.id()
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
            triggered_at=row.time("created_at"),
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

    def _parse_hook(self, row: Fields, scope: Scope) -> Hook:
        upstream_id = row.id()
        return Hook(
            id=self.hook_id(*scope, upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            name=row.text("name"),
            url=row.text("url"),
            events=tuple(event for switch, event in EVENTS.items() if row.boolean(switch)),
            created_at=row.time("created_at"),
        )


def _hook_path(place: Sequence[str]) -> str:
    return f"/v4/{place[0]}/{place[1]}/hooks/{place[2]}"


def _filters(window: Window, wanted: Wanted) -> Params:
    """Write the bounds a millisecond wide of the mark: whether they include theirs is not told."""
    filters: list[tuple[str, str]] = []
    untils = [moment for moment in (window.until, wanted.until) if moment is not None]
    if untils:
        before = Timestamp(min(untils) + MILLISECOND)
        filters.append(("created_before", timestamps.format_millis(before)))
    if wanted.since is not None:
        after = Timestamp(wanted.since - MILLISECOND)
        filters.append(("created_after", timestamps.format_millis(after)))
    if wanted.correlation_id is not None and 1 <= len(wanted.correlation_id) <= 100:
        filters.append(("uuid", wanted.correlation_id))
    return filters


def _status(row: Fields) -> tuple[WebhookLogStatus, int | None]:
    """Read ``response_status``: digits, or "internal error" where no answer came."""
    text = row.text("response_status")
    if text and text.isdecimal() and len(text) == 3:
        code = int(text)
        accepted = 200 <= code < 300
        return (WebhookLogStatus.SUCCEEDED if accepted else WebhookLogStatus.FAILED), code
    if text and text.strip().lower() == "internal error":
        return WebhookLogStatus.FAILED, None
    if text:
        row.warnings.append("The vendor's response_status is neither a code nor a known text.")
    return WebhookLogStatus.UNKNOWN, None


def _total(headers: Mapping[str, str]) -> int | None:
    text = headers.get("X-Total", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _is_number(text: str) -> bool:
    """Tell a hook or log id, which runs from 1 to 2147483647."""
    return text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) < 2**31


def read_error(body: Any, headers: Mapping[str, str]) -> VendorError:
    """Find code and message in any of the shapes that the vendor's own client accepts."""
    found = _words(body)
    if found is None and isinstance(body, dict):
        found = next(filter(None, map(_words, body.values())), None)
    code, message = found or (None, None)
    return VendorError(code, message, headers.get("X-Request-Id"))


def _words(body: Any) -> tuple[str | None, str | None] | None:
    if not isinstance(body, dict):
        return None
    for code, message in (
        ("error_code", "error_msg"),
        ("errorCode", "errorMsg"),
        ("code", "message"),
    ):
        if isinstance(body.get(code), str) or isinstance(body.get(message), str):
            fields = Fields(body)
            return fields.text(code), fields.text(message)
    return None


def credential(settings: CodeArtsSettings, endpoint: Callable[[str], TokenEndpoint]) -> Credential:
    """Make the credential: a token as it is, or one that IAM gives for 24 hours.

    https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html
    """
    auth = settings.auth
    if auth.type == "token":
        return FixedCredential({"X-Auth-Token": auth.token.get_secret_value()})
    tokens = endpoint(f"{auth.url}/v3/auth/tokens?nocatalog=true")
    return TokenCredential(lambda: _iam_token(auth, tokens), lambda token: {"X-Auth-Token": token})


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
    expires = token.get("expires_at") if isinstance(token, dict) else None
    return endpoint.token(headers.get("X-Subject-Token"), expiry(expires, 24 * 3600))
