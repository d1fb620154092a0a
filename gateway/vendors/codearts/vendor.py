"""Huawei CodeArts Repo, API v4.

A webhook belongs to a project, a group or a repository; the calls below the paths of the three
are the same. A row of a list has no headers or bodies, which only the detail call returns.

https://support.huaweicloud.com/intl/en-us/api-codeartsrepo/ListProjectWebhookLogs.html
https://support.huaweicloud.com/intl/en-us/api-codeartsrepo/ShowProjectWebhookLog.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.errors import ErrorCode, UpstreamError
from gateway.ids import decode
from gateway.model import Capability, Hook, Timestamp, WebhookLog
from gateway.normalise import timestamps
from gateway.normalise.fields import Fields, UnreadableError, is_number
from gateway.upstream.path import ApiPath
from gateway.vendors.base import CachedHooks, Vendor, parse_rows, read_hooks
from gateway.vendors.calls import (
    Params,
    first_accepted,
    is_sendable,
    may_have_more,
    none_if_missing,
    result_or_error,
    split_results,
    together,
)
from gateway.vendors.codearts.parsing import (
    PROVIDER,
    CodeArtsDetails,
    parse_hook,
    parse_log,
    read_error,
)
from gateway.vendors.codearts.settings import CodeArtsSettings, credential
from gateway.vendors.pages import Criteria, Found, Hooks, Page, Stream, Window

if TYPE_CHECKING:
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
HOOKS_PER_PAGE = 100
IDS_END = 2**31
Scope = tuple[str, str]
"""The kind of a scope, as in paths, and its id."""


class CodeArts(Vendor[CodeArtsSettings]):
    """The webhooks of the configured projects, groups and repositories.

    Places are ``(kind of scope, scope, hook, log)``.
    """

    provider: ClassVar = PROVIDER
    title: ClassVar = "Huawei CodeArts Repo"
    settings: ClassVar = CodeArtsSettings
    details: ClassVar = CodeArtsDetails
    read_error = staticmethod(read_error)
    credential = staticmethod(credential)
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

    def __init__(
        self, settings: CodeArtsSettings, client: UpstreamClient, cached_hooks: CachedHooks
    ) -> None:
        super().__init__(settings, client, cached_hooks)
        self._scopes: list[Scope] = [
            *(("projects", project) for project in settings.projects),
            *(("groups", str(group)) for group in settings.groups),
            *(("repositories", str(repository)) for repository in settings.repositories),
        ]
        self._chosen = {str(hook) for hook in settings.hooks}
        self._filters = True

    async def find_streams(self, operation: Operation) -> Found:
        """Return a stream for each hook. Hooks are listed unless the configuration names all."""
        if self._chosen and len(self._scopes) == 1:
            scope = self._scopes[0]
            return Found([self._stream(scope, hook) for hook in sorted(self._chosen, key=int)])
        found, errors = split_results(
            await together(
                [result_or_error(self._scope_hooks, scope, operation) for scope in self._scopes]
            )
        )
        if not found:
            raise errors[0]
        streams = [
            stream
            for _, hooks in found
            for hook in hooks.readable
            if (stream := self.stream_of(hook))
        ]
        missing = self._chosen - {stream.place[2] for stream in streams}
        for _, hooks in found:
            errors += self.unreadable_errors(hooks)
        if missing and not errors:
            errors = [self._missing_hooks(missing)]
        return Found(streams, errors)

    def stream_of(self, hook: Hook) -> Stream | None:
        """Return the stream of a hook that the configuration covers."""
        kind, scope_id, upstream_id = decode(hook.id).place
        if self._chosen and upstream_id not in self._chosen:
            return None
        return self._stream((kind, scope_id), upstream_id)

    def _stream(self, scope: Scope, hook: str) -> Stream:
        return Stream(
            key="/".join((*scope, hook)),
            place=(*scope, hook),
            hook_id=self.ids.hook(*scope, hook),
            windowed=self._filters,
        )

    def _missing_hooks(self, hooks: set[str]) -> UpstreamError:
        return UpstreamError(
            ErrorCode.UPSTREAM_NOT_FOUND,
            f"Source {self.name} has no hook {', '.join(sorted(hooks))} in any of its scopes."
            " Check hooks in the configuration.",
            source=self.name,
        )

    def applicable(self, criteria: Criteria) -> Criteria:
        """Keep the times and the correlation id."""
        return Criteria(
            since=criteria.since, until=criteria.until, correlation_id=criteria.correlation_id
        )

    async def read_page(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        """Request a page, with fewer parameters if the vendor refuses some.

        Older revisions of the API have no filters. Once the vendor has refused those of the window,
        which no caller chose, none are sent any more.
        """
        own = _filters(window, Criteria())
        page, taken = await first_accepted(
            lambda filters: self._list(stream, window, filters, operation),
            (_filters(window, criteria), own, ()) if self._filters else [()],
        )
        if own and not taken:
            self._filters = False
        return page

    async def _list(
        self, stream: Stream, window: Window, filters: Params, operation: Operation
    ) -> Page:
        windowed = window.until is not None and bool(filters)
        # An offset within a window is meaningless without the window.
        offset = window.offset if windowed or window.until is None else 0
        document, headers = await self.client.json(
            _hook_path(stream.place) + "/logs",
            [("offset", str(offset)), ("limit", str(window.limit)), *filters],
            operation=operation,
            rows="",
        )
        rows = self.checked_list(document)
        logs, unreadable = parse_rows(
            rows,
            lambda row: parse_log(row, self.ids, stream.place),
            operation.memo(*stream.place),
        )
        read = len(rows)
        total = _total(headers)
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=read,
            offset=None if windowed else offset,
            total=None if filters else total,
            more=read > 0,
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Request the detail of a log that the configuration covers."""
        if len(place) != 4 or not self._granted(place[:3]) or not is_number(place[3], IDS_END):
            return None
        path = _hook_path(place) + ApiPath.of("/logs/{log}", place[3])
        answer = await none_if_missing(self.client.json, path, operation=operation)
        if answer is None:
            return None
        try:
            return parse_log(Fields(answer[0]), self.ids, place[:3], complete=True)
        except UnreadableError:
            raise self.unexpected("a webhook log") from None

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Return the id of the hook in a log's place."""
        return self.ids.hook(*place[:3])

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the hooks of all scopes."""
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
            async def read_rows(read: int, _last: str) -> tuple[list[Any], bool]:
                document, headers = await self.client.json(
                    ApiPath.of("/v4/{scope}/{id}/hooks", *scope),
                    [("offset", str(read)), ("limit", str(HOOKS_PER_PAGE))],
                    operation=operation,
                )
                rows = self.checked_list(document)
                return rows, may_have_more(len(rows), HOOKS_PER_PAGE, read, _total(headers))

            return await read_hooks(
                read_rows, lambda row: parse_hook(row, self.ids, scope), operation
            )

        return scope, await self.cached_hooks("hooks/" + "/".join(scope), load, operation)

    def _granted(self, place: Sequence[str]) -> bool:
        scope, hook = (place[0], place[1]), place[2]
        return (
            scope in self._scopes
            and is_number(hook, IDS_END)
            and (not self._chosen or hook in self._chosen)
        )


def _hook_path(place: Sequence[str]) -> ApiPath:
    return ApiPath.of("/v4/{scope}/{id}/hooks/{hook}", *place[:3])


def _filters(window: Window, criteria: Criteria) -> Params:
    """Return the query parameters for the criteria.

    Whether the vendor's bounds are inclusive is not documented, nor whether they are rounded to
    whole seconds, so they are wider, unless the window is exact by now.
    """
    filters = []
    untils = [moment for moment in (window.until, criteria.until) if moment is not None]
    if untils:
        until = min(untils)
        before = Timestamp(
            until + MILLISECOND if window.exact else until // SECOND * SECOND + SECOND
        )
        filters.append(("created_before", timestamps.format_millis(before)))
    if criteria.since is not None:
        after = Timestamp(criteria.since - SECOND)
        filters.append(("created_after", timestamps.format_millis(after)))
    if criteria.correlation_id is not None and is_sendable(criteria.correlation_id):
        filters.append(("uuid", criteria.correlation_id))
    return tuple(filters)


def _total(headers: Mapping[str, str]) -> int | None:
    text = headers.get("X-Total", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
