"""Requests while the server stops, in a separate process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import httpx
import pytest
import uvloop
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.cli.draining import ignore_new_connections
from gateway.cli.http_server import GracefulServer
from gateway.cli.listening import config_of, listen, serving
from gateway.cli.server import grace
from gateway.settings import Settings
from tests.support.actions import Controller
from tests.support.processes import started

pytestmark = pytest.mark.slow

PATIENCE = 30.0
"""Seconds until a test fails."""
LIST = {"query": "{ webhookLogs { nodes { upstreamId } } }"}
SMALL = (
    b"GET /graphql?query={sources{name}} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: x\r\n\r\n",
    b'{"data":{"sources":[{"name":"translations"}]}}',
)


class Vendor:
    """A Language Weaver controller that responds on demand."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.told = threading.Event()
        self.app = Starlette(routes=[Route("/{path:path}", self._answer)])

    async def _answer(self, _: Request) -> Response:
        self.asked.set()
        await asyncio.to_thread(self.told.wait, PATIENCE)
        entries = [Controller.entry(42, 0)]
        envelope = {"page": 1, "perPage": 25, "totalPages": 1, "totalItems": 1}
        return JSONResponse({"entries": entries, **envelope})


class Server(NamedTuple):
    """A gateway in another process."""

    url: str
    pid: int
    wait: Callable[[], int]
    complaints: IO[str]

    @property
    def address(self) -> tuple[str, int]:
        parts = httpx.URL(self.url)
        assert parts.port
        return parts.host, parts.port


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """A vendor that responds at the latest when the test ends."""
    made = Vendor()
    yield made
    made.told.set()


