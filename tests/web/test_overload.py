"""Requests to a gateway whose queue is full, whichever way they take."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import select
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from msgspec.structs import asdict
from pydantic import SecretStr

from gateway.cli.listening import allow_connections, listen, serving, url
from gateway.cli.telemetry import _served
from gateway.config import Limit, MetricsSettings
from gateway.events import Events, LimitMet, OperationBegan, OperationEnded, OperationFailed
from gateway.sandbox import Sandbox
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.seen import SeenDeliveries
from gateway.web import concurrency
from gateway.web.app import create_app
from tests.support.moment import stopped
from tests.web.direct import KEY, LIST, LONG_WAY, Direct, Reply, direct, repeat, watch_ways, ways
from tests.web.test_collapsed import begin, prepare, release, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATIENCE = 60.0
"""Seconds until a test fails."""
OTHER = "{ webhookLogs(first: 7) { nodes { id } } }"
CONNECTIONS = 1000


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=60)


@pytest.fixture(autouse=True)
def endless_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves the queue because of the time that a slow machine takes."""
    for name in ("MAX_WAIT", "MAX_DELAY"):
        monkeypatch.setattr(concurrency, name, 3600.0)


@pytest.fixture
async def app(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Direct]:
    """An application with one slot."""
    watch_ways(monkeypatch)
    limit = {"operations": Limit(1)}
    async with direct(tmp_path, sandbox, monkeypatch, limits=limit) as app:
        yield app


@contextlib.asynccontextmanager
async def full(app: Direct) -> AsyncIterator[None]:
    """Fill the slot and the queue."""
    limit = app.view._execution._concurrency
    free = await limit.take()
    waiting = asyncio.create_task(limit.take())
    await settle()
    assert limit.is_full
    yield
    free()
    (await waiting)()


async def unread(app: Direct, *more: tuple[str, str]) -> Reply:
    """Send a request whose client disconnects when its body is read."""
    lines = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    lines.append((b"authorization", f"Bearer {KEY}".encode()))
    lines += [(name.encode(), value.encode()) for name, value in more]
    now = asyncio.get_running_loop().create_future()
    now.set_result(None)
    return await app.send(lines, [], leave=now)


async def test_refusal_is_the_same_on_both_ways(app: Direct) -> None:
    await repeat(app)
    async with full(app):
        replies = [await app.post(OTHER, key=KEY), await app.post(OTHER, LONG_WAY, key=KEY)]
    assert ways(replies) == ["door", "view"]
    assert replies[0].comparable == replies[1].comparable
    for reply in replies:
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        (error,) = json.loads(reply.text)["errors"]
        assert error["extensions"]["code"] == "OVERLOADED"
        assert error["extensions"]["requestId"] == reply.headers["x-request-id"]
    assert (await app.post(OTHER, key=KEY)).status == 200


@pytest.mark.parametrize("body", [b"no JSON", [{"query": OTHER}] * 3])
async def test_body_is_not_looked_at(app: Direct, body: Any) -> None:
    await repeat(app)
    async with full(app):
        assert (await unread(app, LONG_WAY)).status == 503
        for more in ((), (LONG_WAY,)):
            assert (await app.post(body, *more, key=KEY)).status == 503
    assert app.view._limits.exceeded == {"operations": 3}


async def test_caller_is_authenticated_and_counted_first(app: Direct) -> None:
    """Overload neither hides a wrong key nor lifts the limit of a caller."""
    await repeat(app)
    async with full(app):
        before = (await app.post(OTHER, key=KEY)).left
        assert (await app.post(OTHER, LONG_WAY, key=KEY)).left == before - 1
        assert (await app.post(OTHER, key="wlg_00000000_" + "b" * 43)).status == 401


async def test_answers_that_need_no_slot_are_sent(app: Direct) -> None:
    assert (await repeat(app))[-1].way == "kept"
    async with full(app):
        assert (await app.post(LIST, key=KEY)).way == "kept"


async def test_operation_that_waits_for_an_equal_one_needs_no_place(app: Direct) -> None:
    await prepare(app)
    leader = begin(app)
    await settle()
    limit = app.view._execution._concurrency
    waiting = asyncio.create_task(limit.take())
    await settle()
    assert limit.is_full
    follower = begin(app)
    await settle()
    release(app)
    replies = await asyncio.gather(leader, follower)
    assert [reply.status for reply in replies] == [200, 200]
    assert app.lists == 1
    (await waiting)()


