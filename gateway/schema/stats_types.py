"""Types of statistics and of groups of failures."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import ID

from gateway.schema import source_resolvers, stats_resolvers
from gateway.schema.enums import FailureCategory, WebhookLogStatus
from gateway.schema.fields import described
from gateway.schema.scalars import DateTime
from gateway.schema.types import Hook, Source, SourceReport, WebhookLog


def _from(description: str, resolver: Any) -> Any:
    # The name is a keyword of Python.
    return strawberry.field(resolver=resolver, name="from", description=description)


_FROM = (
    "Time from which on all logs were read, of the sources that could be read. Null if that is all"
    " logs of the filter, or none."
)
_TO = (
    "Time up to which they were read: when the vendors were asked, or the filter's end if that was"
    " earlier. Null if no source could be read."
)
_COMPLETE = (
    "Whether all logs of the filter were read, from all sources. If not, sampled and sourceReports"
    " say why."
)
_SAMPLED = (
    "Whether reading ended before the last log, at the scan limit or the deadline, so that older"
    " logs are not counted."
)
_SCANNED = "Number of logs that were examined, matching or not."
_REPORTS = "One report for each source that the filter allows."
_GROUP_COUNT = "Number of groups that were found; groups has the first of them."


@strawberry.type(description="Response times of receivers, in milliseconds, by nearest rank.")
class DurationStats:
    count: int = described("Number of logs with a response time, from which the others are.")
    p50: float = described("Half of them are no longer than this.")
    p95: float = described("Of twenty, nineteen are no longer than this.")
    max: float = described("The longest.")


@strawberry.type(description="The logs of a span of time. Logs without a time are in none.")
class WebhookLogStatsBucket:
    start: DateTime = described("Begin of the bucket, inclusive.")
    end: DateTime = described("End of the bucket, exclusive.")
    count: int | None = described(
        "Exact number of logs, of a bucket in progress so far. Null if not all of them were read;"
        " draw a gap, not a zero."
    )
    found: int | None = described(
        "Number of logs that were read, which the exact number is not below. Null if nothing of the"
        " bucket was read."
    )
    durations: DurationStats | None = described(
        "Response times of the logs that were read. Null if none of them has one."
    )


@strawberry.type(description="The logs that share what was asked for.")
class WebhookLogStatsGroup:
    source: Source | None = described(
        "The source. Null unless grouped by it.", stats_resolvers.source_of_series
    )
    hook: Hook | None = described(
        "The hook. Null unless grouped by it, if the logs have none, or if it no longer exists.",
        stats_resolvers.hook_of_series,
    )
    hook_id: ID | None = described(
        "Id of the hook. Null unless grouped by it, or if the logs have none.",
        stats_resolvers.hook_id_of_series,
    )
    status: WebhookLogStatus | None = described(
        "The status. Null unless grouped by it.", stats_resolvers.status_of_series
    )
    failure: FailureCategory | None = described(
        "The category of the failure. Null unless grouped by it, or if they did not fail.",
        stats_resolvers.failure_of_series,
    )
    event: str | None = described(
        "The event. Null unless grouped by it, or if the logs have none.",
        stats_resolvers.event_of_series,
    )
    status_code: int | None = described(
        "The status code. Null unless grouped by it, or if the logs have none.",
        stats_resolvers.status_code_of_series,
    )
    count: int | None = described(
        "Exact number of logs. Null if it is not known. May cost an upstream call.",
        stats_resolvers.count_of_series,
    )
    found: int | None = described(
        "Number of logs from the group's from on, exact if the sources could be read."
    )
    from_: DateTime | None = _from(
        "Time from which on all logs of the group's source and hook were read. Null if that is all"
        " logs of the filter, or none.",
        stats_resolvers.from_of_series,
    )
    durations: DurationStats | None = described(
        "Response times of these logs. Null if none of them has one."
    )
    bucket_counts: list[int | None] = described(
        "The exact number of logs in each bucket, in order of buckets; null is a gap."
    )
    bucket_found: list[int | None] = described(
        "The number of logs that were read in each bucket; null if nothing of it was."
    )


@strawberry.type(
    description=(
        "Counts of webhook logs. What was not read is null, never zero. Logs are read newest first,"
        " so that a sample has all logs from a time on, and its counts are exact for that time."
    )
)
class WebhookLogStats:
    count: int | None = described(
        "Exact number of logs that match the filter, from the vendors' counts where not all of them"
        " were read. Null if it is not known. May cost an upstream call for each list of a vendor.",
        stats_resolvers.count_of_stats,
    )
    found: int | None = described(
        "Number of logs from from to to, exact if the sources could be read. Null if nothing was"
        " read.",
        stats_resolvers.found_of_stats,
    )
    complete: bool = described(_COMPLETE, stats_resolvers.complete)
    sampled: bool = described(_SAMPLED, stats_resolvers.sampled)
    scanned: int = described(_SCANNED, stats_resolvers.scanned)
    from_: DateTime | None = _from(_FROM, stats_resolvers.from_of_answer)
    to: DateTime | None = described(_TO, stats_resolvers.to)
    durations: DurationStats | None = described(
        "Response times of these logs. Null if none of them has one.",
        stats_resolvers.durations_of_stats,
    )
    buckets: list[WebhookLogStatsBucket] = described(
        "The buckets, oldest first, at most 750, from the filter's first moment to its last or to"
        " now. Without a first moment, they begin where the reading does, and the newest are given."
        " Empty unless their size is given.",
        stats_resolvers.buckets,
    )
    groups: list[WebhookLogStatsGroup] = described(
        "The groups with the most logs. If not complete, there may be others.",
    )
    group_count: int = described(_GROUP_COUNT)
    source_reports: list[SourceReport] = described(_REPORTS, stats_resolvers.source_reports)


@strawberry.type(
    description=(
        "Failures that belong together: of one hook, category and status code, with a like message."
    )
)
class FailureGroup:
    id: ID = described(
        "Opaque id, stable while the gateway normalises messages the same way. Pass it as"
        " failureGroup in a filter, for the group or its logs. It is no id for node."
    )
    source: Source = described("The source.", source_resolvers.source_of)
    hook: Hook | None = described(
        "The hook. Null if it no longer exists, or the vendor does not say.",
        stats_resolvers.hook_of_group,
    )
    category: FailureCategory = described("Kind of failure.")
    status_code: int | None = described(
        "HTTP status of the receiver's response. Null if there was none."
    )
    message: str = described(
        "The failure's message, redacted, with placeholders such as <number>, <id>, <host>, <time>,"
        " <text>, <url> and <path> for what differs between the deliveries."
    )
    count: int | None = described("Exact number of failures. Null if not all were read.")
    found: int = described("Number of failures that were read, from the group's from on.")
    from_: DateTime | None = _from(
        "Time from which on all logs of the hook were read. Null if that is all logs of the filter,"
        " or none.",
        stats_resolvers.from_of_group,
    )
    first_seen: DateTime | None = described(
        "Time of the oldest of these. Null if the vendor gives none."
    )
    last_seen: DateTime | None = described(
        "Time of the newest of these. Null if the vendor gives none."
    )
    share: float | None = described(
        "Part of the hook's deliveries in the same time, from 0 to 1. Null if the filter has"
        " conditions on the result of deliveries, or a search."
    )
    retryable: int = described(
        "Number of these that are likely to succeed if they are sent again unchanged. Whether the"
        " vendor can send them again is in availableActions of the sample."
    )
    sample: WebhookLog = described("The newest of these.")


@strawberry.type(description="Groups of failures, those with the latest first.")
class FailureGroups:
    groups: list[FailureGroup] = described("The groups. If not complete, there may be others.")
    group_count: int = described(_GROUP_COUNT)
    complete: bool = described(_COMPLETE, stats_resolvers.complete)
    sampled: bool = described(_SAMPLED, stats_resolvers.sampled)
    scanned: int = described(_SCANNED, stats_resolvers.scanned)
    from_: DateTime | None = _from(_FROM, stats_resolvers.from_of_answer)
    to: DateTime | None = described(_TO, stats_resolvers.to)
    source_reports: list[SourceReport] = described(_REPORTS, stats_resolvers.source_reports)
