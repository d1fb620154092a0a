"""What only a real server over real sockets can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.sandbox import Sandbox

from . import test_codearts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp


@pytest.fixture(scope="module")
def url(serve: Callable[[ASGIApp], str]) -> str:
    return serve(Sandbox(logs=100).app)


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


async def test_reset_gives_no_answer_at_all(
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
