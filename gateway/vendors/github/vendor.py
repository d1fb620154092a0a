"""GitHub's REST API, version 2022-11-28: deliveries of webhooks.

A webhook belongs to a repository, an organization or an app; the calls below the paths of the
three are the same. Lists can be continued only by the cursor that the response links to. A row of a
list has neither URL, headers nor bodies, which only the detail call returns.

https://docs.github.com/en/rest/repos/webhooks
https://docs.github.com/en/rest/orgs/webhooks
https://docs.github.com/en/rest/apps/webhooks
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.errors import ErrorCode, UpstreamError
from gateway.ids import decode
from gateway.model import Capability, Hook, WebhookLog, WebhookLogStatus
from gateway.normalise.fields import Fields, UnreadableError, is_number
from gateway.upstream.path import ApiPath
from gateway.vendors.base import CachedHooks, Vendor, parse_rows, read_hooks
from gateway.vendors.calls import (
    Spacing,
    linked_parameter,
    none_if_missing,
    result_or_error,
    split_results,
    together,
)
from gateway.vendors.github.parsing import (
    PROVIDER,
    GitHubDetails,
    parse_hook,
    parse_log,
    read_error,
)
from gateway.vendors.github.settings import GitHubSettings, credential
from gateway.vendors.pages import Criteria, Found, Hooks, Page, Stream, Window
from gateway.vendors.retried import Retried, RetryKind

if TYPE_CHECKING:
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

MAX_LIMIT = 100
HOOKS_PER_PAGE = 100
CODES = {(200, 399): "success", (400, 599): "failure"}
"""The codes of the deliveries that each value of the filter ``status`` lists. Neither lists those
that failed without a code, so failures as such can't be asked for."""
WITH_CODE = frozenset({WebhookLogStatus.SUCCEEDED})
NEVER = frozenset({WebhookLogStatus.PENDING, WebhookLogStatus.CANCELLED})
APP = ("app",)
"""The place of an app's webhook, whose id is not needed to read it."""
SECONDS_BETWEEN_ACTIONS = 1.0
"""https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api"""

Scope = tuple[str, str]
"""The kind of an owner of webhooks, as in paths, and its name."""


