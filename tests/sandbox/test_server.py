"""Tests that need a real server over real sockets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.sandbox import Sandbox

from . import test_codearts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send


PATIENCE = 30.0
"""Timeout of a test in seconds."""


class Ended(threading.Event):
    """Whether the last answered request has ended, including the vendor's handler."""

    def watching(self, app: ASGIApp) -> ASGIApp:
        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            self.clear()
            try:
                await app(scope, receive, send)
            finally:
                self.set()

        return watched


@pytest.fixture(scope="module")
def ended() -> Ended:
    return Ended()


@pytest.fixture(scope="module")
def url(serve: Callable[[ASGIApp], str], ended: Ended) -> str:
    return serve(ended.watching(Sandbox(logs=100).app))


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield client


async def spoil(client: httpx.AsyncClient, kind: str) -> None:
    response = await client.put("/control/faults/codearts", json={"kind": kind, "times": 1})
    assert response.status_code == 204


async def read_into(received: bytearray, response: httpx.Response) -> None:
    async for chunk in response.aiter_raw():
        received += chunk


async def test_serves_logs(client: httpx.AsyncClient) -> None:
    assert len((await test_codearts.read(client, test_codearts.LOGS)).json()) > 5


async def test_reset_sends_no_response(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await spoil(client, "reset")
    with pytest.raises(httpx.ReadError):
        await test_codearts.read(client, test_codearts.LOGS)
    assert (await test_codearts.read(client, test_codearts.LOGS)).status_code == 200
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_cut_body_promises_more_than_it_sends(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    proper = await test_codearts.read(client, test_codearts.LOGS)
    await spoil(client, "cut-body")
    received = bytearray()
    async with client.stream("GET", test_codearts.LOGS, headers=test_codearts.TOKEN) as response:
        assert response.headers["Content-Length"] == str(len(proper.content))
        with pytest.raises(httpx.RemoteProtocolError):
            await read_into(received, response)
    assert received == proper.content[: len(proper.content) // 2]
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_huge_body_may_be_left_unread(client: httpx.AsyncClient) -> None:
    await spoil(client, "huge")
    async with client.stream("GET", test_codearts.LOGS, headers=test_codearts.TOKEN) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        async for chunk in response.aiter_raw():
            assert chunk.startswith(b"[")
            break
    assert (await test_codearts.read(client, test_codearts.LOGS)).status_code == 200


async def test_endless_body_ends_when_the_client_disconnects(
    client: httpx.AsyncClient, ended: Ended
) -> None:
    await spoil(client, "endless")
    async with client.stream("GET", test_codearts.LOGS, headers=test_codearts.TOKEN) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        received = 0
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > 20 * 2**20:
                break
        assert not ended.is_set()
    assert ended.wait(PATIENCE)
    assert (await test_codearts.read(client, test_codearts.LOGS)).status_code == 200
