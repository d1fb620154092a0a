"""The parts of the HTTP server that depend on uvicorn's internals, and why it is pinned.

uvicorn has no options for these needs:

- ``BoundedProtocol`` bounds the size of a request's head, of chunk extensions and of trailers, and
  the time for a head to arrive and for a response to be read. The application bounds the body.
- It ignores offers to upgrade to another protocol (RFC 9110, 7.8), which some clients send with an
  ordinary request. httptools ends such a request with its head, so the rest is parsed again as the
  body.
- It strips trailing whitespace from the values of headers.
- ``GracefulServer`` loses no request when it stops.

tests/web/test_uvicorn.py fails if a new version of uvicorn may break this.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import multiprocessing
import signal
import socket
from typing import TYPE_CHECKING, Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.cli.draining import HANDSHAKE, ignore_new_connections
from gateway.errors import ErrorCode
from gateway.web import header_limit as head
from gateway.web.answer import refusal_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Message, Receive, Scope, Send
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

HEAD_TIMEOUT = 10.0
"""Seconds for a head to arrive; for the first head, they begin with the connection."""
READ_TIMEOUT = 60.0
"""Seconds for a client to read a response, or the parts that have been sent so far."""
LAST_REQUEST_WAIT = 0.5
"""Seconds after a stop in which an open connection may still send a request."""
FRAMING = {b"content-length", b"transfer-encoding"}
"""The headers that say where a body ends."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections with an endless or slow head, or a response that the client does not read.

    Trailers are ignored.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None
    # True while the head is parsed again after an ignored upgrade, so that callbacks skip it.
    _reparsing = False
    # The pipelined request that is being answered.
    _answering: RequestResponseCycle | None = None
    # ``_section`` counts the beginnings and ends of heads, ``_overhead`` the bytes outside of
    # bodies since the last of them.
    _section = 0
    _overhead = 0

    def connection_made(self, transport: Any) -> None:
        """Start the timer of the first head."""
        connection = transport.get_extra_info("socket")
        if connection is not None:
            # uvloop sets it; asyncio does not for these listeners, and later parts of a response
            # would wait for the client to acknowledge the first.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        joining: Any = _JoiningTransport(transport, self.loop)
        super().connection_made(joining)
        self._start_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers, and notify the request being answered, not only the last one."""
        self._end_head()
        self._stop_read_timer()
        super().connection_lost(exc)
        if self._answering:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def on_message_begin(self) -> None:
        """Start the timeout of a request head."""
        if self._reparsing:
            return
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._start_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header; ignore a trailer."""
        if self._head_timer:
            # httptools keeps trailing whitespace, which is not part of the value (RFC 9110, 5.5).
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Start the request."""
        if self._reparsing:
            self._reparsing = False
            return
        super().on_headers_complete()
        if not self.pipeline:
            self._answering = self.cycle
        # The end of an earlier response may have started it while this head arrived.
        self._unset_keepalive_if_required()
        self._end_head()
        self._reparsing = self.parser.should_upgrade()

    def on_body(self, body: bytes) -> None:
        """Store a part of the body, which the application counts."""
        super().on_body(body)
        self._overhead -= len(body)

    def on_message_complete(self) -> None:
        """End the request; the next data is another head."""
        if self._reparsing:
            return
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Parse data, and refuse a request with too much data outside of the body.

        The rest of a body that was answered early does not keep the connection alive.
        """
        section = self._section
        self._parse(data)
        if section != self._section:
            # The event loop bounds the size of each piece.
            self._overhead = 0
            return
        self._overhead += len(data)
        if self._overhead > head.MAX_BYTES:
            what = "address and the headers" if self._head_timer else "lines around the body"
            self._refuse(431, f"The {what} are too large.")

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                (end,) = offer.args
                data = self._head_without_offer() + data[end:]
            except httptools.HttpParserError:
                self._refuse(400, "The request is not HTTP.", ErrorCode.BAD_REQUEST)
                return
            else:
                return

    def _head_without_offer(self) -> bytes:
        """Replace the parser, and return a head that frames the same body."""
        self.parser = httptools.HttpRequestParser(self)
        # As in uvicorn, data after a connection's last request is ignored.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] in FRAMING]
        return b"".join([b"POST / HTTP/1.1\r\n", *lines, b"\r\n"])

    def on_response_complete(self) -> None:
        """Start the timer for reading the response."""
        if self.pipeline:
            self._answering = self.pipeline[-1][0]
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._start_read_timer()

    def pause_writing(self) -> None:
        """Start the timer for reading the part of a response sent so far."""
        super().pause_writing()
        self._start_read_timer()

    def resume_writing(self) -> None:
        """Stop the timer, unless the response is complete and its rest still unread."""
        super().resume_writing()
        if not self.cycle.response_complete:
            self._stop_read_timer()

    def _start_head(self) -> None:
        self._end_head()
        self._head_timer = self.loop.call_later(
            HEAD_TIMEOUT, self._refuse, 408, "The request did not arrive in time."
        )

    def _end_head(self) -> None:
        self._section += 1
        self._overhead = 0
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _start_read_timer(self) -> None:
        self._stop_read_timer()
        self._read_timer = self.loop.call_later(READ_TIMEOUT, self._abort_unread)

    def _stop_read_timer(self) -> None:
        if self._read_timer:
            self._read_timer.cancel()
            self._read_timer = None

    def _abort_unread(self) -> None:
        if self.transport.get_write_buffer_size():
            # close() would wait for the client to read.
            self.transport.abort()

    def _refuse(
        self, status: int, message: str, code: ErrorCode = ErrorCode.LIMIT_EXCEEDED
    ) -> None:
        if not self._head_timer and self.cycle.response_started:
            # The client would mistake a second response for the one to its next request.
            self.transport.close()
            return
        self._end_head()
        # The head may be incomplete, so its X-Request-Id is not used.
        response = refusal_response({"headers": []}, status, message, code=code)
        response.headers["Connection"] = "close"
        lines = [STATUS_LINE[status]]
        lines += [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
        self.transport.write(b"".join([*lines, b"\r\n", bytes(response.body)]))
        self.transport.close()


class _JoiningTransport:
    """Sends what is written in one turn of the event loop at once.

    uvicorn writes the head of a response and its body one after the other, which would be two
    system calls and two packets.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._later: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """Send data with the data before it, or hold it until the end of the turn."""
        if self._later is None:
            self._head, self._later = data, self._loop.call_soon(self._flush)
        else:
            self._later.cancel()
            self._later = None
            self._transport.writelines((self._head, data))

    def _flush(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
            self._transport.write(self._head)

    def close(self) -> None:
        """Close the connection once everything has been sent."""
        self._flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes have not been sent."""
        self._flush()
        size: int = self._transport.get_write_buffer_size()
        return size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class GracefulServer(uvicorn.Server):
    """Answers every request that was sent before the server was stopped.

    uvicorn closes listeners and idle connections at once, and so resets the connections that were
    not accepted yet, and those whose first request is on its way. ``started`` is called once
    requests are answered. After a SIGTERM, connections are accepted for ``drain`` seconds more, so
    that a load balancer can find out. ``grace`` returns the seconds that requests then have to end,
    if these may have changed since the start.

    While the server stops, requests have ``stopping`` in the state of their scope.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        started: Callable[[], None],
        drain: float = 0.0,
        grace: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(config)
        self._grace = grace
        self._inner: Any = config.app
        self._started = started
        self._drain = drain
        self._drained_at: float | None = None
        config.app = self._app

    async def on_tick(self, counter: int) -> bool:
        """Return whether to shut down, ten times a second."""
        if not await super().on_tick(counter):
            return False
        if set(self._captured_signals) != {signal.SIGTERM}:
            # Whoever presses Ctrl-C waits for it, and a worker that is replaced has a successor.
            return True
        now = asyncio.get_running_loop().time()
        if self._drained_at is None:
            self._drained_at = now + self._drain
        return now >= self._drained_at

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.should_exit:
            scope["state"]["stopping"] = True

        async def send_closing(message: Message) -> None:
            if self.should_exit and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._inner(scope, receive, send_closing)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer requests."""
        await super().startup(sockets)
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept waiting connections, stop listening, and let every request finish."""
        if self._grace is not None:
            self.config.timeout_graceful_shutdown = math.ceil(self._grace())
        loop = asyncio.get_running_loop()
        if multiprocessing.parent_process() is None:
            # Workers share their sockets, and a new one may go on to use them.
            for listener in sockets or ():
                ignore_new_connections(listener)
        await asyncio.sleep(HANDSHAKE)
        for listener in sockets or ():
            # Windows' proactor loop has no readers; uvloop has none here.
            with contextlib.suppress(NotImplementedError):
                loop.remove_reader(listener)
        # asyncio creates the transport of an accepted connection one iteration later, unless its
        # server is closed by then.
        await asyncio.sleep(0)
        # Closing a listener resets the connections in its backlog.
        waiting = [
            connection
            for listener in sockets or ()
            for connection in _backlog(listener, self.config.backlog)
        ]
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        await asyncio.gather(
            *(loop.connect_accepted_socket(self._protocol, one) for one in waiting),
            return_exceptions=True,
        )
        await asyncio.sleep(LAST_REQUEST_WAIT)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        """Create a connection's protocol as uvicorn's own startup() does."""
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _backlog(listener: socket.socket, size: int) -> Iterator[socket.socket]:
    """Accept the waiting connections, but stop at a limit if more keep coming."""
    listener.setblocking(False)
    for _ in range(size + 1):
        try:
            connection, _ = listener.accept()
        except ConnectionAbortedError:
            continue
        except OSError:
            # No connection is waiting, or no file descriptor is free.
            return
        yield connection
