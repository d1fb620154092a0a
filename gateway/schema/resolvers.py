"""What the fields of the schema need beside the attributes of the gateway's records."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from strawberry import UNSET, Parent

from gateway import cursor, feed, ids, model, paging, service
from gateway.actions import CAPABILITIES
from gateway.callers import Role
from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.filters import Document
from gateway.journal import ActionKind
from gateway.places import Entry
from gateway.schema.arguments import (
    After,
    Before,
    CacheWanted,
    First,
    Id,
    Ids,
    Last,
    Name,
    Wanted,
)
from gateway.schema.context import Context, Info
from gateway.schema.enums import BreakerState, SourceOutcome, SourceStatus
from gateway.schema.filters import document
from gateway.schema.parts import Freshness, PageInfo, SourceError, SourceHealth
from gateway.schema.scalars import DateTime
from gateway.sources import Source


async def webhook_logs(
    info: Info,
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    filter: Wanted = UNSET,
    cache: CacheWanted = UNSET,
) -> service.Page:
    asked = {"first": first, "after": after, "last": last, "before": before}
    return await _logs(info, document(filter), cache, asked)


async def logs_of_source(
    source: Parent[Source],
    info: Info,
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    filter: Wanted = UNSET,
    cache: CacheWanted = UNSET,
) -> service.Page:
    own = {"source": {"eq": source.name}}
    wanted = {"and": [own, document(filter)]} if filter else own
    asked = {"first": first, "after": after, "last": last, "before": before}
    return await _logs(info, wanted, cache, asked)


async def _logs(
    info: Info, wanted: Document | None, cache: CacheWanted, asked: Mapping[str, Any]
) -> service.Page:
    given = {name: value for name, value in asked.items() if value is not UNSET}
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


def check_count(count: int, what: str) -> None:
    """Raise RequestError when more things are asked for at once than a page may have."""
    if count > paging.MAX_PAGE_SIZE:
        raise RequestError(
            ErrorCode.INVALID_PAGE_SIZE,
            f"{count} {what} are too many at once; ask for {paging.MAX_PAGE_SIZE} at most.",
        )


def nodes(info: Info, ids: Ids) -> list[Awaitable[object]]:
    check_count(len(ids), "ids")
    # Awaited one beside the other, and each that fails is a null and an error at its own place.
    return [node(info, id) for id in ids]


def sources(info: Info) -> list[Source]:
    return list(info.context.gateway.sources.values())


def source(info: Info, name: Name) -> Source:
    return info.context.gateway.source(name)


def source_of(record: Parent[model.WebhookLog | model.Hook | feed.Report], info: Info) -> Source:
    return info.context.gateway.sources[record.source]


async def hook_of_log(log: Parent[model.WebhookLog], info: Info) -> model.Hook | None:
    if log.hook_id is None:
        return None
    try:
        return await info.context.hook(log.hook_id)
    except RequestError:
        return None


class _OnDemand:
    """The request or response of a log that was listed without headers and bodies.

    Those are awaited where a query selects them. The detail call is made once, however many want
    it; where it fails, only they are errors.
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
        """Give what was listed: method, URL or status."""
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


class _Veiled:
    """The request or response of a log for a caller who may not see what was said in it."""

    def __init__(self, part: model.HttpRequest | model.HttpResponse | _OnDemand) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    @property
    def headers(self) -> Any:
        return self._veil(self._part.headers)

    @property
    def body(self) -> Any:
        # An error as a value becomes a null and an error at just that field.
        return service.forbidden(Role.READER, "see bodies")

    body_json = body

    def _veil(self, headers: Any) -> Any:
        if inspect.isawaitable(headers):
            return self._veil_later(headers)
        hidden: Any = service.forbidden(Role.READER, "see header values")
        return headers and [replace(header, value=hidden) for header in headers]

    async def _veil_later(self, headers: Awaitable[Any]) -> Any:
        return self._veil(await headers)


def _veiled(info: Info, log: model.WebhookLog, part: Any) -> Any:
    if part is None or info.context.gateway.caller.may(Role.READER, log.source):
        return part
    return _Veiled(part)


def raw_of_log(log: Parent[model.WebhookLog], info: Info) -> Any:
    if not info.context.gateway.caller.may(Role.ADMIN, log.source):
        raise service.forbidden(Role.ADMIN, "see the vendor's raw document")
    return log.raw


def request_of_log(log: Parent[model.WebhookLog], info: Info) -> Any:
    if log.complete:
        return _veiled(info, log, log.request)
    listed = log.request or model.HttpRequest()
    return _veiled(info, log, _OnDemand(log, "request", listed, info.context))


def response_of_log(log: Parent[model.WebhookLog], info: Info) -> Any:
    if log.complete:
        return _veiled(info, log, log.response)
    listed = log.response or model.HttpResponse()
    return _veiled(info, log, _OnDemand(log, "response", listed, info.context))


def edges(page: Parent[service.Page]) -> Sequence[Entry]:
    return page.slice.entries


