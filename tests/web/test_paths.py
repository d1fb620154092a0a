"""Paths beside the endpoint, and the hosts that a gateway answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.routing import Route

from tests.web.test_view import LOCAL, client_of, made_app, sentence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette
    from starlette.requests import Request


@pytest.fixture(scope="module")
def app() -> Starlette:
    return made_app()


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


async def test_healthz_ignores_vendors(client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_readyz_names_failing_sources() -> None:
    async with client_of(made_app()) as client:
        response = await client.get("/readyz")
        assert (response.status_code, response.json()) == (
            200,
            {"status": "ready", "sources": {"translations": "OK"}},
        )
        await client.post("/graphql", json={"query": "{ webhookLogs { totalCount } }"})
        response = await client.get("/readyz")
        assert (response.status_code, response.json()) == (
            200,
            {"status": "ready", "sources": {"translations": "UPSTREAM_FORBIDDEN"}},
        )


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/", 404, "Not Found."),
        ("GET", "/graphql/static/none", 404, "Not Found."),
        ("POST", "/graphql/", 404, "Not Found."),
        ("GET", "/healthz/", 404, "Not Found."),
        ("POST", "/healthz", 405, "Method Not Allowed."),
        ("DELETE", "/readyz", 405, "Method Not Allowed."),
    ],
)
async def test_unknown_paths_get_a_graphql_response(
    client: httpx.AsyncClient, method: str, path: str, status: int, message: str
) -> None:
    response = await client.request(method, path)
    assert sentence(response, status) == message
    assert ("allow" in response.headers) is (status == 405)


async def test_defect_gets_a_graphql_response() -> None:
    async def broken(_: Request) -> Any:
        raise RuntimeError("s3cr3t")

    app = made_app()
    app.router.routes.append(Route("/broken", broken))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
        response = await client.get("/broken")
    assert sentence(response, 500, "INTERNAL_ERROR") == (
        "The gateway has a defect. Its log has the details."
    )


OURS = [
    "127.0.0.1",
    "127.0.0.1:8000",
    "localhost",
    "LocalHost:80",
    "gateway.localhost:1",
    "[::1]",
    "[::1]:8000",
    "127.9.9.9",
    "localhost.",
    "localhost.:8000",
]
OTHERS = [
    "evil.example.",
    "localhost..",
    "",
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "192.168.0.1",
    "[::]",
    "[::2]:8000",
    "169.254.169.254",
    "localhost@evil.example",
    "127.0.0.1:8000:1",
    ":8000",
    "::1",
]


@pytest.mark.parametrize("path", ["/graphql?query={__typename}", "/healthz", "/readyz", "/none"])
async def test_loopback_gateway_answers_to_loopback_hosts_only(
    client: httpx.AsyncClient, path: str
) -> None:
    """Otherwise a page whose name resolves to 127.0.0.1 could read all logs (DNS rebinding)."""
    for host in OURS:
        assert (await client.get(path, headers={"host": host})).status_code != 421
    for host in OTHERS:
        response = await client.get(path, headers={"host": host})
        assert sentence(response, 421) == (
            "This gateway listens on loopback only, and answers to no other Host. Call it 127.0.0.1"
            " or localhost, have a proxy in front of it send that as Host, or listen on another"
            " address with --host or [server] host."
        )


async def test_request_without_host_is_answered_on_loopback(app: Starlette) -> None:
    """Health checks by HTTP/1.0 have no Host; browsers always send one."""
    async with client_of(app) as client:
        request = client.build_request("GET", "/healthz")
        del request.headers["host"]
        assert (await client.send(request)).status_code == 200


@pytest.mark.parametrize("host", ["::", "10.1.2.3", "gateway.internal"])
async def test_any_host_is_answered_when_listening_beyond_loopback(host: str) -> None:
    async with client_of(made_app(host=host), "http://logs.example") as client:
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("host", ["::1", "127.0.0.2", "localhost"])
async def test_every_loopback_address_is_protected(host: str) -> None:
    async with client_of(made_app(host=host), "http://logs.example") as client:
        assert (await client.get("/healthz")).status_code == 421
