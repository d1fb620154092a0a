"""Responses that are written without graphql-core differ from others in nothing."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.schema import Schema
from gateway.settings import Settings, load
from gateway.web.app import create_app
from tests.support.moment import stopped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOWHERE = "http://127.0.0.1:1"
PAGE = "query P($n: Int) { webhookLogs(first: $n) { edges { cursor node { id raw } } totalCount } }"
JSON = {"Content-Type": "application/json", "Accept": "application/graphql-response+json"}


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=300)


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path) -> Settings:
    return load(write_configuration(tmp_path, sandbox, NOWHERE, port=0), {})


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each operation was written."""
    found: list[bool] = []
    write = Schema.write

    async def watch(self: Schema, *given: Any, **named: Any) -> bytes | None:
        body = await write(self, *given, **named)
        found.append(body is not None)
        return body

    monkeypatch.setattr(Schema, "write", watch)
    return found


@contextlib.asynccontextmanager
async def client(
    settings: Settings, sandbox: Sandbox, **server: Any
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings.model_copy(
        update={"server": settings.server.model_copy(update=server)},
    )
    app = create_app(settings, transport=httpx.ASGITransport(sandbox.app))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=NOWHERE) as client,
    ):
        yield client


async def test_responses_are_the_same_with_and_without_writing(
    settings: Settings, sandbox: Sandbox, written: list[bool]
) -> None:
    asked: dict[str, Any] = {"query": PAGE, "variables": {"n": 3}, "extensions": {"cost": True}}
    in_url: dict[str, str] = {
        name: value if name == "query" else json.dumps(value) for name, value in asked.items()
    }
    responses: list[list[httpx.Response]] = []
    for compiled in (True, False):
        async with client(settings, sandbox, compiled=compiled) as gateway:
            await gateway.post("/graphql", json=asked)
            got = await gateway.get("/graphql", params=in_url, headers=JSON)
            match = {**JSON, "If-None-Match": got.headers["etag"]}
            responses.append(
                [
                    await gateway.post("/graphql", json=asked, headers=JSON),
                    got,
                    await gateway.get("/graphql", params=in_url, headers=match),
                    await gateway.post("/graphql", json=asked | {"variables": {"n": 200}}),
                ]
            )
    assert written == [False, True, True, True, False] + [False] * 5
    for ours, core in zip(*responses, strict=True):
        assert ours.status_code == core.status_code
        assert ours.headers.keys() == core.headers.keys()
        assert ours.headers.get("etag") == core.headers.get("etag")
        own, reference = (one.text.replace(one.headers["x-request-id"], "") for one in (ours, core))
        assert own == reference
    assert [one.status_code for one in responses[0]] == [200, 200, 304, 200]
    assert "ttl=" in responses[0][0].headers["cache-status"]


async def test_operations_of_a_batch_are_executed_by_graphql_core(
    settings: Settings, sandbox: Sandbox, written: list[bool]
) -> None:
    async with client(settings, sandbox, batch_size=2) as gateway:
        asked = {"query": PAGE, "variables": {"n": 1}}
        response = await gateway.post("/graphql", json=[asked, asked])
    assert [list(one["data"]) for one in response.json()] == [["webhookLogs"]] * 2
    assert written == []
