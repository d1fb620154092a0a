"""The record of an action."""

from __future__ import annotations

import enum

import msgspec

from gateway.model import Timestamp


class ActionKind(enum.Enum):
    """The kind of an action."""

    RETRY = "Send a delivery again."
    DELETE = "Delete a webhook log."


class Outcome(enum.Enum):
    """The outcome of an action."""

    PENDING = "The action is in progress."
    SUCCEEDED = "The vendor did it."
    REJECTED = "The vendor refused it: nothing happened."
    FAILED = "The vendor was not reached: nothing happened."
    UNKNOWN = "The outcome is not known: it may have happened."


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action with its caller and its outcome.

    ``log_id`` is the gateway's id of the webhook log, ``upstream_id`` the vendor's. ``message`` and
    ``answer`` are redacted. ``answer`` is the response to the caller, encoded by
    ``gateway.actions``: what others may see of it, or None. ``completed_at`` is None until the
    outcome is recorded; after ``lease_until`` the outcome is UNKNOWN.
    """

    id: str
    kind: ActionKind
    log_id: str
    source: str
    upstream_id: str
    caller: str
    idempotency_key: str | None = None
    request_id: str | None = None
    requested_at: Timestamp
    lease_until: Timestamp
    completed_at: Timestamp | None = None
    outcome: Outcome = Outcome.PENDING
    error_code: str | None = None
    message: str | None = None
    answer: bytes | None = None
