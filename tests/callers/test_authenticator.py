"""Authentication by headers, and the errors for refused callers."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.callers.attempts import LIMIT, WINDOW
from gateway.callers.authenticator import Authenticator
from gateway.callers.caller import ANONYMOUS, Method
from gateway.callers.errors import (
    ExpiredTokenError,
    KeysUnavailableError,
    TooManyAttemptsError,
    UnauthenticatedError,
)
from gateway.callers.keys import hash_of
from gateway.config.auth import AuthSettings, KeySettings
from gateway.errors import GatewayError
from tests.callers.issuer import NOW, OTHER_RSA, RSA, Clock, Issuer, jwt_settings, token

KEY = "wlg_0a1b2c3d_pla1nted-pla1nted-pla1nted-pla1nted-pla1nte"
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Door:
    """An authenticator with its issuer and its two clocks."""

    def __init__(self, *methods: Any, issuer: Issuer | None = None, **jwt: Any) -> None:
        self.issuer = issuer or Issuer(RSA)
        self.clock = Clock()
        self.monotonic = Clock(0.0)
        self.asked: list[str] = []
        key = KeySettings(name="script", hash=hash_of(KEY), role="reader")
        self.authenticator = Authenticator(
            AuthSettings(
                methods=methods,
                keys=(key,) if "api-keys" in methods else (),
                jwt=jwt_settings(**jwt) if "jwt" in methods else None,
            ),
            fetch=self.fetch,
            clock=self.clock,
            monotonic=self.monotonic,
        )

    async def fetch(self, url: str) -> dict[str, Any]:
        self.asked.append(url)
        return await self.issuer.fetch()

    async def name(self, address: str = HERE, **headers: str) -> str:
        """Return the name of the caller with these headers; _ stands for a hyphen."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await self.authenticator.authenticate(given, address)).name


@pytest.fixture
def door() -> Door:
    return Door("api-keys", "jwt")


async def test_everyone_is_anonymous_without_a_method() -> None:
    door = Door("none")
    for headers in ({}, {"authorization": f"Bearer {KEY}"}, {"x-api-key": "wrong"}):
        assert await door.authenticator.authenticate(headers, HERE) is ANONYMOUS
    assert await Authenticator(AuthSettings()).authenticate({}, HERE) is ANONYMOUS


async def test_accepted_headers(door: Door) -> None:
    assert await door.name(authorization=f"Bearer {KEY}") == "script"
    assert await door.name(authorization=f"bEARER   {KEY} ") == "script"
    assert await door.name(x_api_key=KEY) == "script"
    assert await door.name(x_api_key=f" {KEY} ") == "script"
    assert await door.name(authorization=f"Bearer {token()}") == "ada"
    assert door.asked == ["https://id.example.com/keys"]


async def test_x_api_key_wins_over_authorization(door: Door) -> None:
    assert await door.name(x_api_key=KEY, authorization="Basic cHJveHk6cHJveHk=") == "script"
    assert await door.name(x_api_key=KEY, authorization=f"Bearer {token()}") == "script"
    assert await door.name(x_api_key=" ", authorization=f"Bearer {token()}") == "ada"
    with pytest.raises(UnauthenticatedError, match="not accepted"):
        await door.name(x_api_key="wrong", authorization=f"Bearer {token()}")


async def test_only_configured_methods_are_accepted() -> None:
    keys, tokens = Door("api-keys"), Door("jwt")
    assert (
        await keys.authenticator.authenticate({"x-api-key": KEY}, HERE)
    ).method is Method.API_KEYS
    assert await tokens.name(authorization=f"Bearer {token()}", x_api_key=KEY) == "ada"
    with pytest.raises(UnauthenticatedError, match="not accepted"):
        await keys.name(authorization=f"Bearer {token()}")
    with pytest.raises(UnauthenticatedError, match="not accepted"):
        await tokens.name(authorization=f"Bearer {KEY}")
    with pytest.raises(UnauthenticatedError, match="needs an access token: send"):
        await tokens.name(x_api_key=KEY)
    with pytest.raises(UnauthenticatedError, match="needs an API key: send"):
        await keys.name()
    assert keys.asked == []