def nodes_of_page(page: Parent[service.Page]) -> list[model.WebhookLog]:
    return [entry.log for entry in page.slice.entries]


def page_info(page: Parent[service.Page]) -> PageInfo:
    part = page.slice
    return PageInfo(
        has_next_page=part.has_next,
        has_previous_page=part.has_previous,
        start_cursor=cursor.encode(part.entries[0].cursor()) if part.entries else None,
        end_cursor=cursor.encode(part.end) if part.end else None,
    )


async def total_count(page: Parent[service.Page]) -> int | None:
    return await page.total()


def source_reports(page: Parent[service.Page]) -> Sequence[feed.Report]:
    return page.slice.reports


def cursor_of_entry(entry: Parent[Entry]) -> str:
    return cursor.encode(entry.cursor())


def log_of_entry(entry: Parent[Entry]) -> model.WebhookLog:
    return entry.log


def outcome(report: Parent[feed.Report]) -> SourceOutcome:
    if report.failed:
        return SourceOutcome.FAILED
    return SourceOutcome.PARTIAL if report.error else SourceOutcome.OK


def error_of_report(report: Parent[feed.Report]) -> SourceError | None:
    return _told(report.error)


def unreadable(report: Parent[feed.Report]) -> int:
    return len(report.unreadable)


def unreadable_reasons(report: Parent[feed.Report]) -> list[str]:
    return list(dict.fromkeys(report.unreadable))


def fetched_at(report: Parent[feed.Report]) -> DateTime | None:
    return DateTime(report.freshness.fetched_at) if report.freshness else None


def age(report: Parent[feed.Report]) -> float | None:
    return _age(report.freshness, report.now) if report.freshness else None


def cache_status(report: Parent[feed.Report]) -> model.CacheStatus | None:
    return report.freshness.status if report.freshness else None


def freshness(log: Parent[model.WebhookLog], info: Info) -> Freshness | None:
    seen = log.freshness
    if seen is None:
        return None
    return Freshness(
        status=seen.status,
        fetched_at=DateTime(seen.fetched_at),
        age=_age(seen, info.context.gateway.now()),
        failure=ErrorCode[seen.failure] if seen.failure else None,
    )


async def cache_state(info: Info) -> service.CacheState:
    return await info.context.gateway.cache_state()


def _age(seen: model.Freshness, now: int) -> float:
    return max(0.0, (now - seen.fetched_at) / 1e9)


def _told(error: UpstreamError | None) -> SourceError | None:
    """Copy an error: GraphQL would raise it if it were returned as it is."""
    if error is None:
        return None
    return SourceError(
        code=error.code,
        message=str(error),
        http_status=error.status,
        vendor_code=error.vendor_code,
        vendor_message=error.vendor_message,
        request_id=error.request_id,
    )


def id_of_source(source: Parent[Source]) -> str:
    return ids.encode(ids.Kind.SOURCE, source.name)


def capabilities(source: Parent[Source], info: Info) -> list[model.Capability]:
    gateway = info.context.gateway
    able = source.capabilities - {
        CAPABILITIES[kind] for kind in ActionKind if gateway.hindrance(kind, source)
    }
    return [capability for capability in model.Capability if capability in able]


def health(source: Parent[Source]) -> SourceHealth:
    seen = source.client.health
    success, failure = seen.last_success_at, seen.last_failure_at
    status = SourceStatus.UNKNOWN
    if seen.breaker is BreakerState.OPEN:
        status = SourceStatus.DOWN
    elif success or failure:
        status = SourceStatus.UP if (success or 0) > (failure or 0) else SourceStatus.DOWN
    return SourceHealth(
        status=status,
        last_success_at=None if success is None else DateTime(success),
        last_failure_at=None if failure is None else DateTime(failure),
        last_error=_told(seen.last_error),
        breaker=seen.breaker,
        retry_at=None if seen.retry_at is None else DateTime(seen.retry_at),
    )


class HookEntry(msgspec.Struct):
    """A hook in a list; its id is its cursor."""

    cursor: str
    node: model.Hook


class HookPage(msgspec.Struct):
    """A page of hooks."""

    nodes: Sequence[model.Hook]
    edges: Sequence[HookEntry]
    page_info: PageInfo
    total_count: int


async def hooks_of_source(
    source: Parent[Source], info: Info, first: First = UNSET, after: After = UNSET
) -> HookPage:
    size = paging.PAGE_SIZE if first is None or first is UNSET else first
    paging.check(size, after or None, None, None)
    hooks = await source.hooks(info.context.operation)
    begin, end = paging.part(hooks, size, after or None)
    page = hooks[begin:end]
    return HookPage(
        nodes=page,
        edges=[HookEntry(cursor=hook.id, node=hook) for hook in page],
        page_info=PageInfo(
            has_next_page=end < len(hooks),
            has_previous_page=begin > 0,
            start_cursor=page[0].id if page else None,
            end_cursor=page[-1].id if page else None,
        ),
        total_count=len(hooks),
    )
