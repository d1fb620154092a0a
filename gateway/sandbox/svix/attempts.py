"""What became of an attempt: its status, and the response that Svix keeps."""

from __future__ import annotations

from enum import IntEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from gateway.sandbox import outcomes
from gateway.sandbox.deliveries import MILLISECOND, SECOND, seeded
from gateway.sandbox.outcomes import phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.sandbox.deliveries import Delivery

_THROTTLED_FOR = 60 * SECOND
_CANCELED_EVERY = 89

_ERRORS = {
    outcomes.REFUSED: "tcp connect error: Connection refused (os error 111)",
    outcomes.CONNECTION_RESET: "connection error: Connection reset by peer (os error 104)",
    outcomes.HUNG_UP: "connection closed before message completed",
    outcomes.UNKNOWN_HOST: "dns error: failed to lookup address information: Name not known",
    outcomes.DNS_DOWN: "dns error: failed to lookup address information: Try again",
    outcomes.CERTIFICATE_EXPIRED: "invalid peer certificate: Expired",
    outcomes.SELF_SIGNED: "invalid peer certificate: UnknownIssuer",
    outcomes.WRONG_NAME: "invalid peer certificate: NotValidForName",
    outcomes.NO_HEADERS: "operation timed out",
    outcomes.UNREACHABLE: "tcp connect error: deadline has elapsed",
}
"""The words of a client written in Rust."""


class Status(IntEnum):
    """The status of an attempt, as the API numbers it."""

    SUCCESS = 0
    PENDING = 1
    FAIL = 2
    SENDING = 3
    CANCELED = 4


def status_of(log: Delivery, age: int, *, throttled: bool) -> Status:
    """Return the status of an attempt that is so many nanoseconds old."""
    if log.number % _CANCELED_EVERY == _CANCELED_EVERY - 1:
        return Status.CANCELED
    if throttled and age < _THROTTLED_FOR:
        return Status.PENDING
    if age < log.duration_ms * MILLISECOND:
        return Status.SENDING
    outcome = log.outcome
    return Status.SUCCESS if outcome.accepted and outcome.delivered else Status.FAIL


def response_text(seed: int, secrets: Mapping[str, str], log: Delivery) -> str:
    """Return the body of the receiver's response, or the error that prevented one."""
    outcome = log.outcome
    if outcome.status is None:
        error = f"error sending request for url ({log.stream.url}): {_ERRORS[outcome]}"
        return error if log.number % 3 else ""
    if outcome.status == HTTPStatus.NO_CONTENT:
        return ""
    random = seeded(seed, "svix", log.number)
    if not outcome.delivered:
        echo = f"refused: Authorization: Bearer {secrets['echoed_bearer']}"
        page = f"<html><h1>{phrase(outcome.status)}</h1></html>"
        return random.choice(("", page, echo, '{"error":"busy"}'))
    contents = (
        {"ok": True},
        {"ok": True, "session": {"token": secrets["response_jwt"]}},
        {"ok": True, "customer": {"email": secrets["customer_mail"]}},
        {"ok": True, "next": f"/status?api_key={secrets['query_api_key']}"},
    )
    chosen = random.randrange(len(contents) + 2)
    return msgspec.json.encode(contents[chosen]).decode() if chosen < len(contents) else "ok"
