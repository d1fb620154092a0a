"""Clients that do not read their response, or go on sending after it."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from uvicorn.server import ServerState

from gateway.cli import http_server, listening
from gateway.cli.http_server import BoundedProtocol
from gateway.cli.listening import config_of, listen, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

LARGE = 100 * 2**20
"""More bytes than the buffers of any network hold."""
PATIENCE = 60
"""Seconds until a test fails."""


class Unread:
    """An application with a response of each kind, and their outcomes."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        routes = [
            Route("/whole", self.whole),
            Route("/parts", self.parts),
            Route("/until", self.until),
            Route("/", lambda _: Response()),
        ]
        self.app = Starlette(routes=routes)

    async def whole(self, _: Request) -> Response:
        return Response(bytes(LARGE))

    async def parts(self, _: Request) -> Response:
        async def written() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield bytes(2**20)
                    await asyncio.sleep(0)
            finally:
                self.ended.set()

        return StreamingResponse(written())

    async def until(self, request: Request) -> Response:
        self.begun.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.ended.set()
        return Response()


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a connection and its buffers are gone."""
    event = threading.Event()

    def connection_lost(self: BoundedProtocol, exc: Exception | None) -> None:
        ending(self, exc)
        event.set()

    ending = BoundedProtocol.connection_lost
    monkeypatch.setattr(BoundedProtocol, "connection_lost", connection_lost)
    monkeypatch.setattr(http_server, "READ_TIMEOUT", 0.1)
    return event


def ask(listener: socket.socket, *paths: bytes, line: bytes = b"X: y") -> socket.socket:
    connection = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
    head = b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n"
    connection.sendall(b"".join(head % (path, line) for path in paths))
    return connection


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kept", ["keep-alive", "close"])
def test_unread_response_is_dropped(lost: threading.Event, kept: str) -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        serving(Unread().app, listener, 1.0),
        ask(listener, b"/whole", line=b"Connection: %s" % kept.encode()),
    ):
        assert lost.wait(PATIENCE)


def test_unread_parts_end_the_response(lost: threading.Event) -> None:
    unread = Unread()
    with (
        listen("127.0.0.1", 0) as listener,
        serving(unread.app, listener, 1.0),
        ask(listener, b"/parts"),
    ):
        assert lost.wait(PATIENCE)
        assert unread.ended.wait(PATIENCE)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("before", [0, 1, 2])
def test_disconnect_cancels_pipelined_requests(before: int) -> None:
    unread = Unread()
    paths = [*[b"/"] * before, b"/until", b"/"]
    with listen("127.0.0.1", 0) as listener, serving(unread.app, listener, 1.0):
        with ask(listener, *paths):
            assert unread.begun.wait(PATIENCE)
        assert unread.ended.wait(PATIENCE)


class Connection(asyncio.Transport):
    """A connection with a number of unread bytes."""

    unread = 0
    aborted = closed = False

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize("loop", ["auto", "asyncio"])
def test_parts_of_a_response_do_not_wait_for_each_other(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Nagle's algorithm, a deferred part would come 40 ms late or more."""
    options: list[int] = []

    def with_loop(app: Any, grace: float) -> Any:
        config = config_of(app, grace)
        config.loop = loop
        return config

    def on_headers_complete(self: BoundedProtocol) -> None:
        connection = self.transport.get_extra_info("socket")
        options.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        completing(self)

    completing = BoundedProtocol.on_headers_complete
    monkeypatch.setattr(BoundedProtocol, "on_headers_complete", on_headers_complete)
    monkeypatch.setattr(listening, "config_of", with_loop)
    with (
        listen("127.0.0.1", 0) as listener,
        serving(Unread().app, listener, 1.0),
        ask(listener, b"/") as connection,
    ):
        assert connection.recv(1)
    assert options == [1]


@pytest.fixture
def protocol_() -> Iterator[Any]:
    """The protocol on an event loop that does not run, so that no time passes."""
    loop = asyncio.new_event_loop()
    made: Any = BoundedProtocol(config_of(Unread().app, 1.0), ServerState(), {}, loop)
    made.connection_made(Connection())
    made.cycle = SimpleNamespace(response_complete=False, message_event=asyncio.Event())
    yield made
    loop.close()


@pytest.mark.parametrize("unread", [0, 1])
def test_connection_is_aborted_only_with_unread_data(protocol_: Any, unread: int) -> None:
    connection = protocol_.transport._transport
    connection.unread = 1
    protocol_.on_response_complete()
    connection.unread = unread
    protocol_._read_timer._callback()
    assert connection.aborted is bool(unread)


def test_no_timer_starts_once_all_was_sent(protocol_: Any) -> None:
    protocol_.on_response_complete()
    assert protocol_._read_timer is None


def test_head_and_body_are_sent_at_once(protocol_: Any) -> None:
    transport, connection = protocol_.transport, protocol_.transport._transport
    transport.write(b"head")
    transport.write(b"body")
    assert connection.sent == [b"headbody"]


def test_head_alone_is_sent_at_the_end_of_the_turn(protocol_: Any) -> None:
    transport, connection = protocol_.transport, protocol_.transport._transport
    transport.write(b"head")
    assert connection.sent == []
    protocol_.loop.call_soon(protocol_.loop.stop)
    protocol_.loop.run_forever()
    transport.write(b"body")
    transport.close()
    assert connection.sent == [b"head", b"body"]
    assert connection.closed


def test_read_timer_restarts_with_each_part(protocol_: Any) -> None:
    protocol_.pause_writing()
    first = protocol_._read_timer
    protocol_.resume_writing()
    assert first.cancelled()
    protocol_.pause_writing()
    second = protocol_._read_timer
    # The last part may leave a rest below the threshold for pausing.
    protocol_.cycle.response_complete = True
    protocol_.resume_writing()
    assert not second.cancelled()
    protocol_.connection_lost(ConnectionError())
    assert second.cancelled()


def test_rest_of_an_answered_body_does_not_keep_the_connection(protocol_: Any) -> None:
    protocol_._start_asgi_task = lambda *_: None
    protocol_.cycle = None

    def answer() -> asyncio.TimerHandle:
        protocol_.cycle.response_complete = True
        protocol_.on_response_complete()
        idle: asyncio.TimerHandle = protocol_.timeout_keep_alive_task
        return idle

    head = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
    protocol_.data_received(head)
    idle = answer()
    for _ in range(2):
        protocol_.data_received(b"1")
    assert not idle.cancelled()
    # The end of the body, and the next request.
    protocol_.data_received(b"1" + head[:1])
    assert idle.cancelled()
    # A request whose head began before the previous response ended.
    idle = answer()
    protocol_.data_received(head[1:])
    assert idle.cancelled()
