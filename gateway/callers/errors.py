"""The errors of authentication.

::

    GatewayError
    ├── UnauthenticatedError   401: no credential, or none that is accepted
    │   └── ExpiredTokenError  401: the token has expired
    ├── TooManyAttemptsError   429: too many wrong credentials from this address
    └── KeysUnavailableError   503: the token can't be checked now

No message contains a credential, or any more detail than these class names.
"""

from __future__ import annotations

from gateway.errors import ErrorCode, GatewayError

CHALLENGE = 'Bearer realm="webhook-logs"'


class UnauthenticatedError(GatewayError):
    """The caller is unknown; ``www_authenticate`` is the header of the 401 (RFC 6750)."""

    code = ErrorCode.UNAUTHENTICATED

    def __init__(self, message: str, www_authenticate: str) -> None:
        self.www_authenticate = www_authenticate
        super().__init__(message)


class ExpiredTokenError(UnauthenticatedError):
    """The token has expired. It is genuine, so this does not count as a failed attempt."""

    def __init__(self) -> None:
        super().__init__(
            "The token has expired. Get a new one.",
            f'{CHALLENGE}, error="invalid_token", error_description="expired"',
        )


class TooManyAttemptsError(GatewayError):
    """The address is throttled for ``retry_after`` seconds, a whole number of at least 1."""

    code = ErrorCode.TOO_MANY_ATTEMPTS

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(
            "Too many credentials from this address were not accepted."
            f" Try again in {retry_after} seconds."
        )


class KeysUnavailableError(GatewayError):
    """The issuer's keys can't be fetched, so no token can be checked."""

    code = ErrorCode.KEYS_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "Tokens can't be checked now, as the keys of their issuer can't be fetched. Try again"
            " later."
        )


def missing_credential(*, keys: bool, tokens: bool) -> UnauthenticatedError:
    """Return the error for a request without any of the accepted kinds of credentials."""
    kinds = ["an API key"] * keys + ["an access token"] * tokens
    return UnauthenticatedError(
        f"This gateway needs {' or '.join(kinds)}: send it as Authorization: Bearer.", CHALLENGE
    )


def rejected_credential() -> UnauthenticatedError:
    """Return the error for a credential that is not accepted, whatever its fault."""
    return UnauthenticatedError(
        "The API key or token is not accepted.", f'{CHALLENGE}, error="invalid_token"'
    )