async def test_client_that_leaves_the_queue_makes_room(app: Direct) -> None:
    await repeat(app)
    free = await app.view._execution._concurrency.take()
    left = asyncio.Event()
    first = begin(app, OTHER, leave=left.wait())
    await settle()
    assert (await app.post(OTHER, key=KEY)).status == 503
    left.set()
    assert (await first).status == 0
    second = begin(app, OTHER)
    await settle()
    assert not second.done()
    free()
    assert (await second).status == 200


@pytest.mark.parametrize("more", [(), (LONG_WAY,)])
async def test_refusal_is_told_of_like_an_operation(app: Direct, more: Any) -> None:
    await repeat(app)
    told: list[Any] = []
    for kind in (OperationBegan, OperationEnded, OperationFailed, LimitMet):
        app.gateway.events.subscribe(kind, told.append)
    async with full(app):
        reply = await app.post(OTHER, *more, key=KEY)
    met, began, ended, failed = told
    assert asdict(failed) == asdict(ended)
    assert met == LimitMet("operations", 2, 1, "enforce")
    assert began.request_id == ended.request_id == reply.headers["x-request-id"]
    assert (ended.codes, ended.role, ended.name) == (("OVERLOADED",), "admin", None)
    assert ended.caller.startswith("api-keys:")


# Over HTTP


class Hanging(httpx.AsyncBaseTransport):
    """A vendor that answers once it is told to."""

    def __init__(self) -> None:
        self.told = threading.Event()

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        await asyncio.to_thread(self.told.wait, PATIENCE)
        return httpx.Response(200, json={"entries": [], "webhooks": []})


def settings_of(operations: int) -> Settings:
    return Settings.model_validate(
        {
            "server": {"deadline": 300.0, "graphiql": False, "console": False},
            "limits": {"operations": operations, "rate": "off"},
            "sources": [
                {
                    "name": "translations",
                    "provider": "language-weaver",
                    "base_url": "http://127.0.0.1:1",
                    "timeout": 300.0,
                    "auth": {"type": "api-key", "key": SecretStr("key")},
                }
            ],
        }
    )


def request(body: str) -> bytes:
    """Return a request as it is sent."""
    content = json.dumps({"query": body}).encode()
    lines = [
        b"POST /graphql HTTP/1.1",
        b"Host: localhost",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(content),
    ]
    return b"\r\n".join([*lines, b"", content])


def status_of(connection: socket.socket) -> bytes:
    """Receive a response, and return its status."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        assert part, received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    assert found
    while len(body) < int(found[1]):
        body += connection.recv(65536)
    return head.split(b" ", 2)[1]


@pytest.mark.slow
def test_health_and_metrics_are_answered_while_a_thousand_connections_wait() -> None:
    """Half of them for a vendor that hangs, the others for those."""
    allow_connections()
    vendor, events = Hanging(), Events()
    metrics = Metrics(["translations"], SeenDeliveries())
    metrics.subscribe(events)
    settings = settings_of(CONNECTIONS // 2)
    app = create_app(settings, transport=vendor, events=events)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen("127.0.0.1", 0))
        stack.enter_context(serving(app, listener, PATIENCE))
        # The vendor answers before the server stops, whatever happens.
        stack.callback(vendor.told.set)
        measured = stack.enter_context(
            _served(settings.model_copy(update={"metrics": MetricsSettings(port=0)}), metrics.text)
        )
        client = stack.enter_context(httpx.Client(base_url=url(listener), timeout=PATIENCE))
        assert client.get("/readyz").json()["status"] == "ready"
        waiting = []
        poll = select.poll()
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(listener.getsockname(), PATIENCE)
            waiting.append(stack.enter_context(connection))
            connection.sendall(request(LIST))
            poll.register(connection, select.POLLIN)
        while (ready := client.get("/readyz")).status_code == 200:
            assert client.get("/healthz").status_code == 200
        assert (ready.status_code, ready.json()["status"]) == (503, "overloaded")
        late = client.post("/graphql", json={"query": LIST})
        assert late.status_code == 503
        assert int(late.headers["retry-after"]) >= 1
        assert (client.get("/healthz").json(), poll.poll(0)) == ({"status": "ok"}, [])
        told = client.get(measured).text
        assert f"graphql_server_active_requests {CONNECTIONS}.0" in told
        assert 'limits_met_total{limit="operations",mode="enforce"} 1.0' in told
        vendor.told.set()
        assert {status_of(connection) for connection in waiting} == {b"200"}
        assert client.get("/readyz").json()["status"] == "ready"
