"""Resolvers of statistics and of groups of failures."""

from __future__ import annotations

from collections.abc import Sequence

from strawberry import ID, UNSET, Parent

from gateway import model
from gateway.errors import RequestError
from gateway.feed import paging
from gateway.feed.report import Report
from gateway.schema.arguments import Bucket, By, CacheArgument, FilterArgument, FirstGroups
from gateway.schema.context import Info
from gateway.schema.filters import document
from gateway.schema.scalars import DateTime
from gateway.sources import Source
from gateway.stats import buckets as stats_buckets
from gateway.stats.failures import FailureGroup, FailureGroups, group_failures
from gateway.stats.reading import Reading
from gateway.stats.tally import Bucket as StatsBucket
from gateway.stats.tally import Durations, Series, Stats, tally

Answer = Stats | FailureGroups


async def webhook_log_stats(
    info: Info,
    filter: FilterArgument = UNSET,
    bucket: Bucket = UNSET,
    by: By = UNSET,
    first: FirstGroups = UNSET,
    cache: CacheArgument = UNSET,
) -> Stats:
    size = stats_buckets.parse_size(bucket) if bucket else None
    most = _most(first)
    if size is not None:
        stats_buckets.check(size, *info.context.gateway.prepared(document(filter)))
    reading = await _reading(info, filter, cache)
    return await tally(reading, size, list(dict.fromkeys(by or ())), most)


async def failure_groups(
    info: Info,
    filter: FilterArgument = UNSET,
    first: FirstGroups = UNSET,
    cache: CacheArgument = UNSET,
) -> FailureGroups:
    most = _most(first)
    return await group_failures(await _reading(info, filter, cache), most)


def _most(first: FirstGroups) -> int:
    size = paging.PAGE_SIZE if first is None or first is UNSET else first
    paging.check(size, None, None, None)
    return size


async def _reading(info: Info, filter: FilterArgument, cache: CacheArgument) -> Reading:
    return await info.context.reading(document(filter), cache.max_age if cache else None)


async def count_of_stats(stats: Parent[Stats]) -> int | None:
    return await stats.total.count()


def found_of_stats(stats: Parent[Stats]) -> int | None:
    return stats.total.found


def durations_of_stats(stats: Parent[Stats]) -> Durations | None:
    return stats.total.durations


def buckets(stats: Parent[Stats]) -> Sequence[StatsBucket]:
    return stats.total.buckets


def complete(answer: Parent[Answer]) -> bool:
    return answer.reading.span().is_complete


def sampled(answer: Parent[Answer]) -> bool:
    return answer.reading.is_sampled


def scanned(answer: Parent[Answer]) -> int:
    return answer.reading.scanned


def from_of_answer(answer: Parent[Answer]) -> DateTime | None:
    return _moment(answer.reading.span().begin)


def to(answer: Parent[Answer]) -> DateTime | None:
    return _moment(answer.reading.span().end)


def _moment(time: model.Timestamp | None) -> DateTime | None:
    return None if time is None else DateTime(time)


def source_reports(answer: Parent[Answer]) -> Sequence[Report]:
    return answer.reading.reports


def source_of_series(series: Parent[Series], info: Info) -> Source | None:
    name = series.key.source
    return None if name is None else info.context.gateway.sources[name]


async def hook_of_series(series: Parent[Series], info: Info) -> model.Hook | None:
    return await _hook(series.key.hook_id, info)


def hook_id_of_series(series: Parent[Series]) -> ID | None:
    return None if series.key.hook_id is None else ID(series.key.hook_id)


def status_of_series(series: Parent[Series]) -> model.WebhookLogStatus | None:
    return series.key.status


def failure_of_series(series: Parent[Series]) -> model.FailureCategory | None:
    return series.key.failure


def event_of_series(series: Parent[Series]) -> str | None:
    return series.key.event


def status_code_of_series(series: Parent[Series]) -> int | None:
    return series.key.status_code


async def count_of_series(series: Parent[Series]) -> int | None:
    return await series.count()


def from_of_series(series: Parent[Series]) -> DateTime | None:
    return _moment(series.span.begin)


def from_of_group(group: Parent[FailureGroup]) -> DateTime | None:
    return _moment(group.span.begin)


async def hook_of_group(group: Parent[FailureGroup], info: Info) -> model.Hook | None:
    return await _hook(group.hook_id, info)


async def _hook(id: str | None, info: Info) -> model.Hook | None:
    if id is None:
        return None
    try:
        return await info.context.hook(id)
    except RequestError:
        return None
