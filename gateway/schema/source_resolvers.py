"""Resolvers of sources and of source reports."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from strawberry import UNSET, Parent

from gateway import ids, model
from gateway.actions.permissions import CAPABILITIES
from gateway.errors import UpstreamError
from gateway.feed import feed, paging
from gateway.journal import ActionKind
from gateway.schema.arguments import After, First, Name
from gateway.schema.context import Info
from gateway.schema.enums import BreakerState, SourceOutcome, SourceStatus
from gateway.schema.leaf_types import PageInfo, RecentCalls, SourceError, SourceHealth
from gateway.schema.scalars import DateTime
from gateway.sources import Source


def sources(info: Info) -> list[Source]:
    return list(info.context.gateway.sources.values())


def source(info: Info, name: Name) -> Source:
    return info.context.gateway.source(name)


def source_of(record: Parent[model.WebhookLog | model.Hook | feed.Report], info: Info) -> Source:
    return info.context.gateway.sources[record.source]


def id_of_source(source: Parent[Source]) -> str:
    return ids.encode(ids.Kind.SOURCE, source.name)


def capabilities(source: Parent[Source], info: Info) -> list[model.Capability]:
    gateway = info.context.gateway
    able = source.capabilities - {
        CAPABILITIES[kind] for kind in ActionKind if gateway.denial(kind, source)
    }
    return [capability for capability in model.Capability if capability in able]


def health(source: Parent[Source]) -> SourceHealth:
    seen = source.client.health
    success, failure, recent = seen.last_success_at, seen.last_failure_at, seen.recent
    status = SourceStatus.UNKNOWN
    if seen.breaker is BreakerState.OPEN:
        status = SourceStatus.DOWN
    elif success or failure:
        status = SourceStatus.UP if (success or 0) > (failure or 0) else SourceStatus.DOWN
    return SourceHealth(
        status=status,
        last_success_at=None if success is None else DateTime(success),
        last_failure_at=None if failure is None else DateTime(failure),
        last_error=_source_error(seen.last_error),
        breaker=seen.breaker,
        retry_at=None if seen.retry_at is None else DateTime(seen.retry_at),
        recent_calls=None
        if recent is None
        else RecentCalls(
            count=recent.count,
            error_ratio=recent.error_ratio,
            p95_ms=recent.p95 * 1000,
            first_at=DateTime(recent.first_at),
        ),
    )


class HookEntry(msgspec.Struct):
    """A hook in a list, with its id as cursor."""

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
    begin, end = paging.hook_range(hooks, size, after or None)
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


def outcome(report: Parent[feed.Report]) -> SourceOutcome:
    if report.failed:
        return SourceOutcome.FAILED
    return SourceOutcome.PARTIAL if report.error else SourceOutcome.OK


def error_of_report(report: Parent[feed.Report]) -> SourceError | None:
    return _source_error(report.error)


def unreadable(report: Parent[feed.Report]) -> int:
    return len(report.unreadable)


def unreadable_reasons(report: Parent[feed.Report]) -> list[str]:
    return list(dict.fromkeys(report.unreadable))


def fetched_at(report: Parent[feed.Report]) -> DateTime | None:
    return DateTime(report.freshness.fetched_at) if report.freshness else None


def age(report: Parent[feed.Report]) -> float | None:
    return age_of(report.freshness, report.now) if report.freshness else None


def cache_status(report: Parent[feed.Report]) -> model.CacheStatus | None:
    return report.freshness.status if report.freshness else None


def age_of(seen: model.Freshness, now: int) -> float:
    """Age in seconds at the time ``now``; 0 if the clock has been set back since."""
    return max(0.0, (now - seen.fetched_at) / 1e9)


def _source_error(error: UpstreamError | None) -> SourceError | None:
    """Copy an error to the schema's type, since graphql-core raises returned exceptions."""
    if error is None:
        return None
    return SourceError(
        code=error.code,
        message=str(error),
        http_status=error.status,
        vendor_code=error.vendor_code,
        vendor_message=error.vendor_message,
        vendor_request_id=error.vendor_request_id,
    )
