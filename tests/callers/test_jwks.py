"""Fetching the key set of an issuer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream import jwks

URL = "https://id.example.com/keys?tenant=a"


def answering(status: int = 200, **answer: Any) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, **answer))


async def test_key_set() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"keys": [{"kty": "RSA"}]})

    assert await jwks.fetch(URL, httpx.MockTransport(answer)) == {"keys": [{"kty": "RSA"}]}
    (request,) = asked
    assert (request.method, str(request.url)) == ("GET", URL)
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("transport", "code"),
    [
        (answering(302, headers={"Location": URL}), ErrorCode.UPSTREAM_ERROR),
        (answering(404), ErrorCode.UPSTREAM_ERROR),
        (answering(500, json={"keys": []}), ErrorCode.UPSTREAM_ERROR),
        (answering(content=b""), ErrorCode.UPSTREAM_INVALID_RESPONSE),
        (answering(html="<html>"), ErrorCode.UPSTREAM_INVALID_RESPONSE),
        (answering(json=[]), ErrorCode.UPSTREAM_INVALID_RESPONSE),
        (answering(json={}), ErrorCode.UPSTREAM_INVALID_RESPONSE),
        (answering(json={"keys": {"kty": "RSA"}}), ErrorCode.UPSTREAM_INVALID_RESPONSE),
        (answering(content=b'{"keys": ' + b"[" * 9999), ErrorCode.UPSTREAM_INVALID_RESPONSE),
        (
            answering(content=json.dumps({"keys": ["x" * jwks.MAX_BYTES]})),
            ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE,
        ),
    ],
)
async def test_response_without_keys(transport: httpx.MockTransport, code: ErrorCode) -> None:
    with pytest.raises(UpstreamError) as caught:
        await jwks.fetch(URL, transport)
    assert caught.value.code is code
    assert str(caught.value).startswith("The jwks_url of auth.jwt answered")


async def test_issuer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(jwks, "SECONDS", 0.0)
    with pytest.raises(UpstreamError, match="did not answer within 0 seconds") as caught:
        await jwks.fetch(URL, httpx.MockTransport(hang))
    assert caught.value.code is ErrorCode.UPSTREAM_TIMEOUT


async def test_unreachable_issuer() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UpstreamError) as caught:
        await jwks.fetch(URL, httpx.MockTransport(refuse))
    assert caught.value.code is ErrorCode.UPSTREAM_UNREACHABLE
    assert caught.value.source == "auth.jwt"
