"""Cancellation of work whose client disconnects."""

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
from gateway.web.disconnect import cancel_on_disconnect
from tests.support.actions import LOG_ID, RETRY, Controller, gateway_over

PATIENCE = 10.0
"""Seconds until a test fails."""
LIST = "{ webhookLogs { totalCount } }"


def app_over(folder: Path, transport: httpx.AsyncBaseTransport) -> Starlette:
    """Return an application whose deadlines are too long to end a test."""
    settings = gateway_over(folder, transport, timeout=300.0).settings
    server = settings.server.model_copy(update={"deadline": TimeLimit(300.0), "graphiql": False})
    return create_app(settings.model_copy(update={"server": server}), transport=transport)


class Silent(httpx.AsyncBaseTransport):
    """A vendor that never responds."""

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
def test_disconnect_cancels_the_vendor_call(
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
    """Wait for a disconnect that never comes."""
    await asyncio.Event().wait()
    raise AssertionError


async def ask(app: ASGIApp, body: dict[str, Any], leave: Awaitable[object]) -> list[Message]:
    """Send a request in process, disconnect after ``leave``, and return the messages sent."""
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


async def test_retry_in_flight_survives_a_disconnect(tmp_path: Path) -> None:
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
        # The same idempotency key returns the same result, once there is one.
        (start, body) = await ask(app, retry, stay())
    assert start["status"] == 200
    payload = json.loads(body["body"])["data"]["retryWebhookLog"]
    assert (payload["userErrors"], payload["webhookLog"]["attempt"]) == ([], 2)
    assert len(controller.acts) == 1


async def test_watcher_ends_with_the_work() -> None:
    before = asyncio.all_tasks()

    async def answer() -> str:
        # Lets the watcher start.
        await asyncio.sleep(0)
        return "answer"

    assert await cancel_on_disconnect(stay, answer()) == "answer"
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_failing_receive_is_not_a_disconnect(
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

    assert await cancel_on_disconnect(broken, answer()) == "answer"
    gc.collect()  # asyncio reports unretrieved exceptions when their tasks are collected
    assert caplog.text == ""


async def test_unread_body_is_not_a_disconnect() -> None:
    parts = iter([{"type": "http.request", "more_body": True}] * 3)
    work = asyncio.Event()

    async def receive() -> Message:
        if part := next(parts, None):
            return part
        work.set()
        return await stay()

    assert await cancel_on_disconnect(receive, work.wait())


@pytest.mark.parametrize("error", [TimeoutError, ValueError])
async def test_errors_of_the_work_pass_through(error: type[Exception]) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(error):
        await cancel_on_disconnect(stay, fail())


async def test_cancellation_is_not_a_disconnect() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    request = asyncio.create_task(cancel_on_disconnect(stay, work()))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_disconnect_raises_client_disconnect() -> None:
    async def leave() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        async with asyncio.timeout(PATIENCE):
            await cancel_on_disconnect(leave, asyncio.Event().wait())
