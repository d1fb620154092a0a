"""Authentication over HTTP; no credential leaks into a response or a log."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING

import httpx
import pytest
import typer

from gateway.callers import Role
from gateway.callers.attempts import LIMIT
from gateway.cli import server
from gateway.cli.demo_configuration import write_configuration
from gateway.config.auth import AuthSettings
from gateway.errors import ConfigurationError
from gateway.sandbox import Sandbox
from gateway.settings import load
from tests.callers.issuer import NOW, OTHER_RSA, RSA, claims, part, signed, token
from tests.support.sources import SOURCES
from tests.web.protected import (
    ADMIN,
    CALLERS,
    NOWHERE,
    Grant,
    Protected,
    protected_gateway,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
QUERY = "{ viewer { name } sources { name } }"
MISSING = 'Bearer realm="webhook-logs"'
INVALID = f'{MISSING}, error="invalid_token"'
EXPIRED = f'{INVALID}, error_description="expired"'
READER = next(caller for caller in CALLERS if caller.grant == Grant(Role.READER))
LIMITED = next(caller for caller in CALLERS if caller.grant == Grant(Role.READER, "repo-cn"))
TOKEN = token(roles=["admin"])
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
CONFUSED = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{PAYLOAD}"
MAC = hmac.digest(RSA.as_pem(private=False), CONFUSED.encode(), "sha256")
WRONG = {
    "an unknown key": "wlg_00000000_pla1nted-pla1nted-pla1nted-pla1nted-pla1nted-pla1",
    "a key that is cut": ADMIN.credential[:-1],
    "the key of a vendor": Sandbox(logs=1).credentials.language_weaver_key,
    "no token": "pla1nted-pla1nted",
    "another issuer": token(iss="https://other.example.com/"),
    "another audience": token(aud="another-service"),
    "not yet": token(nbf=NOW + 3600),
    "without expiry": token(exp=None),
    "without subject": token(sub=None),
    "alg none": f"{part({'alg': 'none'})}.{part(claims())}.",
    "alg none, signed": f"{part({'alg': 'none', 'kid': 'rsa'})}.{PAYLOAD}.{SIGNATURE}",
    "HS256 with the public key": f"{CONFUSED}.{part(MAC)}",
    "an algorithm that is not configured": token(alg="RS512"),
    "a key of somebody else's": token(OTHER_RSA),
    "a key of somebody else's by the issuer's name": signed(
        {"alg": "RS256", "kid": "rsa"}, claims(), OTHER_RSA
    ),
    "a key that the token brings along": signed(
        {"alg": "RS256", "jwk": OTHER_RSA.as_dict(private=False)}, claims(), OTHER_RSA
    ),
    "claims of one's own": f"{HEADER}.{part(claims(roles=['admin'], sub='eve'))}.{SIGNATURE}",
    "a cut signature": TOKEN[:-6],
}


@pytest.fixture
async def protected(tmp_path: Path) -> AsyncIterator[Protected]:
    async with protected_gateway(tmp_path, Sandbox(logs=20)) as made:
        yield made


def sentence(response: httpx.Response, status: int, code: str) -> str:
    """Check that a response is a refusal in GraphQL form, and return its message."""
    assert response.status_code == status
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    document = response.json()
    [error] = document.pop("errors")
    assert document == {}
    assert error["extensions"] == {"code": code, "requestId": response.headers["x-request-id"]}
    assert not any(name in response.text for name in SOURCES)
    message: str = error["message"]
    return message


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("header", ["authorization", "x_api_key"])
async def test_wrong_credential_is_refused(
    protected: Protected, name: str, header: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    prefix = "Bearer " if header == "authorization" else ""
    response = await protected.send(QUERY, **{header: prefix + WRONG[name]})
    assert sentence(response, 401, "UNAUTHENTICATED") == "The API key or token is not accepted."
    assert response.headers["www-authenticate"] == INVALID
    shown = f"{response.text} {response.headers} {caplog.text}"
    assert WRONG[name] not in shown
    assert not any(piece in shown for piece in WRONG[name].split(".") if piece)


async def test_expired_token_is_reported_as_expired(protected: Protected) -> None:
    response = await protected.send(QUERY, authorization=f"Bearer {token(exp=NOW - 31)}")
    assert sentence(response, 401, "UNAUTHENTICATED").startswith("The token has expired.")
    assert response.headers["www-authenticate"] == EXPIRED


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": ADMIN.credential},
        {"cookie": f"authorization=Bearer {ADMIN.credential}"},
        {"x_api_key": ""},
    ],
)
async def test_missing_credential_is_reported_as_missing(
    protected: Protected, headers: dict[str, str]
) -> None:
    response = await protected.send(QUERY, **headers)
    assert sentence(response, 401, "UNAUTHENTICATED").startswith("This gateway needs an API key")
    assert response.headers["www-authenticate"] == MISSING


async def test_unauthenticated_request_is_not_read(protected: Protected) -> None:
    for content in (b"{", b'{"query": "{ nothing }"}', b"x" * 2**21):
        response = await protected.client.post(
            "/graphql", content=content, headers={"Content-Type": JSON}
        )
        sentence(response, 401, "UNAUTHENTICATED")
    asked = await protected.client.get(
        "/graphql", params={"query": QUERY}, headers={"Accept": GRAPHQL}
    )
    assert asked.status_code == 401
    assert asked.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    sentence(await protected.send("mutation { nothing }"), 401, "UNAUTHENTICATED")


async def test_key_is_limited_to_its_sources(protected: Protected) -> None:
    response = await protected.send(QUERY, x_api_key=LIMITED.credential)
    assert response.json()["data"]["sources"] == [{"name": "repo-cn"}]


async def test_several_methods_can_be_enabled(
    protected: Protected, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    by_key, by_token = str(READER.grant), "ada"
    for headers, name in (
        ({"authorization": f"Bearer {READER.credential}"}, by_key),
        ({"authorization": f"bearer {TOKEN}"}, by_token),
        ({"x_api_key": READER.credential}, by_key),
        # A proxy may put its own credential into Authorization.
        ({"x_api_key": READER.credential, "authorization": f"Bearer {TOKEN}"}, by_key),
        ({"x_api_key": READER.credential, "authorization": "Basic eDp5"}, by_key),
    ):
        response = await protected.send(QUERY, **headers)
        assert response.json()["data"]["viewer"] == {"name": name}
        assert READER.credential not in response.text + caplog.text
        assert SIGNATURE not in response.text + caplog.text
    # A wrong key is refused even with a valid token.
    both = await protected.send(QUERY, x_api_key="wlg_x", authorization=f"Bearer {TOKEN}")
    sentence(both, 401, "UNAUTHENTICATED")


async def test_address_with_failed_attempts_has_to_wait(protected: Protected) -> None:
    for _ in range(LIMIT):
        response = await protected.send(QUERY, x_api_key="wlg_guess")
        sentence(response, 401, "UNAUTHENTICATED")
    for key in ("wlg_guess", ADMIN.credential):
        slowed = await protected.send(QUERY, x_api_key=key)
        sentence(slowed, 429, "TOO_MANY_ATTEMPTS")
        assert slowed.headers["retry-after"] == "60"


async def test_unreachable_issuer_keys_are_reported(protected: Protected) -> None:
    protected.issuer.down = True
    response = await protected.send(QUERY, authorization=f"Bearer {TOKEN}")
    sentence(response, 503, "KEYS_UNAVAILABLE")
    assert "www-authenticate" not in response.headers
    by_key = await protected.send(QUERY, x_api_key=ADMIN.credential)
    assert by_key.status_code == 200


async def test_public_paths_do_not_name_sources(protected: Protected) -> None:
    page = await protected.client.get("/graphql", headers={"Accept": "text/html"})
    assert page.status_code == 200
    ready = await protected.client.get("/readyz")
    assert ready.json() == {"status": "ready"}
    alive = await protected.client.get("/healthz")
    assert alive.json() == {"status": "ok"}


@pytest.mark.parametrize("protects", [True, False])
def test_gateway_without_authentication_listens_on_loopback_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, protects: bool
) -> None:
    settings = load(write_configuration(tmp_path, Sandbox(logs=1), NOWHERE, port=0), {})
    if protects:
        key = {"name": "me", "role": "reader", "hash": f"sha256:{'0' * 64}"}
        auth = AuthSettings.model_validate({"methods": ["api-keys"], "keys": [key]})
        settings = settings.model_copy(update={"auth": auth})
    # An address for documentation (RFC 5737): listening there is permitted but impossible.
    with pytest.raises(typer.Exit if protects else ConfigurationError) as stopped:
        server.run(lambda: settings, server.Options("192.0.2.1", 0))
    told = f"{capsys.readouterr().err} {stopped.value}"
    assert ("take the risk with --insecure" in told) is not protects
    assert ("Can't listen on port 0 of 192.0.2.1" in told) is protects
