"""The query root."""

from __future__ import annotations

import strawberry

from gateway.schema import action_resolvers, resolvers, source_resolvers, stats_resolvers
from gateway.schema.action_types import ActionConnection, Viewer
from gateway.schema.fields import described
from gateway.schema.leaf_types import CacheState
from gateway.schema.stats_types import FailureGroups, WebhookLogStats
from gateway.schema.types import Node, Source, WebhookLog, WebhookLogConnection


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
    webhook_log_stats: WebhookLogStats | None = described(
        "Counts and response times of webhook logs, by time and by what they share. They are exact"
        " where all logs were read or the vendors count; otherwise they are of the newest logs, as"
        " far as the configured scan limit allows, and say so. Null, with an error, for an argument"
        " that can't be used.",
        stats_resolvers.webhook_log_stats,
    )
    failure_groups: FailureGroups | None = described(
        "Failures that belong together: of one hook, category and status code, with a like message."
        " Those with the latest failures come first. Null, with an error, for an argument that"
        " can't be used.",
        stats_resolvers.failure_groups,
    )
