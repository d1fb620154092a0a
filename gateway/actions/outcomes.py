"""The outcome of an action, from the vendor's response or from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

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
from gateway.vendors import VENDORS
from gateway.vendors.retried import RetryKind

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


if TYPE_CHECKING:
    AnyLog = WebhookLog
else:
    AnyLog = WebhookLog[Union[tuple({kit.details for kit in VENDORS.values()})]]  # noqa: UP007
    """A log of any vendor, with the details of that vendor."""


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result for the caller: a problem, or the log after its retry or before its deletion.

    ``kind`` and ``replacement`` are those of a retry. ``kind`` is also None for retries that an
    earlier version recorded.
    """

    log: AnyLog | None = None
    kind: RetryKind | None = None
    replacement: AnyLog | None = None
    problem: AnyProblem | None = None


_decoder = msgspec.json.Decoder(ActionResult)


def encode(answer: ActionResult, *, private: bool = False) -> bytes | None:
    """Encode a result for the journal.

    Of a ``private`` one, which only its caller may see, nothing is left but the kind of the retry.
    """
    if private:
        if answer.kind is None:
            return None
        answer = ActionResult(kind=answer.kind)
    return msgspec.json.encode(answer)


def vendor_response(action: Action) -> Any:
    """Return the vendor's redacted response: the document of a log, or the fields of a refusal.

    The document is that of the new log if a retry made one, otherwise that of the log itself. None
    if there was none, or if the credential was the caller's own.
    """
    match decode(action.answer, action) if action.answer is not None else None:
        case ActionResult(replacement=WebhookLog(raw=document)):
            return document
        case ActionResult(log=WebhookLog(raw=document)):
            return document
        case ActionResult(problem=UpstreamRejected() as refusal):
            parts = {
                "httpStatus": refusal.http_status,
                "vendorCode": refusal.vendor_code,
                "vendorMessage": refusal.vendor_message,
                "vendorRequestId": refusal.vendor_request_id,
            }
            return parts if any(value is not None for value in parts.values()) else None
    return None


def decode(answer: bytes, action: Action) -> ActionResult:
    """Decode a result from the journal; one of another version is reduced to its outcome."""
    try:
        return _decoder.decode(answer)
    except msgspec.MsgspecError:
        return outcome_only(action, action.message)


def outcome_only(action: Action, message: str | None = None) -> ActionResult:
    """Return a result with nothing but the outcome of an action."""
    match action.outcome:
        case Outcome.SUCCEEDED:
            return ActionResult()
        case Outcome.REJECTED | Outcome.FAILED:
            return ActionResult(problem=UpstreamRejected(message=message or "It was not done."))
    return ActionResult(problem=unknown_outcome(action.id))


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


def failure_result(action: Action, error: UpstreamError) -> tuple[ActionResult, Outcome]:
    """Return the result and the outcome of an action whose call failed."""
    outcome = outcome_of(error)
    return ActionResult(problem=_problem(action, error, outcome)), outcome


def _problem(action: Action, error: UpstreamError, outcome: Outcome) -> AnyProblem:
    if outcome is Outcome.UNKNOWN:
        return OutcomeUnknown(message=_unknown_message(error), action_id=action.id)
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


def _unknown_message(error: UpstreamError) -> str:
    said = f" The vendor said: {error.vendor_message.rstrip('.')}." if error.vendor_message else ""
    return (
        f"Source {error.source} gave no answer that tells the outcome: it may have happened.{said}"
        " Look at the log before you repeat it."
    )


def message_of(outcome: Outcome, error: UpstreamError) -> str:
    """Return the sentence for the journal about a failure.

    The error's own advice to try again is meant for reads; an action may have been carried out.
    """
    if outcome is not Outcome.UNKNOWN:
        return str(error)
    return f"{error} It may have happened all the same: look at the log before you repeat it."


def not_found() -> NotFound:
    """Return the same problem for a log that does not exist and for one that is not granted."""
    return NotFound(message="There is no such webhook log. It may have expired.", path=("id",))


def unknown_outcome(id: str) -> OutcomeUnknown:
    """Return the problem of an action whose outcome was never recorded."""
    return OutcomeUnknown(
        message="It was sent, or was about to be, and its outcome was not recorded: it may have"
        " happened. Look at the log before you repeat it.",
        action_id=id,
    )


def still_in_progress(id: str, key: str | None) -> OutcomeUnknown:
    """Return the problem of an action that is not finished at the caller's deadline."""
    where = "ask again with the same idempotencyKey" if key else "look at the log again"
    return OutcomeUnknown(
        message=f"It is still in progress. To learn its outcome, {where}, or look at actions.",
        action_id=id,
    )
