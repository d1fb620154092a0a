"""How GitHub words the outcome of a delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sandbox.outcomes import (
    CERTIFICATE_EXPIRED,
    CONNECTION_RESET,
    DNS_DOWN,
    HUNG_UP,
    NO_HEADERS,
    REFUSED,
    SELF_SIGNED,
    UNKNOWN_HOST,
    UNREACHABLE,
    WRONG_NAME,
)

if TYPE_CHECKING:
    from gateway.sandbox.outcomes import Outcome

_NOT_CONNECTED = (502, "failed to connect")
_TIMED_OUT = (504, "timed out")
_NO_ADDRESS = (0, "couldn't resolve host name")
_NO_TRUST = (0, "peer certificate cannot be authenticated with given CA certificates")

_WITHOUT_RESPONSE = {
    REFUSED: _NOT_CONNECTED,
    CONNECTION_RESET: _NOT_CONNECTED,
    HUNG_UP: _NOT_CONNECTED,
    NO_HEADERS: _TIMED_OUT,
    UNREACHABLE: _TIMED_OUT,
    UNKNOWN_HOST: _NO_ADDRESS,
    DNS_DOWN: _NO_ADDRESS,
    CERTIFICATE_EXPIRED: _NO_TRUST,
    SELF_SIGNED: _NO_TRUST,
    WRONG_NAME: _NO_TRUST,
}


def result(outcome: Outcome) -> tuple[int, str]:
    """Return ``status_code`` and ``status``; without a response, the code is GitHub's own."""
    if outcome.status is None:
        return _WITHOUT_RESPONSE[outcome]
    return outcome.status, "OK" if outcome.delivered else f"Invalid HTTP Response: {outcome.status}"
