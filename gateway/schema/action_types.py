"""The types of actions: what can be done, what was done, and by whom."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import ID, UNSET

from gateway.journal import ActionFilter
from gateway.schema.enums import ActionKind, Method, Outcome, Role
from gateway.schema.fields import described
from gateway.schema.leaf_types import PageInfo
from gateway.schema.scalars import JSON, DateTime


@strawberry.type(description="Whether an action can be done about a log.")
class AvailableAction:
    action: ActionKind = described("The action.")
    available: bool = described("Whether it can be done for the caller.")
    reason: str | None = described("Why not; null where it can.")


@strawberry.type(description="A role on some sources.")
class Granted:
    role: Role = described("The role.")
    sources: list[str] | None = described("The names of the sources; null for all.")


@strawberry.type(description="A caller of the gateway.")
class Viewer:
    name: str = described("The name of the API key, or the subject of the token.")
    method: Method = described("How the caller showed who it is.")
    grants: list[Granted] = described("What the caller may do.")


@strawberry.type(description="One retry or delete in the journal.")
class Action:
    id: ID = described("The journal's own id.")
    kind: ActionKind = described("What was asked for.")
    outcome: Outcome = described("What came of it.")
    log_id: ID = described("The id of the webhook log.")
    source: str = described("The name of the log's source.")
    upstream_id: str = described("The vendor's id of the log.")
    caller: str = described("Who asked, with the method by which that is known.")
    idempotency_key: str | None = described("The key that makes it happen once.")
    request_id: str | None = described("The request that asked for it.")
    requested_at: DateTime = described("When it was asked for.")
    completed_at: DateTime | None = described("When its outcome was known.")
    error_code: str | None = described("The code of the failure.")
    message: str | None = described("What happened, where it failed. Secrets are masked.")
    answer: JSON | None = described(
        "The vendor's answer, with secrets masked: the log's own document, after a retry or as it"
        " was, or the parts of a refusal. Null where there is none, and where callers bring their"
        " own credential."
    )


@strawberry.type(description="An action in a list.")
class ActionEdge:
    cursor: str = described("Where it stands: for after.")
    node: Action = described("The action.")


@strawberry.type(description="A page of the journal, the newest first.")
class ActionConnection:
    edges: list[ActionEdge] = described("The actions with their cursors.")
    nodes: list[Action] = described("The actions.")
    page_info: PageInfo = described("Where the page stands.")


@strawberry.input(description="Which actions. All fields that are given must hold.")
class ActionFilterInput:
    kind: ActionKind | None = strawberry.field(default=None, description="What was asked for.")
    outcome: Outcome | None = strawberry.field(default=None, description="What came of it.")
    caller: str | None = strawberry.field(
        default=None, description="Who asked, as the journal writes it."
    )


WantedActions = Annotated[
    ActionFilterInput | None,
    strawberry.argument(description="Which actions; all unless given."),
]


def action_filter(given: ActionFilterInput | None) -> ActionFilter:
    """Turn the input into the journal's filter."""
    if given is None or given is UNSET:
        return ActionFilter()
    return ActionFilter(kind=given.kind, outcome=given.outcome, caller=given.caller)
