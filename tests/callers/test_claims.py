"""The claims of tokens, and the roles that they grant."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.callers.caller import Caller, Grant, Method, Role
from gateway.callers.errors import (
    ExpiredTokenError,
)
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.tokens import TokenVerifier
from gateway.config.auth import JwtSettings
from tests.callers.issuer import (
    AUDIENCE,
    ISSUER,
    NOW,
    OTHER_RSA,
    RSA,
    Clock,
    Issuer,
    claims,
    jwt_settings,
    signed,
    token,
)
from tests.callers.verification import accept, refuse, verifier


async def test_good_token() -> None:
    caller = await verifier().verify(token())
    assert caller == Caller("ada", Method.JWT, (Grant(Role.ADMIN),))


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": "https://id.example.com"},
        {"iss": "https://ID.example.com/"},
        {"iss": [ISSUER]},
        {"iss": ""},
        {"aud": None},
        {"aud": "webhook-log"},
        {"aud": "webhook-logs "},
        {"aud": "webhook-logs other"},
        {"aud": []},
        {"aud": ["other", "another"]},
        {"aud": [AUDIENCE, 1]},
        {"aud": {AUDIENCE: True}},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"exp": None},
        {"exp": True},
        {"exp": str(NOW + 60)},
        {"exp": [NOW + 60]},
        {"nbf": "now"},
        {"iat": "now"},
    ],
    ids=str,
)
async def test_invalid_claims(changes: dict[str, Any]) -> None:
    await refuse(token(**changes), verifier())


async def test_one_audience_of_several_is_enough() -> None:
    await accept(token(aud=["other", AUDIENCE]), verifier())


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b'"exp"', b"{", b"\xff", b'{"exp": NaN}', b'{"a":' * 2000]
)
async def test_payload_without_claims(payload: bytes) -> None:
    await refuse(signed({"alg": "RS256", "kid": "rsa"}, payload, RSA), verifier())


@pytest.mark.parametrize(
    ("leeway", "late", "good"),
    [(30, 29, True), (30, 30, False), (0, -1, True), (0, 0, False), (300, 299.5, True)],
)
async def test_expiry(leeway: int, late: float, good: bool) -> None:
    checked = verifier(now=NOW + 3600 + late, leeway=leeway)
    if good:
        await accept(token(), checked)
    else:
        with pytest.raises(ExpiredTokenError, match="has expired"):
            await checked.verify(token())


@pytest.mark.parametrize("claim", ["nbf", "iat"])
@pytest.mark.parametrize(
    ("leeway", "early", "good"), [(30, 30, True), (30, 31, False), (0, 0, True), (0, 1, False)]
)
async def test_not_before(
    claim: str,
    leeway: int,
    early: int,
    good: bool,
) -> None:
    checked = verifier(leeway=leeway)
    changes: dict[str, Any] = {claim: NOW + early}
    text = token(**changes)
    if good:
        await accept(text, checked)
    else:
        await refuse(text, checked)


async def test_forged_token_is_not_called_expired() -> None:
    forged = signed({"alg": "RS256", "kid": "rsa"}, claims(exp=NOW - 3600), OTHER_RSA)
    await refuse(forged, verifier())


@pytest.mark.parametrize("subject", ["a\x00b", "two\nlines", "\u202e", "a" * 256])
async def test_unprintable_subject_is_refused(subject: str) -> None:
    await refuse(token(RSA, sub=subject), verifier())


SUPPORT = {
    "webhook-admins": {"role": "admin"},
    "shop-support": {"role": "operator", "sources": ("shop",)},
    "two words": {"role": "reader"},
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"roles": ["viewer"]}, [Grant(Role.VIEWER)]),
        ({"roles": "reader"}, [Grant(Role.READER)]),
        ({"roles": "openid viewer  operator"}, [Grant(Role.VIEWER), Grant(Role.OPERATOR)]),
        ({"roles": ["admin", "admin"]}, [Grant(Role.ADMIN)]),
        ({"roles": ["ADMIN", "Admin", " admin", "administrator", "adm"]}, []),
        ({"roles": []}, []),
        ({"roles": ""}, []),
        ({"roles": None}, []),
        ({"roles": 7}, []),
        ({"roles": True}, []),
        ({"roles": {"admin": True}}, []),
        ({"roles": [["admin"], {"admin": 1}, 1, None]}, []),
        ({"groups": ["admin"], "roles": None}, []),
    ],
)
async def test_roles_by_default(given: dict[str, Any], expected: list[Grant]) -> None:
    caller = await verifier().verify(token(**given))
    assert caller.grants == tuple(expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["webhook-admins"], [Grant(Role.ADMIN)]),
        (["shop-support"], [Grant(Role.OPERATOR, frozenset({"shop"}))]),
        (["two words"], [Grant(Role.READER)]),
        ("two words", []),
        (["admin", "operator"], []),
    ],
)
async def test_roles_by_the_table(given: Any, expected: list[Grant]) -> None:
    changed = JwtSettings.model_validate({**jwt_settings().model_dump(), "roles": SUPPORT})
    keys = IssuerKeys(Issuer(RSA).fetch, Clock())
    caller = await TokenVerifier(changed, keys, Clock()).verify(token(roles=given))
    assert caller.grants == tuple(expected)


async def test_empty_table_grants_nothing() -> None:
    assert (await verifier(roles={}).verify(token())).grants == ()


@pytest.mark.parametrize(
    ("way", "given"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["reader"]}}),
        ("a.b.c", {"a": {"b": {"c": "reader"}}}),
        ("https://logs.example/roles", {"https://logs.example/roles": ["reader"]}),
        ("a.b", {"a.b": "reader", "a": {"b": "admin"}}),
    ],
)
async def test_path_of_the_roles_claim(way: str, given: dict[str, Any]) -> None:
    caller = await verifier(roles_claim=way).verify(token(roles=None, **given))
    assert caller.grants == (Grant(Role.READER),)


@pytest.mark.parametrize("given", [{"a": "b"}, {"a": ["b"]}, {"a": {"b": {"roles": "admin"}}}, {}])
async def test_missing_roles_claim(given: dict[str, Any]) -> None:
    caller = await verifier(roles_claim="a.b.c").verify(token(**given))
    assert caller.grants == ()
