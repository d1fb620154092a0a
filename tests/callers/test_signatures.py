"""Signatures of tokens: algorithms and keys."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests.callers.issuer import (
    ED25519,
    NOW,
    OTHER_RSA,
    P256,
    RSA,
    Issuer,
    claims,
    part,
    public,
    signed,
    token,
)
from tests.callers.verification import accept, refuse, verifier


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        *((RSA, algorithm) for algorithm in ("RS256", "RS384", "RS512")),
        *((RSA, algorithm) for algorithm in ("PS256", "PS384", "PS512")),
        (P256, "ES256"),
        (ECKey.generate_key("P-384", {"kid": "p384"}), "ES384"),
        (ECKey.generate_key("P-521", {"kid": "p521"}), "ES512"),
        (ED25519, "EdDSA"),
        (ED25519, "Ed25519"),
    ],
)
async def test_each_configured_algorithm(key: Any, algorithm: Any) -> None:
    good = verifier(Issuer(key), algorithms=(algorithm,))
    assert (await good.verify(token(key, algorithm))).name == "ada"
    other: Any = "RS256" if algorithm != "RS256" else "PS256"
    await refuse(token(key, algorithm), verifier(Issuer(key), algorithms=(other,)))


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", " none", "none\x00"])
@pytest.mark.parametrize("signature", ["", part(b"signature")])
async def test_unsigned_token_is_refused(name: str, signature: str) -> None:
    for header in ({"alg": name, "kid": "rsa"}, {"alg": name}):
        await refuse(f"{part(header)}.{part(claims())}.{signature}", verifier())


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize(
    "secret",
    [
        RSA.as_pem(private=False),
        RSA.as_pem(private=False).strip(),
        RSA.as_der(private=False),
        json.dumps(public(RSA)).encode(),
        json.dumps(public(RSA), separators=(",", ":")).encode(),
        str(RSA.as_dict(private=False)["n"]).encode(),
        b"",
    ],
    ids=["pem", "stripped-pem", "der", "jwk", "compact-jwk", "modulus", "nothing"],
)
async def test_public_key_is_not_used_as_a_shared_secret(name: str, secret: bytes) -> None:
    for header in ({"alg": name, "kid": "rsa"}, {"alg": name}):
        unsigned = f"{part(header)}.{part(claims())}"
        mac = hmac.digest(secret, unsigned.encode(), f"sha{name[2:]}")
        await refuse(f"{unsigned}.{part(mac)}", verifier())
        pem = RSA.as_pem(private=False).decode()
        await refuse(f"{unsigned}.{part(mac)}", verifier(public_key=pem))


async def test_published_shared_secret_is_not_used() -> None:
    issuer = Issuer()
    issuer.keys = [{"kty": "oct", "kid": "rsa", "k": part(b"s" * 32)}]
    unsigned = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(claims())}"
    mac = hmac.new(b"s" * 32, unsigned.encode(), hashlib.sha256).digest()
    await refuse(f"{unsigned}.{part(mac)}", verifier(issuer))


@pytest.mark.parametrize("alg", [None, 1, True, ["RS256"], {"RS256": 1}, "RS256 ", "rs256"])
async def test_invalid_algorithm(alg: Any) -> None:
    good = token()
    _, payload, signature = good.split(".")
    await refuse(f"{part({'alg': alg, 'kid': 'rsa'})}.{payload}.{signature}", verifier())


async def test_key_of_another_issuer() -> None:
    forged = signed({"alg": "RS256", "kid": "rsa"}, claims(), OTHER_RSA)
    await refuse(forged, verifier())
    await refuse(token(OTHER_RSA), verifier())


async def test_only_the_named_key_is_tried() -> None:
    misnamed = signed({"alg": "RS256", "kid": "rsa"}, claims(), OTHER_RSA)
    await refuse(misnamed, verifier(Issuer(RSA, OTHER_RSA)))


async def test_key_is_used_for_its_own_algorithm_only() -> None:
    both: Any = {"algorithms": ("RS256", "PS256", "ES256")}
    issuer = Issuer()
    issuer.keys = [public(RSA, alg="RS256")]
    await accept(token(), verifier(issuer, **both))
    await refuse(token(RSA, "PS256"), verifier(issuer, **both))
    forged = signed({"alg": "ES256", "kid": "rsa"}, claims(), P256)
    await refuse(forged, verifier(issuer, **both))


@pytest.mark.parametrize(
    "changes", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"use": "nonsense"}, {"alg": "RSA-OAEP"}]
)
async def test_key_for_another_use_is_ignored(changes: dict[str, Any]) -> None:
    issuer = Issuer()
    issuer.keys = [public(RSA, **changes)]
    await refuse(token(), verifier(issuer))


async def test_tampered_token() -> None:
    header, payload, signature = token(roles=["viewer"]).split(".")
    await refuse(f"{header}.{part(claims())}.{signature}", verifier())
    await refuse(
        f"{part({'alg': 'RS256', 'kid': 'rsa', 'a': 1})}.{payload}.{signature}", verifier()
    )
    await refuse(f"{header}.{payload}.{signature[:-4]}", verifier())
    await refuse(f"{header}.{payload}.", verifier())
    await refuse(f"{header}.{payload}.{signature}.", verifier())
    await refuse(f"{header}.{payload}.{signature}=", verifier())


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"], "exp": NOW},
        {"crit": ["b64"], "b64": True},
        {"crit": ["kid"]},
        {"crit": []},
        {"crit": 1},
        {"crit": [[]]},
    ],
)
async def test_critical_extensions_are_refused(extra: dict[str, Any]) -> None:
    await refuse(signed({"alg": "RS256", "kid": "rsa", **extra}, claims(), RSA), verifier())


async def test_unencoded_payload_is_refused() -> None:
    header = part({"alg": "RS256", "kid": "rsa", "b64": False, "crit": ["b64"]})
    await refuse(f"{header}.{json.dumps(claims())}.{part(b'x')}", verifier())


@pytest.mark.parametrize(
    "pointer",
    [
        {"jwk": public(OTHER_RSA)},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/certificate"},
        {"x5c": ["MIIB"]},
    ],
)
async def test_key_in_the_header_is_not_used(pointer: dict[str, Any]) -> None:
    issuer = Issuer(RSA)
    for name in ("rsa", None, "other-rsa"):
        header = {"alg": "RS256", **({"kid": name} if name else {}), **pointer}
        await refuse(signed(header, claims(), OTHER_RSA), verifier(issuer))
        if name != "other-rsa":
            await accept(signed(header, claims(), RSA), verifier(issuer))


@pytest.mark.parametrize("name", [1, None, ["rsa"], {}])
async def test_invalid_key_id(name: Any) -> None:
    await refuse(signed({"alg": "RS256", "kid": name}, claims(), RSA), verifier())


async def test_unknown_header_parameters_are_ignored() -> None:
    header = {"alg": "RS256", "kid": "rsa", "cat": "session", "x5t": "abc", "ver": 2}
    await accept(signed(header, claims(), RSA), verifier())


async def test_token_without_a_key_id_is_tried_with_all_keys() -> None:
    issuer = Issuer(P256, OTHER_RSA, RSA)
    nameless = signed({"alg": "RS256"}, claims(), RSA)
    await accept(nameless, verifier(issuer))
    await refuse(nameless, verifier(Issuer(P256, OTHER_RSA)))


async def test_several_keys_with_one_id() -> None:
    issuer = Issuer()
    issuer.keys = [public(P256, kid="same"), public(OTHER_RSA, kid="same"), public(RSA, kid="same")]
    await accept(signed({"alg": "RS256", "kid": "same"}, claims(), RSA), verifier(issuer))


async def test_key_without_an_id_is_tried_for_every_token() -> None:
    issuer = Issuer()
    issuer.keys = [public(RSA, kid=None)]
    await accept(token(), verifier(issuer))
    await refuse(token(OTHER_RSA), verifier(issuer))
