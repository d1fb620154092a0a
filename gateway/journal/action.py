"""The record of one action."""

from __future__ import annotations

import enum

import msgspec

from gateway.model import Timestamp


class ActionKind(enum.Enum):
    """What was asked for."""

    RETRY = "Send a delivery again."
    DELETE = "Delete a webhook log."


class Outcome(enum.Enum):
    """What came of an action."""

    PENDING = "The action is on its way."
    SUCCEEDED = "The vendor did it."
    REJECTED = "The vendor refused it: nothing happened."
    FAILED = "The vendor was not reached: nothing happened."
    UNKNOWN = "It was sent, or may have been, and the answer was lost: it may have happened."


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action: who asked for what, when, and what came of it.

    ``log_id`` is the gateway's id of the webhook log, ``upstream_id`` the vendor's. ``message``
    and ``answer`` are redacted; ``answer`` is whatever the caller was answered, in the service's
    own encoding, unless it is for that caller alone. ``completed_at`` is None as long as nobody has
    said what came of it: past ``lease_until`` the outcome is then UNKNOWN.
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
