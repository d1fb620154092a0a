"""Why an action was not done, or not known to be: each kind with what a frontend can act on.

They are answers, not exceptions: whoever asked is told what stands in the way.
"""

from __future__ import annotations

import enum
from typing import ClassVar

import msgspec

from gateway.callers import Role
from gateway.journal import ActionKind


class UserErrorCode(enum.Enum):
    """Why an action was not done, or not known to be."""

    INVALID_INPUT = "An argument can't be used."
    NOT_FOUND = "There is no such webhook log, or it is not granted."
    NOT_AUTHORIZED = "The caller lacks a role on the log's source."
    ACTION_NOT_SUPPORTED = "The vendor can't do it."
    IDEMPOTENCY_KEY_REUSED = "The key was used for another action or another log."
    UPSTREAM_REJECTED = "The vendor refused: nothing happened."
    UPSTREAM_UNAVAILABLE = "The vendor was not reached, or did not take it: nothing happened."
    OUTCOME_UNKNOWN = "It was sent and the answer was lost: it may have happened."


class Problem(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Why an action was not done, or not known to be; ``path`` names the argument at fault."""

    message: str
    path: tuple[str, ...] | None = None


class InvalidInput(Problem, frozen=True, kw_only=True):
    """An argument can't be used."""

    code: ClassVar = UserErrorCode.INVALID_INPUT


class NotFound(Problem, frozen=True, kw_only=True):
    """There is no such webhook log, or it is not granted."""

    code: ClassVar = UserErrorCode.NOT_FOUND


class NotAuthorized(Problem, frozen=True, kw_only=True):
    """The caller lacks a role on the log's source."""

    code: ClassVar = UserErrorCode.NOT_AUTHORIZED
    required_role: Role


class ActionNotSupported(Problem, frozen=True, kw_only=True):
    """The vendor can't do it; ``sources`` are the names of those that can."""

    code: ClassVar = UserErrorCode.ACTION_NOT_SUPPORTED
    action: ActionKind
    sources: tuple[str, ...]


class IdempotencyKeyReused(Problem, frozen=True, kw_only=True):
    """The key was used for another action or another log, which is told to who may see it."""

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
    """The vendor was not reached or did not take it: nothing happened. Seconds to wait, if told."""

    code: ClassVar = UserErrorCode.UPSTREAM_UNAVAILABLE
    retry_after: float | None = None


class OutcomeUnknown(Problem, frozen=True, kw_only=True):
    """It was sent and the answer was lost: it may have happened."""

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
