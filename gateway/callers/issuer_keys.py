"""The public keys of a token issuer, cached, and refreshed when the issuer rotates them."""

from __future__ import annotations

import contextlib
import logging
import math
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.callers.errors import KeysUnavailableError
from gateway.errors import GatewayError
from gateway.single_flight import SingleFlight

LIFETIME = 600.0
"""Seconds after which the keys are refreshed, so that withdrawn keys are not accepted for long."""
GRACE = 86_400.0
"""Seconds for which stale keys are used while the issuer is down."""
PAUSE = 60.0
"""Minimum seconds between two fetches, however many tokens name unknown keys."""
RETRY = 5.0
"""Minimum seconds between two fetches until the first one succeeds."""

KeyDocument = dict[str, Any]
FetchKeys = Callable[[], Awaitable[KeyDocument]]
"""Fetches a JSON Web Key Set (RFC 7517); raises GatewayError on failure."""

PublicKey = RSAKey | ECKey | OKPKey
_KINDS: dict[Any, type[PublicKey]] = {kind.key_type: kind for kind in (RSAKey, ECKey, OKPKey)}

log = logging.getLogger(__name__)


class IssuerKeys:
    """A cache of the keys that ``fetch`` returns; ``clock`` is monotonic, in seconds."""

    def __init__(self, fetch: FetchKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched = -math.inf
        self._tried = -math.inf
        self._flights: SingleFlight[None] = SingleFlight()

    async def current(self) -> tuple[PublicKey, ...]:
        """Return the keys, possibly none; KeysUnavailableError on failure."""
        if self._clock() - self._fetched >= LIFETIME:
            await self._refresh()
        if self._clock() - self._fetched >= GRACE:
            raise KeysUnavailableError
        return self._keys

    async def refreshed(self) -> tuple[PublicKey, ...]:
        """Return the keys after a refresh, for a token that none of the cached keys has signed.

        Raises KeysUnavailableError if the last fetch failed: the token may be genuine.
        """
        await self._refresh()
        if self._tried > self._fetched:
            raise KeysUnavailableError
        return self._keys

    async def _refresh(self) -> None:
        pause = RETRY if self._fetched == -math.inf else PAUSE
        if self._clock() - self._tried >= pause:
            await self._flights.run("keys", self._fetch_once)

    async def _fetch_once(self) -> None:
        try:
            document = await self._fetch()
        except GatewayError as error:
            self._tried = self._clock()
            log.warning("The keys of the token issuer could not be fetched: %s", error)
        else:
            self._keys = _usable(document)
            self._tried = self._fetched = self._clock()


def _usable(document: KeyDocument) -> tuple[PublicKey, ...]:
    """Return the keys of a set that can verify a token, and ignore the rest (RFC 7517, 5).

    Ignored are shared secrets, private keys, short RSA keys, and keys that can't be parsed.
    """
    keys: list[PublicKey] = []
    with warnings.catch_warnings():
        # For RSA keys that are short enough to be broken, the library only warns.
        warnings.simplefilter("error", SecurityWarning)
        for entry in document["keys"]:
            # A faulty key does not affect the others.
            with contextlib.suppress(Exception):
                key = _KINDS[entry["kty"]].import_key(entry)
                if not key.is_private:
                    keys.append(key)
    return tuple(keys)
