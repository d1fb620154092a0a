"""``gateway retry``, ``gateway delete`` and ``gateway actions``."""

from __future__ import annotations

import getpass
import json
import os
from typing import TYPE_CHECKING

import msgspec
import typer

from gateway.actions.outcomes import vendor_response
from gateway.callers import ANONYMOUS
from gateway.cli.document import document, dumps
from gateway.cli.screen import line, print_error
from gateway.journal import ActionFilter, ActionKind
from gateway.normalise import timestamps
from gateway.vendors.retried import RetryKind

if TYPE_CHECKING:
    from gateway.actions.outcomes import ActionResult
    from gateway.journal import Action
    from gateway.model import WebhookLog
    from gateway.service import Gateway

DONE = {ActionKind.RETRY: "Sent again", ActionKind.DELETE: "Deleted"}


async def perform(
    gateway: Gateway, kind: ActionKind, ids: list[str], *, as_json: bool = False
) -> int:
    """Perform an action on each log in turn; return 1 if one failed, else 0.

    JSON has a line for each log, as the payload of the mutation.
    """
    # A user who can read the configuration has all rights; the journal records the name.
    gateway = gateway.seen_by(msgspec.structs.replace(ANONYMOUS, name=_user()))
    failed = 0
    for id in ids:
        answer = await gateway.act(gateway.operation(), kind, id)
        if answer.problem:
            failed += 1
            print_error(f"{id}: {answer.problem.message}")
        if as_json:
            typer.echo(dumps(_payload(id, answer)))
        elif not answer.problem:
            typer.echo(_sentence(kind, id, answer))
    return 1 if failed else 0


def _sentence(kind: ActionKind, id: str, answer: ActionResult) -> str:
    match answer.kind:
        case RetryKind.NEW_LOG if answer.replacement:
            return f"Sent again: {id}, with a new log: {_named(answer.replacement)}"
        case RetryKind.NEW_LOG:
            return f"Sent again: {id}. Its new log is not listed yet."
        case RetryKind.MANY_LOGS:
            return f"Sent again, with other deliveries: {id}. List the logs to see them."
    return f"{DONE[kind]}: {_named(answer.log) if answer.log else id}"


def _named(log: WebhookLog) -> str:
    return f"{line(log.upstream_id)} ({log.status.name.lower()}) {log.id}"


def _payload(id: str, answer: ActionResult) -> dict[str, object]:
    problem = answer.problem
    return {
        "id": id,
        "kind": answer.kind and answer.kind.name,
        "webhookLog": answer.log and document(answer.log),
        "replacement": answer.replacement and document(answer.replacement),
        "userErrors": [{"code": problem.code.name, "message": problem.message}] if problem else [],
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, the user may have no name
        return str(os.getuid())


async def print_actions(gateway: Gateway, first: int, *, as_json: bool) -> int:
    """Print the newest entries of the journal; return 0."""
    page = await gateway.actions(first, None, ActionFilter())
    for action in page.actions:
        typer.echo(json.dumps(_document(action)) if as_json else _row(action))
    return 0


def _row(action: Action) -> str:
    cells = (
        timestamps.format_rfc3339(action.requested_at),
        action.kind.name,
        action.outcome.name,
        action.source,
        action.upstream_id,
        action.caller,
        action.message or "",
    )
    return "  ".join(line(cell) for cell in cells if cell)


def _document(action: Action) -> dict[str, object]:
    completed = action.completed_at
    return {
        "id": action.id,
        "kind": action.kind.name,
        "outcome": action.outcome.name,
        "logId": action.log_id,
        "source": action.source,
        "upstreamId": action.upstream_id,
        "caller": action.caller,
        "idempotencyKey": action.idempotency_key,
        "requestId": action.request_id,
        "requestedAt": timestamps.format_rfc3339(action.requested_at),
        "completedAt": None if completed is None else timestamps.format_rfc3339(completed),
        "errorCode": action.error_code,
        "message": action.message,
        "answer": vendor_response(action),
    }
