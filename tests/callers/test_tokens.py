"""JSON Web Tokens: which are accepted, which never are, and what they grant."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from gateway.callers.caller import Caller, Grant, Method, Role
from gateway.callers.errors import (
    ExpiredTokenError,
    KeysUnavailableError,
    UnauthenticatedError,
    refused,
)
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.tokens import MAX_LENGTH, TokenVerifier
from gateway.config.auth import JwtSettings
from tests.callers.issuer import (
    AUDIENCE,
    ED25519,
    ISSUER,
    NOW,
    OTHER_RSA,
    P256,
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

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
REFUSED = str(refused())


def verifier(issuer: Issuer | None = None, now: float = NOW, **changes: Any) -> TokenVerifier:
    keys = IssuerKeys((issuer or Issuer(RSA)).fetch, Clock())
    return TokenVerifier(jwt_settings(**changes), keys, Clock(now))


async def accept(text: str, verifier: TokenVerifier) -> None:
    assert (await verifier.verify(text)).name == "ada"


async def refuse(text: str, verifier: TokenVerifier) -> None:
    """See a token refused, without a word about what is wrong with it."""
    with pytest.raises(UnauthenticatedError) as caught:
        await verifier.verify(text)
    assert type(caught.value) is UnauthenticatedError
    assert str(caught.value) == REFUSED
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_a_good_token() -> None:
    caller = await verifier().verify(token())
    assert caller == Caller("ada", Method.JWT, (Grant(Role.ADMIN),))


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
async def test_every_algorithm_of_the_configuration(key: Any, algorithm: Any) -> None:
    good = verifier(Issuer(key), algorithms=(algorithm,))
    assert (await good.verify(token(key, algorithm))).name == "ada"
    other: Any = "RS256" if algorithm != "RS256" else "PS256"
    await refuse(token(key, algorithm), verifier(Issuer(key), algorithms=(other,)))


# Signatures


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", " none", "none\x00"])
@pytest.mark.parametrize("signature", ["", part(b"signature")])
async def test_no_token_is_accepted_unsigned(name: str, signature: str) -> None:
    for header in ({"alg": name, "kid": "rsa"}, {"alg": name}):
        await refuse(f"{part(header)}.{part(claims())}.{signature}", verifier())


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
async def test_a_public_key_is_no_shared_secret(name: str, secret: bytes) -> None:
    for header in ({"alg": name, "kid": "rsa"}, {"alg": name}):
        unsigned = f"{part(header)}.{part(claims())}"
        mac = hmac.digest(secret, unsigned.encode(), f"sha{name[2:]}")
        await refuse(f"{unsigned}.{part(mac)}", verifier())
        pem = RSA.as_pem(private=False).decode()
        await refuse(f"{unsigned}.{part(mac)}", verifier(public_key=pem))


async def test_a_published_shared_secret_is_no_key() -> None:
    issuer = Issuer()
    issuer.keys = [{"kty": "oct", "kid": "rsa", "k": part(b"s" * 32)}]
    unsigned = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(claims())}"
    mac = hmac.new(b"s" * 32, unsigned.encode(), hashlib.sha256).digest()
    await refuse(f"{unsigned}.{part(mac)}", verifier(issuer))


@pytest.mark.parametrize("alg", [None, 1, True, ["RS256"], {"RS256": 1}, "RS256 ", "rs256"])
async def test_strange_algorithms(alg: Any) -> None:
    good = token()
    _, payload, signature = good.split(".")
    await refuse(f"{part({'alg': alg, 'kid': 'rsa'})}.{payload}.{signature}", verifier())


async def test_a_key_of_someone_else() -> None:
    forged = signed({"alg": "RS256", "kid": "rsa"}, claims(), OTHER_RSA)
    await refuse(forged, verifier())
    await refuse(token(OTHER_RSA), verifier())


async def test_only_the_key_that_is_named_is_asked() -> None:
    misnamed = signed({"alg": "RS256", "kid": "rsa"}, claims(), OTHER_RSA)
    await refuse(misnamed, verifier(Issuer(RSA, OTHER_RSA)))


async def test_a_key_is_for_its_own_algorithm() -> None:
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
async def test_a_key_is_for_its_own_use(changes: dict[str, Any]) -> None:
    issuer = Issuer()
    issuer.keys = [public(RSA, **changes)]
    await refuse(token(), verifier(issuer))


async def test_tampering() -> None:
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
async def test_extensions_that_must_be_understood_are_not(extra: dict[str, Any]) -> None:
    await refuse(signed({"alg": "RS256", "kid": "rsa", **extra}, claims(), RSA), verifier())


async def test_an_unencoded_payload() -> None:
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
async def test_the_header_brings_no_key(pointer: dict[str, Any]) -> None:
    issuer = Issuer(RSA)
    for name in ("rsa", None, "other-rsa"):
        header = {"alg": "RS256", **({"kid": name} if name else {}), **pointer}
        await refuse(signed(header, claims(), OTHER_RSA), verifier(issuer))
        if name != "other-rsa":
            await accept(signed(header, claims(), RSA), verifier(issuer))


@pytest.mark.parametrize("name", [1, None, ["rsa"], {}])
async def test_strange_key_ids(name: Any) -> None:
    await refuse(signed({"alg": "RS256", "kid": name}, claims(), RSA), verifier())


async def test_header_parameters_that_are_unknown_do_no_harm() -> None:
    header = {"alg": "RS256", "kid": "rsa", "cat": "session", "x5t": "abc", "ver": 2}
    await accept(signed(header, claims(), RSA), verifier())


async def test_a_token_that_names_no_key_is_tried_on_all() -> None:
    issuer = Issuer(P256, OTHER_RSA, RSA)
    nameless = signed({"alg": "RS256"}, claims(), RSA)
    await accept(nameless, verifier(issuer))
    await refuse(nameless, verifier(Issuer(P256, OTHER_RSA)))


async def test_keys_of_one_name() -> None:
    issuer = Issuer()
    issuer.keys = [public(P256, kid="same"), public(OTHER_RSA, kid="same"), public(RSA, kid="same")]
    await accept(signed({"alg": "RS256", "kid": "same"}, claims(), RSA), verifier(issuer))


async def test_a_nameless_key_fits_any_name() -> None:
    issuer = Issuer()
    issuer.keys = [public(RSA, kid=None)]
    await accept(token(), verifier(issuer))
    await refuse(token(OTHER_RSA), verifier(issuer))


# Claims


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
async def test_claims_that_are_not_accepted(changes: dict[str, Any]) -> None:
    await refuse(token(**changes), verifier())


async def test_one_audience_of_several_is_enough() -> None:
    await accept(token(aud=["other", AUDIENCE]), verifier())


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b'"exp"', b"{", b"\xff", b'{"exp": NaN}', b'{"a":' * 2000]
)
async def test_a_payload_that_holds_no_claims(payload: bytes) -> None:
    await refuse(signed({"alg": "RS256", "kid": "rsa"}, payload, RSA), verifier())


@pytest.mark.parametrize(
    ("leeway", "late", "good"),
    [(30, 29, True), (30, 30, False), (0, -1, True), (0, 0, False), (300, 299.5, True)],
)
async def test_the_end_of_a_token(leeway: int, late: float, good: bool) -> None:
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
async def test_the_beginning_of_a_token(
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


async def test_only_what_is_signed_may_be_called_expired() -> None:
    forged = signed({"alg": "RS256", "kid": "rsa"}, claims(exp=NOW - 3600), OTHER_RSA)
    await refuse(forged, verifier())


# Roles

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
async def test_roles_by_their_own_names(given: dict[str, Any], expected: list[Grant]) -> None:
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


async def test_an_empty_table_grants_nothing() -> None:
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
async def test_where_the_roles_are(way: str, given: dict[str, Any]) -> None:
    caller = await verifier(roles_claim=way).verify(token(roles=None, **given))
    assert caller.grants == (Grant(Role.READER),)


@pytest.mark.parametrize("given", [{"a": "b"}, {"a": ["b"]}, {"a": {"b": {"roles": "admin"}}}, {}])
async def test_where_the_roles_are_not(given: dict[str, Any]) -> None:
    caller = await verifier(roles_claim="a.b.c").verify(token(**given))
    assert caller.grants == ()


# Changing keys


async def test_an_issuer_that_is_down_is_not_the_callers_fault() -> None:
    issuer = Issuer(RSA)
    issuer.down = True
    with pytest.raises(KeysUnavailableError):
        await verifier(issuer).verify(token())


async def test_a_new_key_is_found_and_the_old_one_forgotten() -> None:
    issuer, clock = Issuer(RSA), Clock()
    checked = TokenVerifier(jwt_settings(), IssuerKeys(issuer.fetch, clock), Clock())
    await accept(token(), checked)
    issuer.keys = [public(OTHER_RSA)]
    clock.now += 60
    await accept(token(OTHER_RSA), checked)
    assert issuer.fetches == 2
    await refuse(token(), checked)


async def test_a_new_key_is_found_for_a_token_that_names_none() -> None:
    issuer, clock = Issuer(RSA), Clock()
    checked = TokenVerifier(jwt_settings(), IssuerKeys(issuer.fetch, clock), Clock())
    await accept(token(), checked)
    issuer.keys = [public(OTHER_RSA)]
    clock.now += 60
    await accept(signed({"alg": "RS256"}, claims(), OTHER_RSA), checked)


async def test_forged_tokens_do_not_make_the_gateway_fetch() -> None:
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


async def test_an_unknown_key_while_the_issuer_is_down() -> None:
    issuer, clock = Issuer(RSA), Clock()
    checked = TokenVerifier(jwt_settings(), IssuerKeys(issuer.fetch, clock), Clock())
    await accept(token(), checked)
    issuer.down = True
    clock.now += 60
    with pytest.raises(KeysUnavailableError):
        await checked.verify(token(OTHER_RSA))
    await accept(token(), checked)
    await refuse(signed({"alg": "RS256", "kid": "rsa"}, claims(), OTHER_RSA), checked)


# Garbage


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        "\ud800..",
        "\x00",
        part(b"[" * 6000) + "..",
        part(b'"alg"') + "..",
        part(b'"xalgx"') + "..",
        part(b'["alg"]') + "..",
        part(b"7") + "..",
        part(b'{"alg": "RS256"') + "..",
        part(b'{"alg": "RS256", "kid": ' + b"1" * 6000 + b"}") + "..",
        part(b"\xff\xfe") + "..",
        ".".join(part({"alg": "dir", "enc": "A128GCM"}) for _ in range(5)),
    ],
)
async def test_garbage(text: str) -> None:
    await refuse(text, verifier())


async def test_a_huge_token_is_refused_unread() -> None:
    long = token(padding="x" * MAX_LENGTH)
    await refuse(long, verifier())
    fitting = token(padding="x" * (MAX_LENGTH // 2))
    await accept(fitting, verifier())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "cty", "crit", "b64", "jwk", "jku", "x5c", "x5t", "zip"]),
    JSON | st.sampled_from(["RS256", "rsa", "none", "HS256", "ES256", ["b64"], ["alg"], False]),
)
PARTS = st.one_of(JSON, HEADERS, st.binary(max_size=200)).map(part) | st.text(max_size=50)


@PATIENT
@given(st.text() | st.lists(PARTS, min_size=1, max_size=5).map(".".join))
async def test_no_garbage_is_accepted(text: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await verifier().verify(text)


@PATIENT
@given(HEADERS)
async def test_no_header_is_believed(header: dict[str, Any]) -> None:
    with pytest.raises(UnauthenticatedError):
        await verifier().verify(f"{part(header)}.{part(claims())}.{part(b'signature')}")


@PATIENT
@given(
    JSON
    | st.dictionaries(st.sampled_from([*claims(), "nbf", "jti"]), JSON).map(
        lambda changes: {**claims(), **changes}
    )
)
async def test_whatever_the_issuer_signs_is_judged(payload: Any) -> None:
    text = signed({"alg": "RS256", "kid": "rsa"}, payload, RSA)
    try:
        caller = await verifier().verify(text)
    except UnauthenticatedError:
        return
    assert caller.name == payload["sub"]
    assert payload["iss"] == ISSUER
    assert AUDIENCE in payload["aud"]
    assert payload["exp"] > NOW - 30


@pytest.mark.parametrize("subject", ["a\x00b", "two\nlines", "\u202e", "a" * 256])
async def test_a_subject_that_no_journal_can_hold_is_refused(subject: str) -> None:
    await refuse(token(RSA, sub=subject), verifier())
