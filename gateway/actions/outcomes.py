"""The outcome of an action, from the vendor's response or from the journal."""

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

_REFUSED = frozenset(
    {
        ErrorCode.UPSTREAM_UNAUTHORIZED,
        ErrorCode.UPSTREAM_FORBIDDEN,
        ErrorCode.UPSTREAM_NOT_FOUND,
        ErrorCode.UPSTREAM_REJECTED,
    }
)
_UNCLEAR_STATUSES = frozenset({303, 408, 460, 499})
"""Statuses below 500 of requests that may have been carried out: 303 points to the result (RFC
9110, 15.4.4), the others mean that a proxy gave up waiting (460 is used by AWS, 499 by nginx)."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to the caller: a problem, or the log after its retry or before its deletion."""

    log: WebhookLog | None = None
    problem: AnyProblem | None = None


_decoder = msgspec.json.Decoder(Answer)


def encode(answer: Answer) -> bytes:
    """Encode an answer for the journal."""
    return msgspec.json.encode(answer)


def said(action: Action) -> Any:
    """Return the vendor's redacted response: the log's own document, or the parts of a refusal.

    None if there was none, or if it was for a caller's own credential.
    """
    match stored(action.answer, action) if action.answer is not None else None:
        case Answer(log=WebhookLog(raw=document)):
            return document
        case Answer(problem=UpstreamRejected() as refusal):
            parts = {
                "httpStatus": refusal.http_status,
                "vendorCode": refusal.vendor_code,
                "vendorMessage": refusal.vendor_message,
                "vendorRequestId": refusal.vendor_request_id,
            }
            return parts if any(value is not None for value in parts.values()) else None
    return None


def stored(answer: bytes, action: Action) -> Answer:
    """Decode an answer from the journal; for one of another version, return only its outcome."""
    try:
        return _decoder.decode(answer)
    except msgspec.MsgspecError:
        return in_short(action, action.message)


def in_short(action: Action, message: str | None = None) -> Answer:
    """Return the answer that holds only the outcome of an action."""
    match action.outcome:
        case Outcome.SUCCEEDED:
            return Answer()
        case Outcome.REJECTED | Outcome.FAILED:
            return Answer(problem=UpstreamRejected(message=message or "It was not done."))
    return Answer(problem=unknown(action.id))


def outcome_of(error: UpstreamError) -> Outcome:
    """Return the outcome of an action whose call failed.

    The error code decides, not the status: a vendor may refuse with 200 and an error in the body.
    An action that was sent is UNKNOWN, unless the vendor clearly did not carry it out.
    """
    if not error.sent or error.code is ErrorCode.UPSTREAM_RATE_LIMITED or error.status == 503:
        return Outcome.FAILED
    if error.code in _REFUSED and error.status not in _UNCLEAR_STATUSES:
        return Outcome.REJECTED
    return Outcome.UNKNOWN


def of_failure(action: Action, error: UpstreamError) -> tuple[Answer, Outcome]:
    """Return the answer and the outcome of an action whose call failed."""
    outcome = outcome_of(error)
    return Answer(problem=_problem(action, error, outcome)), outcome


def _problem(action: Action, error: UpstreamError, outcome: Outcome) -> AnyProblem:
    if outcome is Outcome.UNKNOWN:
        return OutcomeUnknown(message=_doubt(error), action_id=action.id)
    if outcome is Outcome.FAILED:
        message = str(error)
        if action.idempotency_key is not None:
            message += " To try again, use a new idempotencyKey."
        return UpstreamUnavailable(message=message, retry_after=error.retry_after)
    if error.code is ErrorCode.UPSTREAM_NOT_FOUND:
        return not_found()
    return UpstreamRejected(
        message=str(error),
        http_status=error.status,
        vendor_code=error.vendor_code,
        vendor_message=error.vendor_message,
        vendor_request_id=error.vendor_request_id,
    )


def _doubt(error: UpstreamError) -> str:
    said = f" The vendor said: {error.vendor_message.rstrip('.')}." if error.vendor_message else ""
    return (
        f"Source {error.source} gave no answer that tells the outcome: it may have happened.{said}"
        " Look at the log before you repeat it."
    )


def message_of(outcome: Outcome, error: UpstreamError) -> str:
    """Return the sentence about a failure for the journal.

    The error's own advice to try again applies to reads only; an action may have been carried out.
    """
    if outcome is not Outcome.UNKNOWN:
        return str(error)
    return f"{error} It may have happened all the same: look at the log before you repeat it."


def not_found() -> NotFound:
    """Return the same problem for a log that does not exist and for one that is not granted."""
    return NotFound(message="There is no such webhook log. It may have expired.", path=("id",))


def unknown(id: str) -> OutcomeUnknown:
    """Return the problem of an action whose outcome was never recorded."""
    return OutcomeUnknown(
        message="It was sent, or was about to be, and its outcome was not recorded: it may have"
        " happened. Look at the log before you repeat it.",
        action_id=id,
    )


def unfinished(id: str, key: str | None) -> OutcomeUnknown:
    """Return the problem of an action that takes longer than the caller's deadline."""
    where = "ask again with the same idempotencyKey" if key else "look at the log again"
    return OutcomeUnknown(
        message=f"It is still in progress. To learn its outcome, {where}, or look at actions.",
        action_id=id,
    )
