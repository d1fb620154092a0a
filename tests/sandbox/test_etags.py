from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.sandbox import Sandbox

from . import test_codearts

if TYPE_CHECKING:
    from tests.support.clock import Clock

LOGS = test_codearts.LOGS


@pytest.fixture
def sandbox(clock: Clock[float]) -> Sandbox:
    return Sandbox(clock=clock, logs=100, etags=True)


async def ask(client: httpx.AsyncClient, known: str = "") -> httpx.Response:
    headers = test_codearts.TOKEN | ({"If-None-Match": known} if known else {})
    return await client.get(LOGS, headers=headers)


async def test_matching_etag_gets_304(client: httpx.AsyncClient) -> None:
    whole = await ask(client)
    assert whole.status_code == 200
    tag = whole.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"another", {tag}'):
        again = await ask(client, known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
        assert again.headers["X-Total"] == whole.headers["X-Total"]
        assert "Content-Length" not in again.headers
    assert (await ask(client, '"another"')).content == whole.content


async def test_changed_document_is_sent(client: httpx.AsyncClient, clock: Clock[float]) -> None:
    tag = (await ask(client)).headers["ETag"]
    clock.now += 1
    await client.post("/control/arrive", json={"count": 100})
    changed = await ask(client, tag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


async def test_refusal_has_no_etag(client: httpx.AsyncClient) -> None:
    refused = await client.get(LOGS)
    assert refused.status_code == 401
    assert "ETag" not in refused.headers


async def test_fault_applies_to_conditional_requests_too(client: httpx.AsyncClient) -> None:
    tag = (await ask(client)).headers["ETag"]
    await client.put("/control/faults/codearts", json={"kind": "wrong-types"})
    spoilt = await ask(client, tag)
    assert (spoilt.status_code, spoilt.json()) == (200, {"result": "none"})


async def test_etags_are_off_by_default() -> None:
    transport = httpx.ASGITransport(Sandbox(logs=1).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        assert "ETag" not in (await ask(client)).headers
