"""Why a caller is not let in.

::

    GatewayError
    ├── UnauthenticatedError   401: no credential came, or none that is accepted
    │   └── ExpiredTokenError  401: the token was good once
    ├── TooManyAttemptsError   429: too many credentials of this address were refused
    └── KeysUnavailableError   503: nobody can tell now whether the token is good

No message holds a credential, nor more of what is wrong with it than these names do.
"""

from __future__ import annotations

from gateway.errors import ErrorCode, GatewayError

CHALLENGE = 'Bearer realm="webhook-logs"'


class UnauthenticatedError(GatewayError):
    """The caller is not known; ``www_authenticate`` is the header of the 401 (RFC 6750)."""

    code = ErrorCode.UNAUTHENTICATED

    def __init__(self, message: str, www_authenticate: str) -> None:
        self.www_authenticate = www_authenticate
        super().__init__(message)


class ExpiredTokenError(UnauthenticatedError):
    """The token was good once, so whoever sent it was not guessing."""

    def __init__(self) -> None:
        super().__init__(
            "The token has expired. Get a new one.",
            f'{CHALLENGE}, error="invalid_token", error_description="expired"',
        )


class TooManyAttemptsError(GatewayError):
    """The address has to wait; ``retry_after`` is in whole seconds, at least 1."""

    code = ErrorCode.TOO_MANY_ATTEMPTS

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(
            "Too many credentials from this address were not accepted."
            f" Try again in {retry_after} seconds."
        )


class KeysUnavailableError(GatewayError):
    """The issuer's keys can't be had, so a token can be neither accepted nor refused."""

    code = ErrorCode.KEYS_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "Tokens can't be checked at the moment: their issuer's keys are out of reach."
            " Try again later."
        )


def missing() -> UnauthenticatedError:
    """Tell that no credential came."""
    return UnauthenticatedError(
        "This gateway needs an API key or a token: send it as Authorization: Bearer.", CHALLENGE
    )


def refused() -> UnauthenticatedError:
    """Tell that the credential is not accepted, whatever is wrong with it."""
    return UnauthenticatedError(
        "The API key or token is not accepted.", f'{CHALLENGE}, error="invalid_token"'
    )
