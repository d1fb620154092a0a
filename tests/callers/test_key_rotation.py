"""Tokens signed with new keys, and keys that are not available."""

from __future__ import annotations

import pytest

from gateway.callers.errors import (
    KeysUnavailableError,
)
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.tokens import TokenVerifier
from tests.callers.issuer import (
    OTHER_RSA,
    RSA,
    Clock,
    Issuer,
    claims,
    jwt_settings,
    part,
    public,
    signed,
    token,
)
from tests.callers.verification import accept, refuse, verifier


async def test_outage_of_the_issuer_is_not_a_wrong_token() -> None:
    issuer = Issuer(RSA)
    issuer.down = True
    with pytest.raises(KeysUnavailableError):
        await verifier(issuer).verify(token())


async def test_key_rotation() -> None:
    issuer, clock = Issuer(RSA), Clock()
    checked = TokenVerifier(jwt_settings(), IssuerKeys(issuer.fetch, clock), Clock())
    await accept(token(), checked)
    issuer.keys = [public(OTHER_RSA)]
    clock.now += 60
    await accept(token(OTHER_RSA), checked)
    assert issuer.fetches == 2
    await refuse(token(), checked)


async def test_key_rotation_for_a_token_without_a_key_id() -> None:
    issuer, clock = Issuer(RSA), Clock()
    checked = TokenVerifier(jwt_settings(), IssuerKeys(issuer.fetch, clock), Clock())
    await accept(token(), checked)
    issuer.keys = [public(OTHER_RSA)]
    clock.now += 60
    await accept(signed({"alg": "RS256"}, claims(), OTHER_RSA), checked)


async def test_forged_tokens_cause_no_fetches() -> None:
    issuer, clock = Issuer(RSA), Clock()
    checked = TokenVerifier(jwt_settings(), IssuerKeys(issuer.fetch, clock), Clock())
    for _ in range(5):
        clock.now += 100
        await refuse(signed({"alg": "RS256", "kid": "rsa"}, claims(), OTHER_RSA), checked)
        await refuse("garbage", checked)
        await refuse(f"{part({'alg': 'none'})}.{part(claims())}.", checked)
    assert issuer.fetches == 1
    for _ in range(50):
        await refuse(token(OTHER_RSA), checked)
        await refuse(signed({"alg": "RS256"}, claims(), OTHER_RSA), checked)
    assert issuer.fetches == 2


async def test_unknown_key_during_an_outage() -> None:
    issuer, clock = Issuer(RSA), Clock()
    checked = TokenVerifier(jwt_settings(), IssuerKeys(issuer.fetch, clock), Clock())
    await accept(token(), checked)
    issuer.down = True
    clock.now += 60
    with pytest.raises(KeysUnavailableError):
        await checked.verify(token(OTHER_RSA))
    await accept(token(), checked)
    await refuse(signed({"alg": "RS256", "kid": "rsa"}, claims(), OTHER_RSA), checked)
