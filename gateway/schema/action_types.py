"""Types of actions, the journal and the caller."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import ID, UNSET

from gateway.journal import ActionFilter
from gateway.schema.enums import ActionKind, Method, Outcome, Role
from gateway.schema.fields import described
from gateway.schema.leaf_types import PageInfo
from gateway.schema.scalars import JSON, DateTime


@strawberry.type(description="Whether the caller can perform an action on a log.")
class AvailableAction:
    action: ActionKind = described("The action.")
    available: bool = described("Whether the caller can perform it.")
    reason: str | None = described("Why it is not available. Null if it is.")


@strawberry.type(description="A role for some sources or for all.")
class Granted:
    role: Role = described("The role.")
    sources: list[str] | None = described("Names of the sources. Null means all.")


@strawberry.type(description="The caller of the gateway.")
class Viewer:
    name: str = described("Name of the API key, or subject of the token.")
    method: Method = described("How the caller was authenticated.")
    grants: list[Granted] = described("Roles of the caller.")


@strawberry.type(description="A retry or deletion in the journal.")
class Action:
    id: ID = described("Id in the journal. It is no id for node.")
    kind: ActionKind = described("Kind of action.")
    outcome: Outcome = described("Result of the action.")
    log_id: ID = described("Id of the webhook log, which may no longer exist.")
    source: str = described("Name of the log's source.")
    upstream_id: str = described("The vendor's id of the log.")
    caller: str = described("The caller, as METHOD:NAME, such as api-keys:dashboard.")
    idempotency_key: str | None = described(
        "The idempotencyKey that the caller sent. Null if there was none."
    )
    request_id: str | None = described("Id of the HTTP request. Null if it had none.")
    requested_at: DateTime = described("When it was requested.")
    completed_at: DateTime | None = described(
        "When its outcome was recorded. Null while it is not known."
    )
    error_code: str | None = described("Code of the error. Null if there was none.")
    message: str | None = described("Error message, redacted. Null if there was no error.")
    answer: JSON | None = described(
        "The vendor's response, redacted: the log's document after the retry or before the"
        " deletion, that of the new log if the retry made one, or an object with the vendor's"
        " error. Null if there was none, or if callers"
        " of the source bring their own vendor credentials."
    )


@strawberry.type(description="An action in the journal.")
class ActionEdge:
    cursor: str = described("Position of the action, for after.")
    node: Action = described("The action.")


@strawberry.type(description="A page of the journal, newest first.")
class ActionConnection:
    edges: list[ActionEdge] = described("The actions with their cursors.")
    nodes: list[Action] = described("The actions.")
    page_info: PageInfo = described("Position of the page.")


@strawberry.input(
    description="Conditions on actions. Those that are given must all hold; null means none."
)
class ActionFilterInput:
    kind: ActionKind | None = strawberry.field(default=None, description="Kind of action.")
    outcome: Outcome | None = strawberry.field(default=None, description="Result of the action.")
    caller: str | None = strawberry.field(
        default=None, description="The caller, exactly as in Action.caller."
    )


ActionFilterArgument = Annotated[
    ActionFilterInput | None,
    strawberry.argument(
        description="Conditions that the actions meet. Null or an empty object means all."
    ),
]


def action_filter(given: ActionFilterInput | None) -> ActionFilter:
    """Convert the input object to the journal's filter."""
    if given is None or given is UNSET:
        return ActionFilter()
    return ActionFilter(kind=given.kind, outcome=given.outcome, caller=given.caller)
