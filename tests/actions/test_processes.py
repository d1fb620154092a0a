"""Retry with several processes over one journal, and with one that dies in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from tests.support.actions import ACTIONS, LIST, RETRY
from tests.support.moment import stopped
from tests.support.postgres import Postgres
from tests.support.processes import started

pytestmark = pytest.mark.slow

SQLITE = "sqlite:///journal.sqlite3"
PATIENCE = 30.0
"""Timeout of a test in seconds."""


@pytest.fixture(scope="module")
def vendors(serve: Callable[[ASGIApp], str]) -> tuple[Sandbox, str]:
    sandbox = Sandbox(clock=stopped, logs=400)
    return sandbox, serve(sandbox.app)


@pytest.fixture
def configuration(vendors: tuple[Sandbox, str], tmp_path: Path) -> Path:
    return write_configuration(tmp_path, *vendors, port=0)


@pytest.fixture
async def control(vendors: tuple[Sandbox, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of the sandbox's control API; faults end with the test."""
    async with httpx.AsyncClient(base_url=vendors[1] + "/control") as client:
        await client.delete("/calls")
        yield client
        await client.delete("/faults")


async def puts(control: httpx.AsyncClient) -> list[str]:
    """Return the paths of all retries that reached the vendors."""
    calls = (await control.get("/calls")).json()["calls"]
    return [call["path"] for call in calls if call["method"] == "PUT"]


@contextlib.contextmanager
def serving(configuration: Path) -> Iterator[Server]:
    """Serve the gateway in a process of its own."""
    with started("serve", "--config", str(configuration)) as (process, output, complaints):
        said = output.readline()
        assert said, complaints.read()
        yield Server(said.split()[1].rstrip("."), process.kill)
        process.kill()
        process.wait()


class Server:
    """A gateway in another process."""

    def __init__(self, url: str, kill: Callable[[], None]) -> None:
        self.kill = kill
        self._url = url

    async def data(self, document: str, **variables: Any) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            response = await client.post(
                self._url, json={"query": document, "variables": variables}
            )
        answer = response.json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def failed_log(self) -> dict[str, Any]:
        listed = await self.data(LIST, source="translations", status="FAILED")
        log: dict[str, Any] = listed["webhookLogs"]["nodes"][0]
        return log


@pytest.fixture
def shared(configuration: Path, postgres: Postgres) -> Path:
    """Return a configuration with its journal in PostgreSQL."""
    (configuration.parent / "secrets" / "journal").write_text(postgres.make_database())
    text = configuration.read_text()
    assert json.dumps(SQLITE) in text
    configuration.write_text(text.replace(json.dumps(SQLITE), '{ file = "secrets/journal" }'))
    return configuration


async def test_fifty_retries_with_one_key_at_two_servers_are_sent_once(
    shared: Path, control: httpx.AsyncClient
) -> None:
    with serving(shared) as one, serving(shared) as other:
        log = await one.failed_log()
        # Slow enough for all to arrive while the first is in progress.
        fault = {"kind": "latency", "seconds": 0.5, "paths": "/retry"}
        await control.put("/faults/language-weaver", json=fault)
        answers = await asyncio.gather(
            *(
                server.data(RETRY, id=log["id"], key="key")
                for _ in range(25)
                for server in (one, other)
            )
        )
        assert answers == [answers[0]] * 50
        payload = answers[0]["retryWebhookLog"]
        assert payload["userErrors"] == []
        assert payload["webhookLog"]["attempt"] == log["attempt"] + 1
        assert await puts(control) == [retry_path(log)]
        for server in (one, other):
            journal = (await server.data(ACTIONS))["actions"]["nodes"]
            assert [entry["outcome"] for entry in journal] == ["SUCCEEDED"]


def retry_path(log: dict[str, Any]) -> str:
    return f"/language-weaver/api/v2/audit/webhooks/{log['upstreamId']}/retry"


async def test_action_of_a_killed_process_is_unknown_and_not_sent_again(
    configuration: Path, control: httpx.AsyncClient
) -> None:
    with serving(configuration) as server:
        log = await server.failed_log()
        fault = {"kind": "latency", "seconds": 5, "paths": "/retry"}
        await control.put("/faults/language-weaver", json=fault)
        asked = asyncio.create_task(server.data(RETRY, id=log["id"], key="key"))
        async with asyncio.timeout(PATIENCE):
            while not await puts(control):
                assert not asked.done(), asked
        server.kill()
        with pytest.raises(httpx.TransportError):
            await asked
    await control.delete("/faults")

    with serving(configuration) as server:
        (entry,) = (await server.data(ACTIONS))["actions"]["nodes"]
        assert (entry["outcome"], entry["logId"]) == ("UNKNOWN", log["id"])
        for _ in range(2):
            payload = (await server.data(RETRY, id=log["id"], key="key"))["retryWebhookLog"]
            assert payload["webhookLog"] is None
            (error,) = payload["userErrors"]
            assert (error["__typename"], error["actionId"]) == ("OutcomeUnknown", entry["id"])
        assert await puts(control) == [retry_path(log)]
        # To repeat it all the same, use another key.
        payload = (await server.data(RETRY, id=log["id"], key="another"))["retryWebhookLog"]
        assert payload["userErrors"] == []
        assert await puts(control) == [retry_path(log)] * 2
