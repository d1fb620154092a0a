"""What became of an event: its attempts so far, and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.sandbox import outcomes
from gateway.sandbox.deliveries import MILLISECOND, SECOND
from gateway.sandbox.outcomes import OK, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.hookdeck.connections import Connection

_CANCELLED_EVERY = 83
PAUSED_FOR = 24 * 3600 * SECOND
"""How long before the start a paused connection was paused."""

ERROR_CODES = {
    outcomes.REFUSED: "CONNECTION_REFUSED",
    outcomes.CONNECTION_RESET: "CONNECTION_RESET",
    outcomes.HUNG_UP: "SOCKET_CLOSED",
    outcomes.UNKNOWN_HOST: "DNS_LOOKUP_FAILED",
    outcomes.DNS_DOWN: "DNS_LOOKUP_FAILED",
    outcomes.CERTIFICATE_EXPIRED: "SSL_CERT_EXPIRED",
    outcomes.SELF_SIGNED: "SELF_SIGNED_CERT",
    outcomes.WRONG_NAME: "ERR_TLS_CERT_ALTNAME_INVALID",
    outcomes.NO_HEADERS: "TIMEOUT",
    outcomes.UNREACHABLE: "HOST_UNREACHABLE",
    outcomes.MOVED: "TOO_MANY_REDIRECTS",
    outcomes.FOUND: "TOO_MANY_REDIRECTS",
    outcomes.PERMANENT_REDIRECT: "TOO_MANY_REDIRECTS",
    outcomes.FAILED_BUT_OK: "PROTOCOL_ERROR",
}
"""The error codes of failures other than a response with an error's status."""


class Attempt(NamedTuple):
    """One request to the destination; ``time`` is in nanoseconds, ``number`` counts from 1."""

    number: int
    time: int
    outcome: Outcome
    duration_ms: int
    trigger: str

    @property
    def succeeded(self) -> bool:
        """Whether the destination accepted the event."""
        return self.outcome.accepted and self.outcome.delivered

    @property
    def error_code(self) -> str | None:
        """The vendor's code of a failure."""
        if self.succeeded:
            return None
        return ERROR_CODES.get(self.outcome, "BAD_RESPONSE")

    @property
    def ended(self) -> int:
        """When the response was there, or was given up."""
        return self.time + self.duration_ms * MILLISECOND


class Progress(NamedTuple):
    """The state of an event at a moment."""

    status: str
    attempts: Sequence[Attempt]
    error_code: str | None
    next_attempt: int | None


def progress_of(
    log: Delivery,
    connection: Connection,
    retries: Sequence[int],
    *,
    started: int,
    now: int,
    cancelled: bool,
) -> Progress:
    """Return the state of an event.

    ``retries`` are the times of attempts that users asked for; they may be still to come.
    """
    cancelled = cancelled or log.number % _CANCELLED_EVERY == _CANCELLED_EVERY - 1
    if cancelled and not retries:
        return Progress("CANCELLED", (), "CANCELLED", None)
    if connection.paused and log.time >= started - PAUSED_FOR:
        return Progress("HOLD", (), None, None)
    planned = [] if cancelled else _automatic(log, connection, started)
    for time in sorted(retries):
        planned.append(_manual(log, planned, time))
    made = [attempt for attempt in planned if attempt.ended <= now]
    waiting = next((attempt for attempt in planned if attempt.ended > now), None)
    if waiting and (not made or waiting.trigger == "MANUAL"):
        delayed = waiting.trigger == "INITIAL" and connection.delay and waiting.time > now
        status = "SCHEDULED" if delayed else "QUEUED"
    else:
        status = "SUCCESSFUL" if made[-1].succeeded else "FAILED"
    error_code = made[-1].error_code if made else None
    next_attempt = waiting.time if waiting and waiting.time > now else None
    return Progress(status, made, error_code, next_attempt)


def _automatic(log: Delivery, connection: Connection, started: int) -> list[Attempt]:
    """Return the attempts that nobody has to ask for, including those that are still to come.

    Those of the history are over when it ends.
    """
    outcome = log.outcome
    failed = not (outcome.accepted and outcome.delivered)
    retries = int(log.number % 5 if failed else log.number % 29 == 0)
    first = log.time + connection.delay * SECOND
    pause = (log.number % 211 + 30) * SECOND
    if log.time < started <= first + retries * pause + log.duration_ms * MILLISECOND:
        retries, first = 0, log.time
    return [
        Attempt(
            number + 1,
            first + number * pause,
            outcome if failed or number == retries else outcomes.UNAVAILABLE,
            log.duration_ms,
            "AUTOMATIC" if number else "INITIAL",
        )
        for number in range(retries + 1)
    ]


def _manual(log: Delivery, earlier: Sequence[Attempt], time: int) -> Attempt:
    """Return an attempt that a user asked for; a transient failure does not happen again."""
    outcome = log.outcome
    if outcome.transient or (earlier and earlier[-1].succeeded):
        outcome = OK
    low, high = outcome.duration
    duration = low + log.duration_ms % (high - low + 1)
    return Attempt(len(earlier) + 1, time, outcome, duration, "MANUAL")
