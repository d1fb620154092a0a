"""Resolvers of the caller, the available actions and the journal."""

from __future__ import annotations

from strawberry import ID, UNSET, Parent

from gateway import journal, model
from gateway.actions.outcomes import vendor_response
from gateway.feed import paging
from gateway.journal import ActionKind, cursor_of
from gateway.schema.action_types import (
    Action,
    ActionConnection,
    ActionEdge,
    ActionFilterArgument,
    AvailableAction,
    Granted,
    Viewer,
    action_filter,
)
from gateway.schema.arguments import After, First
from gateway.schema.context import Info
from gateway.schema.leaf_types import PageInfo
from gateway.schema.scalars import DateTime


def available_actions(log: Parent[model.WebhookLog], info: Info) -> list[AvailableAction]:
    gateway = info.context.gateway
    source = gateway.sources[log.source]
    denials = [(kind, gateway.denial(kind, source)) for kind in ActionKind]
    return [
        AvailableAction(
            action=kind, available=problem is None, reason=problem.message if problem else None
        )
        for kind, problem in denials
    ]


def viewer(info: Info) -> Viewer:
    caller = info.context.gateway.caller
    return Viewer(
        name=caller.name,
        method=caller.method,
        grants=[
            Granted(role=grant.role, sources=sorted(grant.sources) if grant.sources else None)
            for grant in caller.grants
        ],
    )


async def actions(
    info: Info,
    first: First = UNSET,
    after: After = UNSET,
    filter: ActionFilterArgument = UNSET,
) -> ActionConnection:
    size = paging.PAGE_SIZE if first is None or first is UNSET else first
    page = await info.context.gateway.actions(size, after or None, action_filter(filter))
    edges = [ActionEdge(cursor=cursor_of(action), node=_action(action)) for action in page.actions]
    return ActionConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=page.has_next_page,
            has_previous_page=bool(after),
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _action(action: journal.Action) -> Action:
    return Action(
        id=ID(action.id),
        kind=action.kind,
        outcome=action.outcome,
        log_id=ID(action.log_id),
        source=action.source,
        upstream_id=action.upstream_id,
        caller=action.caller,
        idempotency_key=action.idempotency_key,
        request_id=action.request_id,
        requested_at=DateTime(action.requested_at),
        completed_at=None if action.completed_at is None else DateTime(action.completed_at),
        error_code=action.error_code,
        message=action.message,
        answer=vendor_response(action),
    )
