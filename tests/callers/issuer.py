"""A token issuer with its keys, its key set, and the tokens that it signs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.config.auth import JwtSettings
from gateway.errors import ErrorCode, UpstreamError

NOW = 1_772_615_411.0
ISSUER = "https://id.example.com/"
AUDIENCE = "webhook-logs"
PrivateKey = RSAKey | ECKey | OKPKey

# Generating RSA keys is slow, so all tests share these.
RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
OTHER_RSA = RSAKey.generate_key(2048, parameters={"kid": "other-rsa"})
P256 = ECKey.generate_key("P-256", parameters={"kid": "p256"})
ED25519 = OKPKey.generate_key("Ed25519", parameters={"kid": "ed25519"})


class Clock:
    """A clock that tests set."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Issuer:
    """Publishes the public parts of its ``keys``, counts fetches, and can be down."""

    def __init__(self, *keys: PrivateKey) -> None:
        self.keys: list[Any] = [public(key) for key in keys]
        self.fetches = 0
        self.down = False

    async def fetch(self) -> dict[str, Any]:
        self.fetches += 1
        if self.down:
            raise UpstreamError(ErrorCode.UPSTREAM_UNREACHABLE, "It is down.", source="auth.jwt")
        return {"keys": list(self.keys)}


def public(key: PrivateKey, **changes: Any) -> dict[str, Any]:
    """Return the public part of a key; a change to None leaves an entry out."""
    entries = {**key.as_dict(private=False), **changes}
    return {name: value for name, value in entries.items() if value is not None}


def jwt_settings(**changes: Any) -> JwtSettings:
    keys = {} if "public_key" in changes else {"jwks_url": "https://id.example.com/keys"}
    return JwtSettings(**{"issuer": ISSUER, "audience": AUDIENCE, **keys, **changes})


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token; a change to None leaves a claim out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        "iat": NOW - 60,
        "exp": NOW + 3600,
        "roles": ["admin"],
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: PrivateKey = RSA, alg: str = "RS256", **changes: Any) -> str:
    """Sign a token with changes to the claims of a good one."""
    return signed({"alg": alg, "kid": key.kid}, claims(**changes), key)


def signed(header: Mapping[str, Any], payload: Any, key: PrivateKey) -> str:
    """Sign any payload, by the algorithm of the header."""
    unsigned = f"{part(header)}.{part(payload)}"
    signature = JWSRegistry.algorithms[header["alg"]].sign(unsigned.encode(), key)
    return f"{unsigned}.{part(signature)}"


def part(content: Any) -> str:
    """Encode one part of a token: bytes as they are, all else as JSON."""
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
