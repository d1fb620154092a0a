"""Object types that refer to each other, and the query root."""

from __future__ import annotations

import strawberry
from strawberry import ID, federation

from gateway import model, sources
from gateway.schema import action_resolvers, resolvers, source_resolvers
from gateway.schema.action_types import ActionConnection, AvailableAction, Viewer
from gateway.schema.details import WebhookLogDetails
from gateway.schema.enums import CacheStatus, Capability, Provider, SourceOutcome, WebhookLogStatus
from gateway.schema.fields import described, instance_of
from gateway.schema.leaf_types import (
    Attempt,
    CacheState,
    Failure,
    Freshness,
    HttpRequest,
    HttpResponse,
    PageInfo,
    SourceError,
    SourceHealth,
)
from gateway.schema.scalars import JSON, DateTime


@strawberry.interface(description="An object that can be refetched by its id.")
class Node:
    id: ID = described("Opaque id, stable for the life of the object.")


@federation.type(
    keys=["id", "source { name } upstreamId"],
    description="The log of one webhook delivery, in the same units for all vendors.",
)
class WebhookLog(Node):
    is_type_of = instance_of(model.WebhookLog)

    upstream_id: str = described("The vendor's id.")
    source: Source = described("The source of the log.", source_resolvers.source_of)
    hook: Hook | None = described(
        "The webhook, trigger or integration that sent the delivery. Null if it no longer exists,"
        " or the vendor does not say.",
        resolvers.hook_of_log,
    )
    event: str | None = described("The vendor's name of the event. Null if the log has none.")
    status: WebhookLogStatus = described("Result of the delivery.")
    failure: Failure | None = described(
        "Why the delivery failed. Null unless the status is FAILED."
    )
    triggered_at: DateTime | None = described(
        "When the delivery was triggered. Lists are ordered by this, newest first. Null if the"
        " vendor's log has no readable time."
    )
    last_attempted_at: DateTime | None = described(
        "Time of the latest attempt. Null if the vendor does not record it."
    )
    duration_ms: float | None = described(
        "Response time of the receiver, in milliseconds. Null if the vendor does not record it."
    )
    attempt: int | None = described(
        "Number of the attempt, starting at 1. Null if the vendor does not record it."
    )
    correlation_id: str | None = described(
        "Id that all attempts to deliver one event share. Null if the vendor has none."
    )
    is_redelivery: bool | None = described(
        "Whether the delivery repeats an earlier one, which has a log of its own. Null if the"
        " vendor does not say."
    )
    redelivery_of: ID | None = described(
        "Id of the log that was sent again. It is no object, so that lists need no further call;"
        " webhookLog reads it. Null if this is no redelivery, or the vendor does not say of which."
    )
    request: HttpRequest | None = described(
        "The request that was sent. If the vendor's lists leave out headers and bodies, selecting"
        " them costs one upstream call per log.",
        resolvers.request_of_log,
    )
    response: HttpResponse | None = described(
        "The receiver's response. Null if there was none, or the vendor does not record it. If the"
        " vendor's lists leave out headers and bodies, selecting them costs one upstream call per"
        " log.",
        resolvers.response_of_log,
    )
    attempts: list[Attempt] | None = described(
        "The attempts of the delivery, the first one first. Null if the vendor has a log for each"
        " attempt instead. Selecting them costs one upstream call per log.",
        resolvers.attempts_of_log,
    )
    details: WebhookLogDetails = described("Fields that only this vendor has.")
    raw: JSON | None = described(
        "The vendor's document, redacted, as its list returns it. Requires the role ADMIN.",
        resolvers.raw_of_log,
    )
    available_actions: list[AvailableAction] = described(
        "The actions, and whether the caller can perform each on this log.",
        action_resolvers.available_actions,
    )
    freshness: Freshness | None = described(
        "Age and origin of this data. Null if it is the result of an action.", resolvers.freshness
    )
    warnings: list[str] = described(
        "Contradictions and oddities in the vendor's document, one sentence each."
    )


@federation.type(
    keys=["id"],
    description="A webhook, trigger or integration: the vendor's setting that sends deliveries.",
)
class Hook(Node):
    is_type_of = instance_of(model.Hook)

    upstream_id: str = described("The vendor's id.")
    source: Source = described("The source of the hook.", source_resolvers.source_of)
    name: str | None = described("Name or description. Null if the hook has none.")
    url: str | None = described("URL of the receiver, redacted. Null if the vendor does not say.")
    events: list[str] = described(
        "The events that the hook delivers. Empty if the vendor does not say."
    )
    enabled: bool | None = described(
        "Whether the hook is switched on. Null if the vendor does not say."
    )
    created_at: DateTime | None = described("Time of creation. Null if the vendor does not say.")
    note: str | None = described(
        "The hook's state in a sentence, such as its last response. Null if unknown."
    )