@pytest.fixture
def server(
    vendor: Vendor,
    serve: Callable[[ASGIApp], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Server]:
    # Reports everything that is not closed at the end.
    monkeypatch.setenv("PYTHONWARNINGS", "always::ResourceWarning")
    (tmp_path / "key").write_text("planted")
    file = tmp_path / "gateway.toml"
    file.write_text(f"""
        [server]
        port = 0
        graphiql = false

        [log]
        level = "error"  # the vendor's answers are none

        [journal]
        url = "sqlite:///journal.sqlite3"

        [[sources]]
        name = "translations"
        provider = "language-weaver"
        base_url = "{serve(vendor.app)}"
        auth = {{ type = "api-key", key = {{ file = "key" }} }}
    """)
    with started("serve", "--config", str(file)) as (process, output, complaints):
        said = output.readline()
        assert said, complaints.read()
        address = said.split()[1].rstrip(".")
        yield Server(address, process.pid, process.wait, complaints)


async def test_stop_answers_requests_in_flight_and_accepts_no_more(
    server: Server, vendor: Vendor, tmp_path: Path
) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        under_way = asyncio.create_task(client.post(server.url, json=LIST))
        assert await asyncio.to_thread(vendor.asked.wait, PATIENCE)
        os.kill(server.pid, signal.SIGTERM)
        await asyncio.to_thread(refused, server)
        assert not under_way.done()
        vendor.told.set()
        answer = await under_way
    assert answer.json() == {"data": {"webhookLogs": {"nodes": [{"upstreamId": "42"}]}}}
    assert answer.headers["connection"] == "close"
    assert await asyncio.to_thread(server.wait) == 0
    assert server.complaints.read() == ""
    assert files(tmp_path) == {"gateway.toml", "key", "journal.sqlite3"}


def refused(server: Server) -> None:
    """Wait until the server refuses connections."""
    with contextlib.suppress(ConnectionRefusedError):
        while True:
            # A connection made while the listener closes may be reset; this does not count.
            with contextlib.suppress(ConnectionResetError):
                socket.create_connection(server.address, PATIENCE).close()


def files(folder: Path) -> set[str]:
    """Return the names of a folder's files; an unclosed SQLite file has two more."""
    return {path.name for path in folder.iterdir()}


def test_requests_sent_before_the_stop_are_answered(server: Server) -> None:
    with contextlib.ExitStack() as stack:

        def connected() -> socket.socket:
            return stack.enter_context(socket.create_connection(server.address, PATIENCE))

        quiet = [connected() for _ in range(20)]
        used = [connected() for _ in range(20)]
        for connection in used:
            # So the connections made earlier have been accepted.
            assert answer_to(connection, SMALL) == SMALL[1]
        os.kill(server.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, server.pid, os.WSTOPPED)
        waiting = [connected() for _ in range(50)]
        everybody = [*quiet, *used, *waiting]
        for connection in everybody:
            connection.sendall(SMALL[0])
        os.kill(server.pid, signal.SIGTERM)
        os.kill(server.pid, signal.SIGCONT)
        for connection in everybody:
            assert body_of(connection) == SMALL[1]
            assert connection.recv(1) == b""
    assert server.wait() == 0
    assert server.complaints.read() == ""


class Sought(GracefulServer):
    """A server with clients that connect a few iterations before it stops, and at that moment."""

    def __init__(self, app: ASGIApp, turns: int, started: Callable[[], None]) -> None:
        super().__init__(config_of(app, PATIENCE), started)
        self._turns = turns
        self.callers: list[socket.socket] = []

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None
        self._call(sockets[0])
        for _ in range(self._turns):
            await asyncio.sleep(0)
        self._call(sockets[0])
        await super().shutdown(sockets)

    def _call(self, listener: socket.socket) -> None:
        # The kernel connects and buffers the request without the event loop.
        caller = socket.create_connection(listener.getsockname(), PATIENCE)
        caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.callers.append(caller)


@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_connections_made_before_the_stop_are_answered(
    loop: Callable[[], asyncio.AbstractEventLoop], turns: int
) -> None:
    """An iteration before, asyncio is about to accept the first client, then to make its transport.

    Server and clients share an event loop, so that a slow machine changes nothing.
    """

    async def answer(_: Request) -> Response:
        return JSONResponse("answered")

    async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return await reader.readuntil(b'"answered"')

    async def stop(listener: socket.socket) -> None:
        running = asyncio.Event()
        address = listener.getsockname()
        server = Sought(app, turns, running.set)
        served = asyncio.create_task(server.serve([listener]))
        await running.wait()
        quiet = await asyncio.open_connection(*address)
        later = await asyncio.open_connection(*address)
        # So the connection made earlier has been accepted.
        assert b"connection: close" not in await asked(*later)
        server.should_exit = True
        while listener.fileno() >= 0:  # noqa: ASYNC110 - asyncio has no event for this
            await asyncio.sleep(0)
        assert b"connection: close" in await asked(*quiet)
        await served
        for _, writer in (quiet, later):
            writer.close()
            await writer.wait_closed()
        for caller in server.callers:
            with caller:
                assert body_of(caller) == b'"answered"'

    app = Starlette(routes=[Route("/", answer)])
    with (
        listen("127.0.0.1", 0) as listener,
        asyncio.Runner(loop_factory=loop) as runner,
    ):
        runner.run(stop(listener))


def answer_to(connection: socket.socket, exchange: tuple[bytes, bytes]) -> bytes:
    connection.sendall(exchange[0])
    return body_of(connection)


def body_of(connection: socket.socket) -> bytes:
    """Read one response with a Content-Length."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(65536)
        assert received, head
        head += received
    head, _, body = head.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    (length,) = (
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return body


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can ignore connections")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connection_that_begins_while_the_listener_closes_is_not_made(host: str) -> None:
    """It would be reset, perhaps with a request that a proxy must not send again."""
    with listen(host, 0) as listener:
        before, after = (socket.socket(listener.family) for _ in range(2))
        with before, after:
            for client in (before, after):
                client.setblocking(False)
            before.connect_ex(listener.getsockname())
            ignore_new_connections(listener)
            after.connect_ex(listener.getsockname())
            _, made, _ = select.select([], [before, after], [], 0)
            assert made == [before]
            accepted, _ = listener.accept()
            accepted.close()


def test_endless_request_is_cancelled_after_the_grace_period() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def endless(_: Request) -> Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    app = Starlette(routes=[Route("/", endless)])
    with listen("127.0.0.1", 0) as listener, socket.socket() as caller:
        with serving(app, listener, grace=0.1):
            caller.settimeout(PATIENCE)
            caller.connect(listener.getsockname())
            caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert begun.wait(PATIENCE)
        assert ended.is_set()
        assert caller.recv(65536).startswith(b"HTTP/1.1 500 ")


def test_grace_period_covers_every_deadline() -> None:
    source = {
        "name": "translations",
        "provider": "language-weaver",
        "base_url": "http://127.0.0.1:1",
        "auth": {"type": "api-key", "key": SecretStr("key")},
    }
    for given, seconds in (
        (60.0, 60.0),
        ({"max": 60.0, "mode": "warn"}, 60.0),
        ({"max": 60.0, "mode": "off"}, 60.0),
        ("off", 10.0),
    ):
        settings = Settings.model_validate({"server": {"deadline": given}, "sources": [source]})
        assert seconds < grace(settings) < seconds + 10


def test_idle_connections_outlast_those_of_proxies_in_front() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    assert config_of(app, 1.0).timeout_keep_alive > 60
