"""Tokens that are signed here: what they say, and when there is a new one."""

from __future__ import annotations

from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.upstream.auth import SignedCredential
from gateway.upstream.client import UpstreamClient
from gateway.upstream.known_secrets import KnownSecrets
from gateway.upstream.operation import Operation
from tests.upstream.network import NOW, Network, call, client_of, document

SECOND = 10**9
KEY = RSAKey.generate_key(2048)


class App:
    """A client with a signed credential, and its vendor, which may refuse a call."""

    def __init__(self) -> None:
        self.now = NOW
        self.refusals = 0
        self.network = Network(self._answer)
        self.known = KnownSecrets()
        self.client: UpstreamClient = client_of(
            self.network,
            credential=SignedCredential(
                "1234",
                KEY,
                lambda token: {"Authorization": f"Bearer {token}", "Accept": "application/x+json"},
                lambda: self.now,
                self.known,
            ),
            clock=lambda: self.now,
        )

    def _answer(self, _: httpx.Request) -> httpx.Response:
        if not self.refusals:
            return document({})
        self.refusals -= 1
        self.now += SECOND
        return document({}, 401)

    @property
    def tokens(self) -> list[str]:
        return [
            request.headers["authorization"].removeprefix("Bearer ")
            for request in self.network.requests
        ]


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, KEY, algorithms=["RS256"]).claims


async def test_token_names_the_issuer_for_ten_minutes() -> None:
    app = App()
    await call(app.client)
    (token,) = app.tokens
    made = NOW // SECOND
    assert claims(token) == {"iss": "1234", "iat": made - 60, "exp": made + 540}
    assert jwt.decode(token, KEY, algorithms=["RS256"]).header == {"alg": "RS256", "typ": "JWT"}
    assert app.network.requests[0].headers["accept"] == "application/x+json"


async def test_token_is_used_until_a_minute_before_its_end() -> None:
    app = App()
    await call(app.client)
    app.now += 480 * SECOND - 1
    await call(app.client)
    app.now += SECOND
    await call(app.client)
    first, second, third = app.tokens
    assert first == second
    assert claims(third)["exp"] == claims(first)["exp"] + 480


async def test_refused_token_is_signed_again_once() -> None:
    app = App()
    app.refusals = 1
    await call(app.client)
    first, second = app.tokens
    assert claims(second)["iat"] == claims(first)["iat"] + 1


async def test_action_is_sent_again_with_a_new_token_only() -> None:
    app = App()
    app.refusals = 1
    await app.client.act("POST", "/resend", operation=Operation(5))
    first, second = app.tokens
    assert first != second


async def test_token_is_masked() -> None:
    app = App()
    await call(app.client)
    (token,) = app.tokens
    assert app.known.mask_text(f"token {token} expired") == "token *** expired"
