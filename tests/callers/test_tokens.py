"""Random tokens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.callers.errors import (
    UnauthenticatedError,
)
from gateway.callers.tokens import MAX_LENGTH
from tests.callers.issuer import (
    AUDIENCE,
    ISSUER,
    NOW,
    RSA,
    claims,
    part,
    signed,
    token,
)
from tests.callers.verification import accept, refuse, verifier


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


async def test_huge_token_is_not_parsed() -> None:
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


@pytest.mark.slow
@given(st.text() | st.lists(PARTS, min_size=1, max_size=5).map(".".join))
async def test_random_text_is_refused(text: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await verifier().verify(text)


@pytest.mark.slow
@given(HEADERS)
async def test_random_header_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(UnauthenticatedError):
        await verifier().verify(f"{part(header)}.{part(claims())}.{part(b'signature')}")


@pytest.mark.slow
@given(
    JSON
    | st.dictionaries(st.sampled_from([*claims(), "nbf", "jti"]), JSON).map(
        lambda changes: {**claims(), **changes}
    )
)
async def test_random_claims_are_checked(payload: Any) -> None:
    text = signed({"alg": "RS256", "kid": "rsa"}, payload, RSA)
    try:
        caller = await verifier().verify(text)
    except UnauthenticatedError:
        return
    assert caller.name == payload["sub"]
    assert payload["iss"] == ISSUER
    assert AUDIENCE in payload["aud"]
    assert payload["exp"] > NOW - 30
