"""Outcomes of simulated deliveries, and their frequencies."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from random import Random

    from gateway.sandbox.streams import Stream


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of a delivery.

    ``accepted`` is the vendor's verdict, ``status`` that of the receiver's response (None if there
    was none); the two may contradict each other. ``text`` is the message of a client written in Go,
    with the placeholders ``{host}``, ``{address}`` and ``{lookup}``; it is empty if the status says
    it all. ``duration`` is a range in milliseconds. A ``transient`` failure does not happen again
    when the delivery is retried.
    """

    status: int | None
    text: str = ""
    duration: tuple[int, int] = (35, 900)
    accepted: bool = False
    transient: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the receiver responded with 2xx, whatever the vendor's verdict."""
        return self.status in range(200, 300)


OK = Outcome(200, accepted=True)
CREATED = Outcome(201, accepted=True)
QUEUED = Outcome(202, accepted=True, duration=(8, 90))
NO_CONTENT = Outcome(204, accepted=True, duration=(12, 240))

REFUSED = Outcome(
    None, "dial tcp {address}: connect: connection refused", duration=(1, 30), transient=True
)
CONNECTION_RESET = Outcome(
    None, "read tcp 10.4.7.19:41806->{address}: read: connection reset by peer", transient=True
)
HUNG_UP = Outcome(None, "EOF", transient=True)
UNKNOWN_HOST = Outcome(None, "dial tcp: lookup {lookup}: no such host", duration=(2, 60))
DNS_DOWN = Outcome(
    None, "dial tcp: lookup {lookup}: server misbehaving", duration=(900, 5000), transient=True
)
CERTIFICATE_EXPIRED = Outcome(
    None,
    "tls: failed to verify certificate: x509: certificate has expired or is not yet valid:"
    " current time is after 2026-01-31T23:59:59Z",
)
SELF_SIGNED = Outcome(
    None,
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
)
WRONG_NAME = Outcome(
    None,
    "tls: failed to verify certificate: x509: certificate is valid for ingress.local, not {host}",
)
NO_HEADERS = Outcome(
    None,
    "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
    duration=(10_000, 10_060),
    transient=True,
)
UNREACHABLE = Outcome(
    None, "dial tcp {address}: i/o timeout", duration=(10_000, 10_020), transient=True
)
MOVED = Outcome(301)
FOUND = Outcome(302)
PERMANENT_REDIRECT = Outcome(308)
BAD_REQUEST = Outcome(400)
UNAUTHORIZED = Outcome(401)
FORBIDDEN = Outcome(403)
NOT_FOUND = Outcome(404)
GONE = Outcome(410)
TOO_LARGE = Outcome(413)
UNPROCESSABLE = Outcome(422)
TOO_MANY_REQUESTS = Outcome(429, transient=True)
SERVER_ERROR = Outcome(500, transient=True)
BAD_GATEWAY = Outcome(502, transient=True)
UNAVAILABLE = Outcome(503, duration=(2, 40), transient=True)
GATEWAY_TIMEOUT = Outcome(504, duration=(29_900, 30_100), transient=True)
ACCEPTED_BUT_NOT_FOUND = Outcome(404, accepted=True)
FAILED_BUT_OK = Outcome(200, "unexpected EOF", transient=True)

SUCCESSES = {OK: 70, NO_CONTENT: 14, QUEUED: 9, CREATED: 7}

FAILURES = {
    REFUSED: 6,
    CONNECTION_RESET: 4,
    HUNG_UP: 3,
    UNKNOWN_HOST: 4,
    DNS_DOWN: 2,
    CERTIFICATE_EXPIRED: 3,
    SELF_SIGNED: 2,
    WRONG_NAME: 1,
    NO_HEADERS: 9,
    UNREACHABLE: 4,
    MOVED: 2,
    FOUND: 2,
    PERMANENT_REDIRECT: 1,
    BAD_REQUEST: 6,
    UNAUTHORIZED: 6,
    FORBIDDEN: 3,
    NOT_FOUND: 6,
    GONE: 2,
    TOO_LARGE: 1,
    UNPROCESSABLE: 5,
    TOO_MANY_REQUESTS: 6,
    SERVER_ERROR: 10,
    BAD_GATEWAY: 6,
    UNAVAILABLE: 7,
    GATEWAY_TIMEOUT: 3,
    ACCEPTED_BUT_NOT_FOUND: 4,
    FAILED_BUT_OK: 4,
}

INCIDENTS = (
    REFUSED,
    BAD_GATEWAY,
    NO_HEADERS,
    CERTIFICATE_EXPIRED,
    UNAVAILABLE,
    UNKNOWN_HOST,
    UNAUTHORIZED,
    SERVER_ERROR,
    UNREACHABLE,
)
"""Outcomes of an incident, which lasts an hour."""


class WeightedChoice:
    """A random choice among outcomes, by weight."""

    def __init__(self, weights: dict[Outcome, int]) -> None:
        self._outcomes = tuple(weights)
        total = 0
        self._bounds = [total := total + weight for weight in weights.values()]

    def __call__(self, random: Random) -> Outcome:
        """Return an outcome."""
        return random.choices(self._outcomes, cum_weights=self._bounds)[0]


def go_error(stream: Stream, outcome: Outcome) -> str:
    """Return a failure as Go's client words it, which masks a password in a URL but no query."""
    url = urlsplit(stream.url)
    host = url.hostname or ""
    octets = stream.id.encode()[:2]
    address = f"10.20.{octets[0]}.{octets[-1]}:{url.port or 443}"
    shown = stream.url.replace(f":{url.password}@", ":***@") if url.password else stream.url
    text = outcome.text.format(host=host, address=address, lookup=f"{host} on 10.0.0.2:53")
    return f'Post "{shown}": {text}'


def phrase(status: int) -> str:
    """Return the status with its reason phrase, such as ``503 Service Unavailable``."""
    return f"{status} {HTTPStatus(status).phrase}"