async def test_configured_public_key_needs_no_fetch() -> None:
    door = Door("jwt", public_key=RSA.as_pem(private=False).decode())
    assert await door.name(authorization=f"Bearer {token()}") == "ada"
    with pytest.raises(UnauthenticatedError):
        await door.name(authorization=f"Bearer {token(OTHER_RSA)}")
    assert door.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer  "},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer:{KEY}"},
        {"x-api-key": ""},
        {"api-key": KEY},
        {"cookie": f"authorization=Bearer {KEY}"},
    ],
)
async def test_missing_credential(door: Door, headers: dict[str, str]) -> None:
    for _ in range(LIMIT * 2):
        with pytest.raises(
            UnauthenticatedError, match="needs an API key or an access token"
        ) as caught:
            await door.authenticator.authenticate(headers, HERE)
        assert caught.value.www_authenticate == 'Bearer realm="webhook-logs"'


@pytest.mark.parametrize(
    "credential",
    [
        "wlg_",
        KEY[:12],
        KEY[:-1],
        KEY + "e",
        KEY.upper(),
        hash_of(KEY),
        "wlg_é",
        "wlg_\ud800",
        "é",
        "null",
        "undefined",
        f"{KEY} {KEY}",
        f"{KEY},",
        token(OTHER_RSA),
        token()[:-2],
        "." * 20_000,
        "wlg_" + "A" * 100_000,
    ],
)
@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_wrong_credentials(door: Door, credential: str, header: str) -> None:
    value = f"Bearer {credential}" if header == "authorization" else credential
    with pytest.raises(UnauthenticatedError) as caught:
        await door.authenticator.authenticate({header: value}, HERE)
    assert str(caught.value) == "The API key or token is not accepted."
    assert caught.value.www_authenticate == 'Bearer realm="webhook-logs", error="invalid_token"'


async def test_address_is_throttled_after_wrong_credentials(door: Door) -> None:
    for _ in range(LIMIT):
        with pytest.raises(UnauthenticatedError):
            await door.name(x_api_key="wrong")
    for headers in ({"x_api_key": KEY}, {"authorization": f"Bearer {token()}"}):
        with pytest.raises(TooManyAttemptsError, match="Try again in 60 seconds") as caught:
            await door.name(**headers)
        assert caught.value.retry_after == WINDOW
    assert await door.name(THERE, x_api_key=KEY) == "script"
    with pytest.raises(UnauthenticatedError, match="needs an API key or an access token"):
        await door.name()
    door.monotonic.now += WINDOW
    assert await door.name(x_api_key=KEY) == "script"


async def test_right_credential_resets_the_count(door: Door) -> None:
    for _ in range(5):
        for _ in range(LIMIT - 1):
            with pytest.raises(UnauthenticatedError):
                await door.name(x_api_key="wrong")
        assert await door.name(x_api_key=KEY) == "script"


async def test_expired_token_does_not_count_as_an_attempt(door: Door) -> None:
    door.clock.now = NOW + 7200
    for _ in range(LIMIT * 2):
        with pytest.raises(ExpiredTokenError, match="The token has expired") as caught:
            await door.name(authorization=f"Bearer {token()}")
        assert 'error="invalid_token"' in caught.value.www_authenticate
    assert await door.name(x_api_key=KEY) == "script"


async def test_outage_of_the_issuer_does_not_count_as_an_attempt(door: Door) -> None:
    door.issuer.down = True
    for _ in range(LIMIT * 2):
        with pytest.raises(KeysUnavailableError):
            await door.name(authorization=f"Bearer {token()}")
    assert await door.name(x_api_key=KEY) == "script"


async def test_credentials_are_not_logged_or_shown(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [repr(door.authenticator), repr(door.authenticator.__dict__)]
    door.issuer.down = True
    for secret in (KEY[:-1], token(), token()[:-2]):
        for _ in range(LIMIT):
            with pytest.raises(GatewayError) as caught:
                await door.name(authorization=f"Bearer {secret}", x_api_key="")
            shown += [repr(caught.value), str(caught.value), repr(caught.value.__dict__)]
    shown.append(repr(await door.authenticator.authenticate({"x-api-key": KEY}, THERE)))
    for text in [*shown, caplog.text]:
        assert "pla1nted" not in text
        assert token()[:20] not in text


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(["authorization", "x-api-key"]),
        st.text() | st.text().map(lambda text: f"Bearer {text}"),
    )
)
async def test_random_headers_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnauthenticatedError):
        await Door("api-keys", "jwt").authenticator.authenticate(headers, HERE)
