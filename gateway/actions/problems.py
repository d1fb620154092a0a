"""The problems of an action, with the data that a frontend needs to react to each.

They are results, not exceptions: a caller selects them in ``userErrors``.
"""

from __future__ import annotations

import enum
from typing import ClassVar

import msgspec

from gateway.callers import Role
from gateway.journal import ActionKind


class UserErrorCode(enum.Enum):
    """The reason why an action was not done, or may not have been."""

    INVALID_INPUT = "An argument can't be used."
    NOT_FOUND = "There is no such webhook log, or it is not granted."
    NOT_AUTHORIZED = "The caller lacks the role that this takes on the log's source."
    ACTION_NOT_SUPPORTED = "The vendor can't do it."
    IDEMPOTENCY_KEY_REUSED = "The key was used for another action or another log."
    UPSTREAM_REJECTED = "The vendor refused: nothing happened."
    UPSTREAM_UNAVAILABLE = "The vendor was not reached, or turned it away: nothing happened."
    OUTCOME_UNKNOWN = "The outcome is not known: it may have happened."


class Problem(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The reason why an action was not done, or may not have been; ``path`` is the argument."""

    message: str
    path: tuple[str, ...] | None = None


class InvalidInput(Problem, frozen=True, kw_only=True):
    """An argument can't be used."""

    code: ClassVar = UserErrorCode.INVALID_INPUT


class NotFound(Problem, frozen=True, kw_only=True):
    """The webhook log does not exist, or the caller has no access to it."""

    code: ClassVar = UserErrorCode.NOT_FOUND


class NotAuthorized(Problem, frozen=True, kw_only=True):
    """The caller lacks the role that this takes on the log's source."""

    code: ClassVar = UserErrorCode.NOT_AUTHORIZED
    required_role: Role


class ActionNotSupported(Problem, frozen=True, kw_only=True):
    """The vendor does not support the action; ``sources`` are the names of sources that do."""

    code: ClassVar = UserErrorCode.ACTION_NOT_SUPPORTED
    action: ActionKind
    sources: tuple[str, ...]


class IdempotencyKeyReused(Problem, frozen=True, kw_only=True):
    """The key was used for another action or log; ``log_id`` is set if the caller may see it."""

    code: ClassVar = UserErrorCode.IDEMPOTENCY_KEY_REUSED
    log_id: str | None


class UpstreamRejected(Problem, frozen=True, kw_only=True):
    """The vendor refused: nothing happened."""

    code: ClassVar = UserErrorCode.UPSTREAM_REJECTED
    http_status: int | None = None
    vendor_code: str | None = None
    vendor_message: str | None = None
    vendor_request_id: str | None = None


class UpstreamUnavailable(Problem, frozen=True, kw_only=True):
    """The vendor was unreachable, or refused for now; ``retry_after`` is in seconds, if known."""

    code: ClassVar = UserErrorCode.UPSTREAM_UNAVAILABLE
    retry_after: float | None = None


class OutcomeUnknown(Problem, frozen=True, kw_only=True):
    """The outcome is not known: it may have happened."""

    code: ClassVar = UserErrorCode.OUTCOME_UNKNOWN
    action_id: str


AnyProblem = (
    InvalidInput
    | NotFound
    | NotAuthorized
    | ActionNotSupported
    | IdempotencyKeyReused
    | UpstreamRejected
    | UpstreamUnavailable
    | OutcomeUnknown
)