@federation.type(
    keys=["id", "name"],
    description="A system that the gateway reads, as the configuration names it.",
)
class Source(Node):
    is_type_of = instance_of(sources.Source)

    id: ID = described(
        "Opaque id, stable as long as the source keeps its name.", source_resolvers.id_of_source
    )
    name: str = described("Name in the configuration.")
    provider: Provider = described("Kind of system.")
    capabilities: list[Capability] = described(
        "What the source supports and the caller may use, in the order of the enum.",
        source_resolvers.capabilities,
    )
    health: SourceHealth = described("Whether the source responds.", source_resolvers.health)
    hooks: HookConnection | None = described(
        "Webhooks, triggers or integrations of the source, as far as the configuration grants"
        " them. Null, with an error, if the vendor fails.",
        source_resolvers.hooks_of_source,
    )
    logs: WebhookLogConnection | None = described(
        "Webhook logs of the source, the same as webhookLogs filtered by it. Null, with an error,"
        " if the source fails.",
        resolvers.logs_of_source,
    )


@strawberry.type(description="How reading one source for a page went.")
class SourceReport:
    source: Source = described("The source.", source_resolvers.source_of)
    outcome: SourceOutcome = described(
        "Whether the source could be read.", source_resolvers.outcome
    )
    error: SourceError | None = described(
        "The first failure. Null if outcome is OK.", source_resolvers.error_of_report
    )
    returned: int = described("Number of logs of the source on the page.")
    scanned: int = described("Number of logs of the source that were examined for the page.")
    upstream_calls: int = described("Number of calls made to the source for this operation so far.")
    unreadable: int = described(
        "Number of rows that could not be read as logs, and are missing.",
        source_resolvers.unreadable,
    )
    unreadable_reasons: list[str] = described(
        "Why those rows could not be read; each reason once.", source_resolvers.unreadable_reasons
    )
    notes: list[str] = described(
        "Further remarks about the part of the page that comes from this source."
    )
    fetched_at: DateTime | None = described(
        "When the oldest data of the source on the page was fetched. Null if nothing was read.",
        source_resolvers.fetched_at,
    )
    age: float | None = described(
        "Seconds since fetchedAt. Null if nothing was read.", source_resolvers.age
    )
    cache: CacheStatus | None = described(
        "Cache status of the source's data on the page: STALE if any of it is stale, otherwise"
        " MISS, REVALIDATED or HIT, in this order. Null if nothing was read.",
        source_resolvers.cache_status,
    )


@strawberry.type(description="A webhook log in a list.")
class WebhookLogEdge:
    cursor: str = described("Position of the log, for after or before.", resolvers.cursor_of_entry)
    node: WebhookLog = described("The webhook log.", resolvers.log_of_entry)


@strawberry.type(description="A page of webhook logs, newest first.")
class WebhookLogConnection:
    edges: list[WebhookLogEdge] = described("The logs with their cursors.", resolvers.edges)
    nodes: list[WebhookLog] = described("The logs.", resolvers.nodes_of_page)
    page_info: PageInfo = described("Position of the page.", resolvers.page_info)
    total_count: int | None = described(
        "Number of logs in the whole list. Null if it is not known exactly. May cost an upstream"
        " call for each list of a vendor that the page did not read.",
        resolvers.total_count,
    )
    source_reports: list[SourceReport] = described(
        "One report for each source that the filter allows.", resolvers.source_reports
    )


@strawberry.type(description="A hook in a list.")
class HookEdge:
    cursor: str = described("Position of the hook, for after.")
    node: Hook = described("The hook.")


@strawberry.type(description="A page of hooks, in the vendor's order.")
class HookConnection:
    edges: list[HookEdge] = described("The hooks with their cursors.")
    nodes: list[Hook] = described("The hooks.")
    page_info: PageInfo = described("Position of the page.")
    total_count: int = described("Number of hooks of the source.")


@strawberry.type(description="Entry points for reading.")
class Query:
    webhook_logs: WebhookLogConnection = described(
        "Webhook logs of all sources in one list, newest first. Page forward with first and after;"
        " poll for new logs with last and before, passing the startCursor of a page. If a source"
        " fails, its logs are missing and sourceReports says why; repeating the query with the same"
        " cursor returns them once the source is back. If all sources fail, the list is an error.",
        resolvers.webhook_logs,
    )
    webhook_log: WebhookLog | None = described(
        "A webhook log by its id. Null, with an error, if it can't be read.", resolvers.webhook_log
    )
    node: Node | None = described(
        "A webhook log, hook or source by its id. Null, with an error, if it can't be read.",
        resolvers.node,
    )
    nodes: list[Node | None] = described(
        "Up to 100 webhook logs, hooks or sources by their ids, in the order of the ids. Those"
        " that can't be read are null, each with an error.",
        resolvers.nodes,
    )
    sources: list[Source] = described(
        "All sources that the caller may see, ordered by name.", source_resolvers.sources
    )
    source: Source | None = described(
        "A source by its name. Null, with an error, if there is none.", source_resolvers.source
    )
    actions: ActionConnection | None = described(
        "The journal of all retries and deletions, newest first. Requires the role ADMIN, and is"
        " limited to the sources for which the caller has it.",
        action_resolvers.actions,
    )
    cache: CacheState | None = described(
        "State of the cache. Requires the role ADMIN for every source.", resolvers.cache_state
    )
    viewer: Viewer = described("The caller, with its roles.", action_resolvers.viewer)