class GitHub(Vendor[GitHubSettings]):
    """The webhooks of the configured repositories and organizations, or the one of an app.

    Places are ``("repos", repository, hook, log)``, ``("orgs", organization, hook, log)`` and
    ``("app", log)``.
    """

    provider: ClassVar = PROVIDER
    title: ClassVar = "GitHub"
    settings: ClassVar = GitHubSettings
    details: ClassVar = GitHubDetails
    retention: ClassVar = "3 days; 7 on Enterprise Server"
    limits: ClassVar = "5,000 an hour"
    read_error = staticmethod(read_error)
    credential = staticmethod(credential)
    capabilities: ClassVar = frozenset(
        {
            Capability.LIST,
            Capability.GET,
            Capability.RETRY,
            Capability.FILTER_STATUS,
            Capability.REQUEST_BODY,
            Capability.RESPONSE_BODY,
        }
    )
    lacks: ClassVar = frozenset({"url"})
    appends_retries: ClassVar = True

    def __init__(
        self, settings: GitHubSettings, client: UpstreamClient, cached_hooks: CachedHooks
    ) -> None:
        super().__init__(settings, client, cached_hooks)
        self._scopes: list[Scope] = [
            *(("repos", repository) for repository in settings.repositories),
            *(("orgs", organization) for organization in settings.organizations),
        ]
        self._chosen = {str(hook) for hook in settings.hooks}
        self._is_app = settings.app
        self._actions = Spacing(self.name, SECONDS_BETWEEN_ACTIONS)

    async def find_streams(self, operation: Operation) -> Found:
        """Return a stream for each hook. Hooks are listed unless the configuration names all."""
        if self._is_app:
            return Found([self._stream(APP)])
        if self._chosen and len(self._scopes) == 1:
            scope = self._scopes[0]
            return Found([self._stream((*scope, hook)) for hook in sorted(self._chosen, key=int)])
        found, errors = split_results(
            await together(
                [result_or_error(self._scope_hooks, scope, operation) for scope in self._scopes]
            )
        )
        if not found:
            raise errors[0]
        streams = [
            stream for hooks in found for hook in hooks.readable if (stream := self.stream_of(hook))
        ]
        missing = self._chosen - {stream.place[-1] for stream in streams}
        for hooks in found:
            errors += self.unreadable_errors(hooks)
        if missing and not errors:
            errors = [self._missing_hooks(missing)]
        return Found(streams, errors)

    def stream_of(self, hook: Hook) -> Stream | None:
        """Return the stream of a hook that the configuration covers."""
        if self._chosen and hook.upstream_id not in self._chosen:
            return None
        return self._stream(decode(hook.id).place)

    def _stream(self, place: tuple[str, ...]) -> Stream:
        return Stream(
            key="/".join(place), place=place, hook_id=self.ids.hook(*place), by_token=True
        )

    def _missing_hooks(self, hooks: set[str]) -> UpstreamError:
        return UpstreamError(
            ErrorCode.UPSTREAM_NOT_FOUND,
            f"Source {self.name} has no hook {', '.join(sorted(hooks))} in any of its repositories"
            " and organizations. Check hooks in the configuration.",
            source=self.name,
        )

    def applicable(self, criteria: Criteria) -> Criteria:
        """Keep a range of codes, which is also how successes are asked for.

        No code is above 599.
        """
        codes = criteria.status_codes
        if criteria.statuses is not None and criteria.statuses - NEVER == WITH_CODE:
            codes = (200, 299)
        for least, most in CODES:
            if codes and least <= codes[0] and min(codes[1], 599) <= most:
                return Criteria(status_codes=(least, most))
        return Criteria()

    async def read_page(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        """Request the page that a cursor names, or the first one."""
        params = [("per_page", str(min(window.limit, MAX_LIMIT)))]
        if window.token is not None:
            params.append(("cursor", window.token))
        codes = self.applicable(criteria).status_codes
        if codes is not None:
            params.append(("status", CODES[codes]))
        document, headers = await self.client.json(
            _deliveries_path(stream.place), params, operation=operation, rows=""
        )
        logs, unreadable = parse_rows(
            self.checked_list(document),
            lambda row: parse_log(row, self.ids, stream.place),
            operation.memo(*stream.place),
        )
        # Only the cursor is used: the address that it is part of may be of another host.
        token = linked_parameter(headers.get("Link", ""), "next", "cursor")
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=len(logs) + len(unreadable),
            more=token is not None,
            next_token=token,
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Request the delivery, with its headers and bodies."""
        if not self.grants(place):
            return None
        path = _delivery_path(place)
        answer = await none_if_missing(self.client.json, path, operation=operation)
        if answer is None:
            return None
        try:
            return parse_log(Fields(answer[0]), self.ids, place[:-1], complete=True)
        except UnreadableError:
            raise self.unexpected("a delivery") from None

    def log_id_of(self, upstream_id: str) -> str:
        """Return the id of a delivery of the only hook, if there is just one."""
        if self._is_app:
            return self.ids.log(*APP, upstream_id)
        if len(self._scopes) == len(self._chosen) == 1:
            return self.ids.log(*self._scopes[0], *self._chosen, upstream_id)
        return super().log_id_of(upstream_id)

    def grants(self, place: tuple[str, ...]) -> bool:
        """Return whether a place is that of a delivery of the configured hooks."""
        if not place or not is_number(place[-1]):
            return False
        if self._is_app:
            return place[:-1] == APP
        if len(place) != 4 or (place[0], place[1]) not in self._scopes:
            return False
        return place[2] in self._chosen if self._chosen else is_number(place[2])

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Return the id of the hook in a log's place."""
        return self.ids.hook(*place[:-1])

    async def retry(self, place: tuple[str, ...], operation: Operation) -> Retried:
        """Ask for a redelivery, which GitHub makes some seconds later as another delivery."""
        path = _delivery_path(place) + "/attempts"
        await self._actions.turn(operation)
        await self.client.act("POST", path, operation=operation)
        return Retried(RetryKind.NEW_LOG)

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the hooks of the repositories and organizations that are configured.

        An app's webhook can't be listed, and is known by nothing but being the app's.
        """
        if self._is_app:
            return [Hook(id=self.ids.hook(*APP), upstream_id=APP[0], source=self.name)]
        found = await together([self._scope_hooks(scope, operation) for scope in self._scopes])
        return [hook for hooks in found for hook in hooks.readable if self.stream_of(hook)]

    async def _scope_hooks(self, scope: Scope, operation: Operation) -> Hooks:
        async def load(operation: Operation) -> Hooks:
            numbers = itertools.count(1)

            async def read_rows(_read: int, _last: str) -> tuple[list[Any], bool]:
                document, headers = await self.client.json(
                    _hooks_path(scope),
                    [("per_page", str(HOOKS_PER_PAGE)), ("page", str(next(numbers)))],
                    operation=operation,
                )
                rows = self.checked_list(document)
                following = linked_parameter(headers.get("Link", ""), "next", "page")
                return rows, following is not None or len(rows) >= HOOKS_PER_PAGE

            return await read_hooks(
                read_rows, lambda row: parse_hook(row, self.ids, scope), operation
            )

        return await self.cached_hooks(f"hooks/{'/'.join(scope)}", load, operation)


def _hooks_path(scope: Sequence[str]) -> ApiPath:
    return ApiPath.of("/{scope}/{name}/hooks", *scope)


def _deliveries_path(place: tuple[str, ...]) -> ApiPath:
    if place == APP:
        return ApiPath("/app/hook/deliveries")
    return _hooks_path(place[:2]) + ApiPath.of("/{hook}/deliveries", place[2])


def _delivery_path(place: tuple[str, ...]) -> ApiPath:
    return _deliveries_path(place[:-1]) + ApiPath.of("/{delivery}", place[-1])
