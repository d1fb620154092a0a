"""What becomes of the work when the one who asked for it goes away."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message

from gateway.config import TimeLimit
from gateway.web.app import create_app
from gateway.web.disconnect import while_present
from tests.support.actions import LOG_ID, RETRY, Controller, gateway_over

PATIENCE = 10.0
"""Seconds after which a test has failed."""
LIST = "{ webhookLogs { totalCount } }"


def app_over(folder: Path, transport: httpx.AsyncBaseTransport) -> Starlette:
    """Make an application whose deadlines are no test's end."""
    settings = gateway_over(folder, transport, timeout=300.0).settings
    server = settings.server.model_copy(update={"deadline": TimeLimit(300.0), "graphiql": False})
    return create_app(settings.model_copy(update={"server": server}), transport=transport)


class Silent(httpx.AsyncBaseTransport):
    """A vendor that never answers."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.left = threading.Event()

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        raise AssertionError


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_vendor_is_asked_no_longer_when_the_caller_has_left(
    serve: Callable[[ASGIApp], str],
    tmp_path: Path,
    method: str,
) -> None:
    vendor = Silent()
    url = httpx.URL(serve(app_over(tmp_path, vendor)))
    body = json.dumps({"query": LIST})
    request = {
        "GET": f"GET /graphql?query={LIST.replace(' ', '')} HTTP/1.1\r\nHost: localhost\r\n"
        "X-Api-Key: x\r\n\r\n",
        "POST": "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}",
    }[method]
    with socket.create_connection((url.host, url.port or 0)) as caller:
        caller.sendall(request.encode())
        assert vendor.asked.wait(PATIENCE)
        assert not vendor.left.is_set()
    assert vendor.left.wait(PATIENCE)


async def stay() -> Message:
    """Give the server's word that a caller has left, which never comes."""
    await asyncio.Event().wait()
    raise AssertionError


async def ask(app: ASGIApp, body: dict[str, Any], leave: Awaitable[object]) -> list[Message]:
    """Send a request in process, of a caller that leaves at some time; give what it was sent."""
    coming = iter([{"type": "http.request", "body": json.dumps(body).encode()}])
    sent: list[Message] = []

    async def receive() -> Message:
        if message := next(coming, None):
            return message
        await leave
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b""}
    await app({**scope, "headers": headers}, receive, send)
    return sent


async def test_a_retry_that_has_begun_is_completed(tmp_path: Path) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def act(_: httpx.Request) -> httpx.Response:
        begun.set()
        await goes_on.wait()
        return httpx.Response(200, json=Controller.entry(42, 1))

    controller = Controller(act)
    app = app_over(tmp_path, controller)
    retry = {"query": RETRY, "variables": {"id": LOG_ID, "key": "key"}}
    async with asyncio.timeout(PATIENCE), app.router.lifespan_context(app):
        assert await ask(app, retry, begun.wait()) == []
        goes_on.set()
        # The same key gives the same answer, once there is one.
        (start, body) = await ask(app, retry, stay())
    assert start["status"] == 200
    payload = json.loads(body["body"])["data"]["retryWebhookLog"]
    assert (payload["userErrors"], payload["webhookLog"]["attempt"]) == ([], 2)
    assert len(controller.acts) == 1


async def test_nobody_is_watched_after_the_answer() -> None:
    before = asyncio.all_tasks()

    async def answer() -> str:
        # Long enough for the watch to begin.
        await asyncio.sleep(0)
        return "answer"

    assert await while_present(stay, answer()) == "answer"
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_server_that_can_not_tell_is_none_that_a_caller_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = asyncio.Event()

    async def broken() -> Message:
        told.set()
        raise RuntimeError

    async def answer() -> str:
        await told.wait()
        await asyncio.sleep(0)
        return "answer"

    assert await while_present(broken, answer()) == "answer"
    gc.collect()  # asyncio complains of lost exceptions when their tasks go
    assert caplog.text == ""


async def test_parts_of_a_body_that_nobody_reads_are_no_departure() -> None:
    parts = iter([{"type": "http.request", "more_body": True}] * 3)
    work = asyncio.Event()

    async def receive() -> Message:
        if part := next(parts, None):
            return part
        work.set()
        return await stay()

    assert await while_present(receive, work.wait())


@pytest.mark.parametrize("error", [TimeoutError, ValueError])
async def test_what_the_work_raises_stays_what_it_is(error: type[Exception]) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(error):
        await while_present(stay, fail())


async def test_a_stop_of_the_server_is_no_departure() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    request = asyncio.create_task(while_present(stay, work()))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_a_departure_is_told() -> None:
    async def leave() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        async with asyncio.timeout(PATIENCE):
            await while_present(leave, asyncio.Event().wait())
