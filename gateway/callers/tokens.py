"""JSON Web Tokens: their verification and their grants (RFC 7519, with the advice of RFC 8725)."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc import jws
from joserfc.errors import ExpiredTokenError as ExpiredError
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwt import JWTClaimsRegistry

from gateway.callers.caller import Caller, Method, grant
from gateway.callers.claims import audience_of, is_acceptable, roles_of
from gateway.callers.errors import ExpiredTokenError, UnauthenticatedError, rejected_credential

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.callers.issuer_keys import IssuerKeys, PublicKey
    from gateway.config.auth import JwtSettings

MAX_NAME = 255
"""Maximum length of a subject in characters."""
MAX_LENGTH = 16 * 2**10
"""Maximum length of a token in characters; with hundreds of groups tokens have half of that."""

log = logging.getLogger(__name__)


class TokenVerifier:
    """Verifies the tokens of one issuer; ``clock`` returns Unix time in seconds."""

    def __init__(
        self, settings: JwtSettings, keys: IssuerKeys, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._registry = _Registry(algorithms=settings.algorithms, strict_check_header=False)
        self._grants = {value: grant(given) for value, given in settings.roles.items()}

    async def verify(self, token: str) -> Caller:
        """Return the caller of a token.

        Raises UnauthenticatedError if it is not accepted (ExpiredTokenError if only its time is
        over), and KeysUnavailableError if its signature can't be checked now. The reason for a
        refusal goes to the log on level INFO, not to the caller.
        """
        signature = self._parse(token)
        await self._check_signature(signature)
        claims = self._check_claims(signature)
        # Unprintable text can't be written to the journal and the log.
        subject = claims["sub"]
        if not (isinstance(subject, str) and subject.isprintable() and len(subject) <= MAX_NAME):
            raise _refused("its claim sub is too long or unprintable")
        values = dict.fromkeys(roles_of(claims, self._settings.roles_claim))
        grants = (self._grants[value] for value in values if value in self._grants)
        return Caller(subject, Method.JWT, tuple(grants))

    def _parse(self, token: str) -> jws.CompactSignature:
        """Decode a token without trusting any of it."""
        if len(token) > MAX_LENGTH:
            raise _refused("it is too long")
        try:
            signature = jws.extract_compact(token.encode("ascii"), registry=self._registry)
            header: Any = signature.headers()
            # No critical extension (RFC 7515, 4.1.11) is supported.
            if not isinstance(header, dict) or "crit" in header:
                raise rejected_credential()
            self._registry.check_header(header)
            self._registry.get_alg(header["alg"])
        except UnsupportedAlgorithmError:
            raise _refused("its algorithm is none of auth.jwt.algorithms") from None
        except (JoseError, ValueError, RecursionError):
            raise _refused("it is no signed JSON Web Token") from None
        return signature

    async def _check_signature(self, signature: jws.CompactSignature) -> None:
        keys = await self._keys.current()
        signed = self._is_signed(signature, keys)
        name = signature.headers().get("kid")
        if not signed and not (name and any(key.kid == name for key in keys)):
            # The issuer may have rotated its keys.
            signed = self._is_signed(signature, await self._keys.refreshed())
        if not signed:
            raise _refused("no key of the issuer has signed it")

    def _is_signed(self, signature: jws.CompactSignature, keys: Iterable[PublicKey]) -> bool:
        """Return whether one of the keys made the signature.

        Only keys named by the header and keys without a name are tried. A key in the header itself,
        or at an address in it, is never used.
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

    def _check_claims(self, signature: jws.CompactSignature) -> dict[str, Any]:
        try:
            claims = msgspec.json.decode(signature.payload, type=dict[str, Any])
            expected = self._expected()
            expected.validate({**claims, "aud": audience_of(claims)})
        except ExpiredError:
            raise ExpiredTokenError from None
        except JoseError as error:
            # The library's message names the claim, not its value.
            raise _refused(str(error)) from None
        except (msgspec.DecodeError, RecursionError):
            raise _refused("its payload is no JSON object") from None
        if not is_acceptable(signature.headers(), claims, id_tokens=self._settings.id_tokens):
            raise _refused("it is no access token")
        return claims

    def _expected(self) -> JWTClaimsRegistry:
        audience = self._settings.audience
        return JWTClaimsRegistry(
            now=int(self._clock()),
            leeway=self._settings.leeway,
            iss={"essential": True, "value": self._settings.issuer},
            aud={
                "essential": True,
                "values": [audience] if isinstance(audience, str) else list(audience),
            },
            sub={"essential": True},
            exp={"essential": True},
        )


def _refused(reason: str) -> UnauthenticatedError:
    log.info("A token was refused: %s.", reason.rstrip("."))
    return rejected_credential()


class _Registry(jws.JWSRegistry):
    max_header_length = MAX_LENGTH

    def get_alg(self, name: str) -> Any:
        """Return a configured algorithm.

        The library's own method warns of EdDSA, the name that many issuers still use.
        """
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]
