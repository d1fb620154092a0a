from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import RSAKey

from gateway.sandbox import Sandbox
from tests.sandbox.conftest import START
from tests.sandbox.test_github import APP, LIST, TOKEN, signed

if TYPE_CHECKING:
    import httpx

    from tests.support.clock import Clock


@pytest.fixture
def sandbox(clock: Clock[float]) -> Sandbox:
    return Sandbox(clock=clock, logs=2_000, vendors={"github", "github-app"})


async def test_app_reads_its_deliveries_with_a_token_of_its_own(client: httpx.AsyncClient) -> None:
    assert len((await client.get(APP, headers=signed())).json()) == 30
    assert (await client.get(APP, headers=TOKEN)).status_code == 401
    assert (await client.get(LIST, headers=signed())).status_code == 401


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "1"}, "'iss'"),
        ({"iat": int(START) + 61}, "'iat'"),
        ({"iat": None}, "'iat'"),
        ({"exp": int(START)}, "must be in the future"),
        ({"exp": int(START) + 601}, "too far in the future"),
    ],
)
async def test_claims_of_the_app_are_checked(
    client: httpx.AsyncClient, changes: dict[str, Any], words: str
) -> None:
    response = await client.get(APP, headers=signed(**changes))
    assert response.status_code == 401
    assert words in response.json()["message"]


async def test_signature_of_the_app_is_checked(client: httpx.AsyncClient) -> None:
    header, claims, signature = signed()["Authorization"].split(".")
    stranger = RSAKey.generate_key(2048, auto_kid=False).as_pem(private=True).decode()
    for value in (
        signed(stranger)["Authorization"],
        f"{header}.{claims}.{signature[:-4]}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        "Bearer a.b.c",
        "Bearer e30.e30.e30",
    ):
        response = await client.get(APP, headers={"Authorization": value})
        assert response.status_code == 401
        assert response.json()["message"] == "A JSON web token could not be decoded"
