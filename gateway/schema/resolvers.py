"""Resolvers of webhook logs, of their lists and of the query root."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from strawberry import UNSET, Parent

from gateway import ids, model, service
from gateway.cache import CacheState
from gateway.callers import Role
from gateway.errors import ErrorCode, RequestError
from gateway.feed import cursor, feed, paging
from gateway.feed.filters import Document
from gateway.feed.page import Page
from gateway.feed.positions import Entry
from gateway.schema.arguments import (
    After,
    Before,
    CacheArgument,
    FilterArgument,
    First,
    Id,
    Ids,
    Last,
)
from gateway.schema.context import Context, Info
from gateway.schema.filters import document
from gateway.schema.leaf_types import Freshness
from gateway.schema.scalars import DateTime
from gateway.schema.source_resolvers import age_of
from gateway.sources import Source


async def webhook_logs(
    info: Info,
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    filter: FilterArgument = UNSET,
    cache: CacheArgument = UNSET,
) -> Page:
    if page := info.context.read_ahead.pop(info.path.key, None):
        try:
            return await page
        finally:
            # Its failure would have this frame in its traceback.
            del page
    arguments = {"first": first, "after": after, "last": last, "before": before}
    return await _logs(info, document(filter), cache, arguments)


async def logs_of_source(
    source: Parent[Source],
    info: Info,
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    filter: FilterArgument = UNSET,
    cache: CacheArgument = UNSET,
) -> Page:
    wanted: dict[str, Any] = {"source": {"eq": source.name}}
    if filter:
        # Added as a further condition, so that an empty filter does not invalidate cursors.
        wanted["and"] = [document(filter)]
    arguments = {"first": first, "after": after, "last": last, "before": before}
    return await _logs(info, wanted, cache, arguments)


async def _logs(
    info: Info, wanted: Document | None, cache: CacheArgument, arguments: Mapping[str, Any]
) -> Page:
    # No cursor is empty, so an empty string stands for null, as clients send it for a first page.
    given = {
        name: None if value == "" else value
        for name, value in arguments.items()
        if value is not UNSET
    }
    if cache:
        given["max_age"] = cache.max_age
    return await info.context.gateway.logs(info.context.operation, wanted=wanted, **given)


async def webhook_log(info: Info, id: Id) -> model.WebhookLog:
    return await info.context.log(id)


async def node(info: Info, id: Id) -> model.WebhookLog | model.Hook | Source:
    reference = ids.decode(id)
    match reference.kind:
        case ids.Kind.LOG:
            return await info.context.log(id)
        case ids.Kind.HOOK:
            return await info.context.hook(id)
        case ids.Kind.SOURCE:
            return info.context.gateway.source(reference.source)
        case ids.Kind.GROUP:
            raise RequestError(
                ErrorCode.INVALID_ID,
                "That id belongs to a failure group, which is only for use in filters.",
            )


def check_count(count: int, what: str) -> None:
    """Raise RequestError if ``count`` exceeds the maximum size of a page."""
    if count > paging.MAX_PAGE_SIZE:
        raise RequestError(
            ErrorCode.INVALID_PAGE_SIZE,
            f"{count} {what} are too many for one request. Send at most {paging.MAX_PAGE_SIZE}.",
        )


def nodes(info: Info, ids: Ids) -> list[Awaitable[object]]:
    check_count(len(ids), "ids")
    # graphql-core awaits the items concurrently, and turns each failure into a null with an error.
    return [node(info, id) for id in ids]


async def hook_of_log(log: Parent[model.WebhookLog], info: Info) -> model.Hook | None:
    if log.hook_id is None:
        return None
    try:
        return await info.context.hook(log.hook_id)
    except RequestError:
        return None


class _OnDemand:
    """The request or response of a log that was listed without headers and bodies.

    They are read when they are selected, with one detail call for all of them. If it fails, only
    they are errors.
    """

    def __init__(
        self,
        log: model.WebhookLog,
        part: str,
        listed: model.HttpRequest | model.HttpResponse,
        context: Context,
    ) -> None:
        self._log = log
        self._part = part
        self._listed = listed
        self._context = context

    def __getattr__(self, name: str) -> Any:
        """Return an attribute that was listed: method, URL or status."""
        return getattr(self._listed, name)

    @property
    def headers(self) -> Awaitable[Any]:
        return self._read("headers")

    @property
    def body(self) -> Awaitable[Any]:
        return self._read("body")

    @property
    def body_json(self) -> Awaitable[Any]:
        return self._read("body_json")

    async def _read(self, name: str) -> Any:
        log = await self._context.log(self._log.id)
        part = getattr(log, self._part)
        return None if part is None else getattr(part, name)


class _Masked:
    """The request or response of a log without header values and bodies, for lesser roles."""

    def __init__(self, part: model.HttpRequest | model.HttpResponse | _OnDemand) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    @property
    def headers(self) -> Any:
        part = self._part
        return self._read(part) if isinstance(part, _OnDemand) else self._mask(part.headers)

    @property
    def body(self) -> Any:
        # graphql-core raises an exception that is returned as a value, for this field only.
        return service.forbidden(Role.READER, "see bodies")

    body_json = body

    def _mask(self, headers: Any) -> Any:
        hidden: Any = service.forbidden(Role.READER, "see header values")
        return headers and [replace(header, value=hidden) for header in headers]

    async def _read(self, part: _OnDemand) -> Any:
        return self._mask(await part.headers)


def _masked(info: Info, log: model.WebhookLog, part: Any) -> Any:
    if part is None or info.context.gateway.caller.may(Role.READER, log.source):
        return part
    return _Masked(part)


def raw_of_log(log: Parent[model.WebhookLog], info: Info) -> Any:
    if not info.context.gateway.caller.may(Role.ADMIN, log.source):
        raise service.forbidden(Role.ADMIN, "see the vendor's raw document")
    return log.raw


def request_of_log(log: Parent[model.WebhookLog], info: Info) -> Any:
    if log.complete:
        return _masked(info, log, log.request)
    listed = log.request or model.HttpRequest()
    return _masked(info, log, _OnDemand(log, "request", listed, info.context))


def response_of_log(log: Parent[model.WebhookLog], info: Info) -> Any:
    if log.complete:
        return _masked(info, log, log.response)
    listed = log.response or model.HttpResponse()
    return _masked(info, log, _OnDemand(log, "response", listed, info.context))


class _MaskedAttempt:
    """An attempt without the response body, for lesser roles."""

    def __init__(self, attempt: model.Attempt) -> None:
        self._attempt = attempt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attempt, name)

    @property
    def response_body(self) -> Any:
        return service.forbidden(Role.READER, "see bodies")


async def attempts_of_log(log: Parent[model.WebhookLog], info: Info) -> Any:
    attempts = await info.context.attempts(log.id)
    if not attempts or info.context.gateway.caller.may(Role.READER, log.source):
        return attempts
    return [_MaskedAttempt(attempt) for attempt in attempts]


def edges(page: Parent[Page]) -> Sequence[Entry]:
    return page.slice.entries


def nodes_of_page(page: Parent[Page]) -> list[model.WebhookLog]:
    return [entry.log for entry in page.slice.entries]


class ListPosition:
    """Position of a page of logs; its cursors are made when they are selected."""

    def __init__(self, part: feed.Slice) -> None:
        self._part = part
        self.has_next_page = part.has_next
        self.has_previous_page = part.has_previous

    @functools.cached_property
    def start_cursor(self) -> str:
        """Cursor to poll with."""
        return cursor.encode(self._part.start)

    @functools.cached_property
    def end_cursor(self) -> str:
        """Cursor of the next page."""
        return cursor.encode(self._part.end)


def page_info(page: Parent[Page]) -> Any:
    return ListPosition(page.slice)


async def total_count(page: Parent[Page]) -> int | None:
    return await page.total()


def source_reports(page: Parent[Page]) -> Sequence[feed.Report]:
    return page.slice.reports


def cursor_of_entry(entry: Parent[Entry]) -> str:
    return cursor.encode(entry.cursor())


def log_of_entry(entry: Parent[Entry]) -> model.WebhookLog:
    return entry.log


def freshness(log: Parent[model.WebhookLog], info: Info) -> Freshness | None:
    seen = log.freshness
    if seen is None:
        return None
    return Freshness(
        status=seen.status,
        fetched_at=DateTime(seen.fetched_at),
        age=age_of(seen, info.context.gateway.now()),
        failure=ErrorCode[seen.failure] if seen.failure else None,
    )


async def cache_state(info: Info) -> CacheState:
    return await info.context.gateway.cache_state()
