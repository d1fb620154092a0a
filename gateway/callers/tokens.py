"""JSON Web Tokens: whether one is good, and what it grants (RFC 7519, with the advice of 8725)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc import jws
from joserfc.errors import ExpiredTokenError as ExpiredError
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwt import JWTClaimsRegistry

from gateway.callers.caller import Caller, Method, grant
from gateway.callers.errors import ExpiredTokenError, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gateway.callers.issuer_keys import IssuerKeys, PublicKey
    from gateway.config.auth import JwtSettings

MAX_NAME = 255
"""Characters of a subject."""
MAX_LENGTH = 16 * 2**10
"""Characters of a token; those of people in hundreds of groups have half of that."""


class TokenVerifier:
    """Accepts the tokens of one issuer; the clock gives Unix time in seconds."""

    def __init__(
        self, settings: JwtSettings, keys: IssuerKeys, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._registry = _Registry(algorithms=settings.algorithms, strict_check_header=False)
        self._grants = {value: grant(given) for value, given in settings.roles.items()}

    async def verify(self, token: str) -> Caller:
        """Give the caller that a token is about.

        Raises UnauthenticatedError when it is not good (ExpiredTokenError when it was), and
        KeysUnavailableError when that can't be told.
        """
        signature = self._read(token)
        await self._check_signature(signature)
        try:
            claims = msgspec.json.decode(signature.payload, type=dict[str, Any])
            self._expected().validate(claims)
        except ExpiredError:
            raise ExpiredTokenError from None
        except (msgspec.DecodeError, RecursionError, JoseError):
            raise refused() from None
        subject = claims["sub"]
        # It goes into the journal and the log, which not every text can.
        if not (isinstance(subject, str) and subject.isprintable() and len(subject) <= MAX_NAME):
            raise refused()
        values = dict.fromkeys(_values(_claim(claims, self._settings.roles_claim)))
        grants = (self._grants[value] for value in values if value in self._grants)
        return Caller(subject, Method.JWT, tuple(grants))

    def _read(self, token: str) -> jws.CompactSignature:
        """Take a token apart, without believing anything of it yet."""
        if len(token) > MAX_LENGTH:
            raise refused()
        try:
            signature = jws.extract_compact(token.encode("ascii"), registry=self._registry)
            header: Any = signature.headers()
            # An extension that must be understood (RFC 7515, 4.1.11): none is.
            if not isinstance(header, dict) or "crit" in header:
                raise refused()
            self._registry.check_header(header)
            self._registry.get_alg(header["alg"])
        except (JoseError, ValueError, RecursionError):
            raise refused() from None
        return signature

    async def _check_signature(self, signature: jws.CompactSignature) -> None:
        keys = await self._keys.current()
        signed = self._signed(signature, keys)
        name = signature.headers().get("kid")
        if not signed and not (name and any(key.kid == name for key in keys)):
            # The issuer may have changed its keys since they were fetched.
            signed = self._signed(signature, await self._keys.renewed())
        if not signed:
            raise refused()

    def _signed(self, signature: jws.CompactSignature, keys: Iterable[PublicKey]) -> bool:
        """Tell whether one of the keys made the signature.

        Those that the header names are asked, and the nameless ones; none is ever taken from
        the header itself, nor fetched from where it points.
        """
        name = signature.headers().get("kid")
        for key in keys:
            if not name or key.kid in {name, None}:
                try:
                    if jws.validate_compact(signature, key, registry=self._registry):
                        return True
                except JoseError:  # the key is for another algorithm or use
                    continue
        return False

    def _expected(self) -> JWTClaimsRegistry:
        return JWTClaimsRegistry(
            now=int(self._clock()),
            leeway=self._settings.leeway,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.audience},
            sub={"essential": True},
            exp={"essential": True},
        )


class _Registry(jws.JWSRegistry):
    max_header_length = MAX_LENGTH

    def get_alg(self, name: str) -> Any:
        """Give an algorithm of the configuration, and no other.

        The library's own would also warn, of EdDSA, which many issuers still call by that name.
        """
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def _claim(claims: dict[str, Any], name: str) -> Any:
    """Find a claim by its name, which may hold dots itself, or by its way through nested ones."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _values(claim: Any) -> Iterator[str]:
    """Give the texts of a list, or of a text that separates them by spaces."""
    if isinstance(claim, str):
        claim = claim.split(" ")
    if isinstance(claim, list):
        yield from (value for value in claim if isinstance(value, str))
