"""The public keys of a token issuer: kept for a while, and fetched anew when it changes them."""

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
"""Seconds after which the keys are fetched again, since withdrawn ones must go out of use."""
GRACE = 86_400.0
"""Seconds for which the keys are good while new ones can't be had."""
PAUSE = 60.0
"""Seconds between two fetches, however many tokens name keys that are not known."""
RETRY = 5.0
"""Seconds between two fetches as long as there are no keys at all."""

KeyDocument = dict[str, Any]
FetchKeys = Callable[[], Awaitable[KeyDocument]]
"""Gets a JSON Web Key Set (RFC 7517); raises GatewayError when there is none to be had."""

PublicKey = RSAKey | ECKey | OKPKey
_KINDS: dict[Any, type[PublicKey]] = {kind.key_type: kind for kind in (RSAKey, ECKey, OKPKey)}

log = logging.getLogger(__name__)


class IssuerKeys:
    """The keys that ``fetch`` gets; the clock is in seconds and only ever goes forward."""

    def __init__(self, fetch: FetchKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched = -math.inf
        self._tried = -math.inf
        self._flights: SingleFlight[None] = SingleFlight()

    async def current(self) -> tuple[PublicKey, ...]:
        """Give the keys, which may be none; KeysUnavailableError when they can't be had."""
        if self._clock() - self._fetched >= LIFETIME:
            await self._renew()
        if self._clock() - self._fetched >= GRACE:
            raise KeysUnavailableError
        return self._keys

    async def renewed(self) -> tuple[PublicKey, ...]:
        """Give the keys as they are by now, for a token that those at hand do not fit.

        Raises KeysUnavailableError when the last fetch failed: the token may be good.
        """
        await self._renew()
        if self._tried > self._fetched:
            raise KeysUnavailableError
        return self._keys

    async def _renew(self) -> None:
        pause = RETRY if self._fetched == -math.inf else PAUSE
        if self._clock() - self._tried >= pause:
            await self._flights.once("keys", self._fetch_once)

    async def _fetch_once(self) -> None:
        try:
            document = await self._fetch()
        except GatewayError as error:
            self._tried = self._clock()
            log.warning("The keys that tokens are checked with could not be fetched: %s", error)
        else:
            self._keys = _usable(document)
            self._tried = self._fetched = self._clock()


def _usable(document: KeyDocument) -> tuple[PublicKey, ...]:
    """Give the keys of a set that a token can be checked with; RFC 7517 has the rest passed over.

    The rest are shared secrets, private keys, short RSA keys and whatever can't be read.
    """
    keys: list[PublicKey] = []
    with warnings.catch_warnings():
        # The library only warns of RSA keys that are short enough to be broken.
        warnings.simplefilter("error", SecurityWarning)
        for entry in document["keys"]:
            # Whatever is wrong with one key, the others are good.
            with contextlib.suppress(Exception):
                key = _KINDS[entry["kty"]].import_key(entry)
                if not key.is_private:
                    keys.append(key)
    return tuple(keys)
