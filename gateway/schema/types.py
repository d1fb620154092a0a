"""The object types that lead to each other, and the root."""

from __future__ import annotations

import strawberry
from strawberry import ID, federation

from gateway import model, sources
from gateway.schema import action_resolvers, resolvers, source_resolvers
from gateway.schema.action_types import ActionConnection, AvailableAction, Viewer
from gateway.schema.details import WebhookLogDetails
from gateway.schema.enums import CacheStatus, Capability, Provider, SourceOutcome, WebhookLogStatus
from gateway.schema.fields import described, is_a
from gateway.schema.leaf_types import (
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


@strawberry.interface(description="Anything that can be read again by its id.")
class Node:
    id: ID = described("Opaque, and always the same for the same thing.")


@federation.type(
    keys=["id", "source { name } upstreamId"],
    description="One delivery of one webhook, in the units of this schema.",
)
class WebhookLog(Node):
    is_type_of = is_a(model.WebhookLog)

    upstream_id: str = described("The vendor's id.")
    source: Source = described("Which system sent it.", source_resolvers.source_of)
    hook: Hook | None = described(
        "Which webhook, trigger or integration sent it; null once that is gone.",
        resolvers.hook_of_log,
    )
    event: str | None = described("The vendor's event name; null where a log carries none.")
    status: WebhookLogStatus = described("How the delivery ended.")
    failure: Failure | None = described("Why it failed; null unless status is FAILED.")
    triggered_at: DateTime | None = described("When it happened; what lists are ordered by.")
    last_attempted_at: DateTime | None = described("When it was last tried.")
    duration_ms: float | None = described("How long the receiver took, in milliseconds.")
    attempt: int | None = described(
        "Which attempt, 1 being the first; null: the vendor doesn't say."
    )
    correlation_id: str | None = described("What joins the attempts of one event.")
    request: HttpRequest | None = described(
        "What was sent. Headers and bodies cost an upstream call for vendors that list none.",
        resolvers.request_of_log,
    )
    response: HttpResponse | None = described(
        "What was answered; null where no answer came, or the vendor does not keep it. Headers and"
        " bodies cost an upstream call for vendors that list none.",
        resolvers.response_of_log,
    )
    details: WebhookLogDetails = described("What only this vendor has.")
    raw: JSON | None = described(
        "The vendor's document as its list gives it. Secrets are masked. It takes the role admin.",
        resolvers.raw_of_log,
    )
    available_actions: list[AvailableAction] = described(
        "What the caller can have done about it.", action_resolvers.available_actions
    )
    freshness: Freshness | None = described(
        "How fresh this is; null where an action has just given it.", resolvers.freshness
    )
    warnings: list[str] = described("Where the vendor's document contradicts itself or is odd.")


@federation.type(
    keys=["id"], description="A webhook, trigger or integration: what makes a vendor send."
)
class Hook(Node):
    is_type_of = is_a(model.Hook)

    upstream_id: str = described("The vendor's id.")
    source: Source = described("Which system it belongs to.", source_resolvers.source_of)
    name: str | None = described("Its name or description.")
    url: str | None = described("Where it sends to. Secrets are masked.")
    events: list[str] = described("The events it sends; empty where the vendor does not say.")
    enabled: bool | None = described("Whether it is switched on; null: the vendor does not say.")
    created_at: DateTime | None = described("When it was made.")


@federation.type(keys=["id", "name"], description="One configured system.")
class Source(Node):
    is_type_of = is_a(sources.Source)

    id: ID = described(
        "Opaque, and always the same for the same source.", source_resolvers.id_of_source
    )
    name: str = described("Its name in the configuration.")
    provider: Provider = described("The kind of system.")
    capabilities: list[Capability] = described(
        "What it can do for the caller, in the order of the enum.", source_resolvers.capabilities
    )
    health: SourceHealth = described("Whether it answers.", source_resolvers.health)
    hooks: HookConnection | None = described(
        "Its webhooks, triggers or integrations, as far as the configuration grants them; null,"
        " with an error, where the vendor fails.",
        source_resolvers.hooks_of_source,
    )
    logs: WebhookLogConnection | None = described(
        "Its webhook logs: webhookLogs with a filter on this source; null, with an error, where it"
        " fails.",
        resolvers.logs_of_source,
    )


@strawberry.type(description="How the reading of one source went.")
class SourceReport:
    source: Source = described("The source.", source_resolvers.source_of)
    outcome: SourceOutcome = described("How it went.", source_resolvers.outcome)
    error: SourceError | None = described(
        "The first failure; null when outcome is OK.", source_resolvers.error_of_report
    )
    returned: int = described("How many of its logs are on the page.")
    scanned: int = described("How many of its logs were looked at for the page.")
    upstream_calls: int = described("How many calls were made to it for this operation until then.")
    unreadable: int = described(
        "How many rows could not be read as logs, and are left out.", source_resolvers.unreadable
    )
    unreadable_reasons: list[str] = described(
        "Why those rows could not be read, each reason once.", source_resolvers.unreadable_reasons
    )
    notes: list[str] = described("What else to know about its part of the page.")
    fetched_at: DateTime | None = described(
        "When the oldest part was read; null when nothing was.", source_resolvers.fetched_at
    )
    age: float | None = described("How long ago that was, in seconds.", source_resolvers.age)
    cache: CacheStatus | None = described(
        "Where its part of the page comes from: STALE if any of it is, else MISS, REVALIDATED or"
        " HIT; null when nothing was read.",
        source_resolvers.cache_status,
    )


@strawberry.type(description="A log in a list.")
class WebhookLogEdge:
    cursor: str = described("Where the log stands: for after or before.", resolvers.cursor_of_entry)
    node: WebhookLog = described("The log.", resolvers.log_of_entry)


@strawberry.type(description="A page of webhook logs, the newest first.")
class WebhookLogConnection:
    edges: list[WebhookLogEdge] = described("The logs with their cursors.", resolvers.edges)
    nodes: list[WebhookLog] = described("The logs.", resolvers.nodes_of_page)
    page_info: PageInfo = described("Where the page stands.", resolvers.page_info)
    total_count: int | None = described(
        "How many logs the whole list has; null where that can't be told exactly. Beyond the first"
        " page it may cost a call for each upstream list.",
        resolvers.total_count,
    )
    source_reports: list[SourceReport] = described(
        "How the reading of each chosen source went.", resolvers.source_reports
    )


@strawberry.type(description="A hook in a list.")
class HookEdge:
    cursor: str = described("Where the hook stands: for after.")
    node: Hook = described("The hook.")


@strawberry.type(description="A page of hooks, in the vendor's order.")
class HookConnection:
    edges: list[HookEdge] = described("The hooks with their cursors.")
    nodes: list[Hook] = described("The hooks.")
    page_info: PageInfo = described("Where the page stands.")
    total_count: int = described("How many hooks there are.")


@strawberry.type(description="Everything that can be read.")
class Query:
    webhook_logs: WebhookLogConnection = described(
        "The webhook logs of all sources in one list, the newest first. Read on with first and"
        " after; ask for what is new since a page with last and before its startCursor. A page"
        " has 25 logs unless told otherwise, and 100 at most. A source that fails is told in"
        " sourceReports; asking again with the same cursor reads what it missed.",
        resolvers.webhook_logs,
    )
    webhook_log: WebhookLog | None = described(
        "One webhook log, with headers and bodies.", resolvers.webhook_log
    )
    node: Node | None = described("Anything by its id.", resolvers.node)
    nodes: list[Node | None] = described(
        "Anything by its id, up to 100 at once, in the order of the ids. What can't be read is"
        " null, with an error at its place.",
        resolvers.nodes,
    )
    sources: list[Source] = described("The configured sources, by name.", source_resolvers.sources)
    source: Source | None = described("One source by its name.", source_resolvers.source)
    actions: ActionConnection | None = described(
        "The journal: every retry and delete, the newest first. It takes the role admin.",
        action_resolvers.actions,
    )
    cache: CacheState | None = described(
        "What the cache did so far. It takes the role admin on every source.", resolvers.cache_state
    )
    viewer: Viewer = described(
        "Who the caller is, and what the caller may do.", action_resolvers.viewer
    )
