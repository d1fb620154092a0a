"""Authentication of a request by its headers."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from gateway.callers.attempts import Attempts
from gateway.callers.caller import ANONYMOUS, Method
from gateway.callers.errors import (
    ExpiredTokenError,
    TooManyAttemptsError,
    UnauthenticatedError,
    missing_credential,
    rejected_credential,
)
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.keys import PREFIX, KeyRing
from gateway.callers.tokens import TokenVerifier
from gateway.config.public_key import public_key
from gateway.upstream import jwks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gateway.callers.caller import Caller
    from gateway.config.auth import AuthSettings, JwtSettings


class Authenticator:
    """Authenticates callers by the configured methods.

    ``fetch`` returns the JSON Web Key Set at a URL. ``clock`` returns Unix time and ``monotonic`` a
    monotonic time, both in seconds. From an ``earlier`` one, failed attempts are remembered, and
    the keys of the same issuer.
    """

    def __init__(
        self,
        settings: AuthSettings,
        *,
        fetch: Callable[[str], Awaitable[dict[str, Any]]] = jwks.fetch,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        earlier: Authenticator | None = None,
    ) -> None:
        self.settings = settings
        self._open = "none" in settings.methods
        self.attempts: Attempts = earlier.attempts if earlier else Attempts(monotonic)
        self._keys = KeyRing(settings.keys) if settings.keys else None
        self.tokens: TokenVerifier | None = None
        if settings.jwt and earlier and earlier.settings.jwt == settings.jwt:
            self.tokens = earlier.tokens
        elif settings.jwt:
            keys = IssuerKeys(functools.partial(_document, settings.jwt, fetch), monotonic)
            self.tokens = TokenVerifier(settings.jwt, keys, clock)

    async def authenticate(self, headers: Mapping[str, str], address: str) -> Caller:
        """Return the caller of a request with these headers, sent from an IP address.

        Header names are in lower case. Raises UnauthenticatedError, TooManyAttemptsError or
        KeysUnavailableError.
        """
        if self._open:
            return ANONYMOUS
        key, token = self._credentials(headers)
        if not (key or token):
            raise missing_credential(keys=self._keys is not None, tokens=self.tokens is not None)
        if wait := self.attempts.check(address):
            raise TooManyAttemptsError(wait)
        try:
            caller = await self._identify(key, token)
        except ExpiredTokenError:
            raise
        except UnauthenticatedError:
            self.attempts.failed(address)
            raise
        self.attempts.succeeded(address)
        return caller

    def welcomes(self, caller: Caller, address: str) -> bool:
        """Return whether a caller that was authenticated before may call from an address.

        As in ``authenticate``, success makes its failed attempts forgotten.
        """
        if caller.method is Method.NONE:
            return True
        if self.attempts.check(address):
            return False
        self.attempts.succeeded(address)
        return True

    def _credentials(self, headers: Mapping[str, str]) -> tuple[str, str]:
        """Return the API key or the token. X-Api-Key wins: a proxy may fill in the other header."""
        if self._keys and (key := headers.get("x-api-key", "").strip()):
            return key, ""
        scheme, _, credential = headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return "", ""
        credential = credential.strip()
        return (credential, "") if credential.startswith(PREFIX) else ("", credential)

    async def _identify(self, key: str, token: str) -> Caller:
        if self.tokens and token:
            return await self.tokens.verify(token)
        if self._keys and key.isascii() and (caller := self._keys.find(key)):
            return caller
        raise rejected_credential()


async def _document(
    settings: JwtSettings, fetch: Callable[[str], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Return the issuer's keys, fetched from jwks_url or configured as public_key."""
    if settings.jwks_url:
        return await fetch(settings.jwks_url)
    return {"keys": [public_key(settings.public_key or "").as_dict()]}
