"""What the caller of an action is told: of the vendor's answer, of a failure, or of the journal."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.actions.problems import (
    AnyProblem,
    NotFound,
    OutcomeUnknown,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.errors import ErrorCode, UpstreamError
from gateway.journal import Action, Outcome
from gateway.model import WebhookLog

_REFUSALS = frozenset(
    {
        ErrorCode.UPSTREAM_REJECTED,
        ErrorCode.UPSTREAM_UNAUTHORIZED,
        ErrorCode.UPSTREAM_FORBIDDEN,
    }
)
"""What an error inside a 2xx document may mean, so that the vendor certainly did nothing."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an action came to: the log as it is after it, or was before its deletion."""

    log: WebhookLog | None = None
    problem: AnyProblem | None = None


_decoder = msgspec.json.Decoder(Answer)


def encode(answer: Answer) -> bytes:
    """Write an answer as the journal keeps it."""
    return msgspec.json.encode(answer)


def said(action: Action) -> Any:
    """Give the vendor's answer, masked: the log's own document, or the parts of a refusal.

    It is None where there is none, or what there is was said to a caller's own credential.
    """
    match stored(action.answer, action) if action.answer is not None else None:
        case Answer(log=WebhookLog(raw=document)):
            return document
        case Answer(problem=UpstreamRejected(http_status=int()) as refusal):
            return {
                "httpStatus": refusal.http_status,
                "vendorCode": refusal.vendor_code,
                "vendorMessage": refusal.vendor_message,
                "vendorRequestId": refusal.vendor_request_id,
            }
    return None


def stored(answer: bytes, action: Action) -> Answer:
    """Read an answer of the journal; one that another version wrote may be told only in short."""
    try:
        return _decoder.decode(answer)
    except msgspec.MsgspecError:
        return in_short(action, action.message)


def in_short(action: Action, message: str | None = None) -> Answer:
    """Tell of an action by its outcome alone."""
    match action.outcome:
        case Outcome.SUCCEEDED:
            return Answer()
        case Outcome.REJECTED | Outcome.FAILED:
            return Answer(problem=UpstreamRejected(message=message or "It was not done."))
    return Answer(problem=unknown(action.id))


def of_failure(action: Action, error: UpstreamError) -> tuple[Answer, Outcome]:
    """Tell what a failed call means: refused, never sent, or nobody knows."""
    if error.code is ErrorCode.UPSTREAM_NOT_FOUND:
        return Answer(problem=not_found()), Outcome.REJECTED
    if not error.sent or error.code is ErrorCode.UPSTREAM_RATE_LIMITED or error.status == 503:
        message = str(error)
        if action.idempotency_key is not None:
            message += " The next try takes a new idempotencyKey."
        problem = UpstreamUnavailable(message=message, retry_after=error.retry_after)
        return Answer(problem=problem), Outcome.FAILED
    if error.status is not None and (
        300 <= error.status < 500 or (error.status < 300 and error.code in _REFUSALS)
    ):
        rejected = UpstreamRejected(
            message=str(error),
            http_status=error.status,
            vendor_code=error.vendor_code,
            vendor_message=error.vendor_message,
            vendor_request_id=error.vendor_request_id,
        )
        return Answer(problem=rejected), Outcome.REJECTED
    return Answer(problem=unknown(action.id)), Outcome.UNKNOWN


def message_of(outcome: Outcome, error: UpstreamError) -> str:
    """Write what the journal tells of a failure, whose own advice is the one for a read."""
    if outcome is not Outcome.UNKNOWN:
        return str(error)
    return f"{error} It may have happened all the same: look at the log before you repeat it."


def not_found() -> NotFound:
    """Make the one answer for a log that is not there and for one that is not granted."""
    return NotFound(message="There is no such webhook log. It may have expired.", path=("id",))


def unknown(id: str) -> OutcomeUnknown:
    """Make the answer where nobody can tell what came of an action."""
    return OutcomeUnknown(
        message="It was sent, and nothing tells what came of it: it may have happened. Look at the"
        " log again before you repeat it.",
        action_id=id,
    )


def unfinished(id: str, key: str | None) -> OutcomeUnknown:
    """Make the answer for whom an action takes longer than they wait."""
    where = "ask again with the same idempotencyKey" if key else "look at the log again"
    return OutcomeUnknown(
        message=f"It is still under way, and goes on. To learn what came of it, {where}, or see"
        " actions.",
        action_id=id,
    )
