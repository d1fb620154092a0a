"""Callers who ask, and do not read the answer, or send on when they have it."""

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

from gateway.cli import protocol
from gateway.cli.protocol import BoundedProtocol
from gateway.cli.server import config_of, listen, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

LARGE = 100 * 2**20
"""Bytes that no machine's network keeps on its way to a reader."""
PATIENCE = 60
"""Seconds that only a failing test takes."""


class Unread:
    """An answer of each kind, and what became of it."""

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
    """Tell when a connection is gone, and with it what was kept for it."""
    event = threading.Event()

    def connection_lost(self: BoundedProtocol, exc: Exception | None) -> None:
        ending(self, exc)
        event.set()

    ending = BoundedProtocol.connection_lost
    monkeypatch.setattr(BoundedProtocol, "connection_lost", connection_lost)
    monkeypatch.setattr(protocol, "READ_TIMEOUT", 0.1)
    return event


def ask(listener: socket.socket, *paths: bytes, line: bytes = b"X: y") -> socket.socket:
    connection = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
    head = b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n"
    connection.sendall(b"".join(head % (path, line) for path in paths))
    return connection


@pytest.mark.parametrize("kept", ["keep-alive", "close"])
def test_an_answer_is_not_kept_for_who_does_not_read_it(lost: threading.Event, kept: str) -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        serving(Unread().app, listener, 1.0),
        ask(listener, b"/whole", line=b"Connection: %s" % kept.encode()),
    ):
        assert lost.wait(PATIENCE)


def test_an_answer_in_parts_is_not_gone_on_with(lost: threading.Event) -> None:
    unread = Unread()
    with (
        listen("127.0.0.1", 0) as listener,
        serving(unread.app, listener, 1.0),
        ask(listener, b"/parts"),
    ):
        assert lost.wait(PATIENCE)
        assert unread.ended.wait(PATIENCE)


@pytest.mark.parametrize("before", [0, 1, 2])
def test_who_asked_for_more_at_once_and_went_away_is_not_waited_for(before: int) -> None:
    unread = Unread()
    paths = [*[b"/"] * before, b"/until", b"/"]
    with listen("127.0.0.1", 0) as listener, serving(unread.app, listener, 1.0):
        with ask(listener, *paths):
            assert unread.begun.wait(PATIENCE)
        assert unread.ended.wait(PATIENCE)


class Connection(asyncio.Transport):
    """A connection with so many bytes that were not read."""

    unread = 0
    aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return False


@pytest.fixture
def protocol_() -> Iterator[Any]:
    """Give the protocol over a loop that does not run, so that no time passes."""
    loop = asyncio.new_event_loop()
    made: Any = BoundedProtocol(config_of(Unread().app, 1.0), ServerState(), {}, loop)
    made.connection_made(Connection())
    made.cycle = SimpleNamespace(response_complete=False, message_event=asyncio.Event())
    yield made
    loop.close()


@pytest.mark.parametrize("unread", [0, 1])
def test_what_was_read_ends_nothing(protocol_: Any, unread: int) -> None:
    protocol_.on_response_complete()
    protocol_.transport.unread = unread
    protocol_._read_timer._callback()
    assert protocol_.transport.aborted is bool(unread)


def test_each_part_has_its_time(protocol_: Any) -> None:
    protocol_.pause_writing()
    first = protocol_._read_timer
    protocol_.resume_writing()
    assert first.cancelled()
    protocol_.pause_writing()
    second = protocol_._read_timer
    # The last part may have left a rest that is too little to wait for.
    protocol_.cycle.response_complete = True
    protocol_.resume_writing()
    assert not second.cancelled()
    protocol_.connection_lost(ConnectionError())
    assert second.cancelled()


def test_the_rest_of_an_answered_body_keeps_no_connection(protocol_: Any) -> None:
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
    # Its end, and the next request.
    protocol_.data_received(b"1" + head[:1])
    assert idle.cancelled()
    # A request whose head had begun when the one before was answered.
    idle = answer()
    protocol_.data_received(head[1:])
    assert idle.cancelled()
