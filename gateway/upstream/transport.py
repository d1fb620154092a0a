"""An httpx transport over aiohttp's HTTP/1.1 protocol, which parses responses in C.

Requests are sent byte for byte as httpx built them. aiohttp's own session would add headers, quote
the URL again, keep cookies, cache addresses, and repeat a PUT or DELETE whose connection broke.

Errors are httpx's own. Their cause is the error of the operating system or of TLS, if there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohappyeyeballs
import httpx
from aiohttp import ClientPayloadError, ServerDisconnectedError, StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError, InvalidHeader, LineTooLong
from aiohttp.http_parser import RawResponseMessage

from gateway.upstream.progress import Progress, Step

IDLE_SECONDS = 5.0
"""Seconds for which an idle connection is kept."""
MAX_HEAD = 100 * 2**10
"""Maximum bytes of the status line and the headers of a response."""
BUFFER = 256 * 2**10
"""Bytes of a body that are read ahead; twice as many at most."""
NEXT_ADDRESS = 0.25
"""Seconds before another address of the host is tried as well (RFC 8305, section 8)."""
HANDSHAKE = 24 * 3600.0
"""No limit in practice: the caller's timeout bounds the TLS handshake."""

_FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\0\r\n]*\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:([^\r\n]*)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_ERRNO = re.compile(r"\[Errno (\d+)\]")


class Origin(NamedTuple):
    """The server of a URL; ``host`` is in ASCII, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends requests over at most ``connections`` connections, which are kept for a while.

    A server may close an idle connection at the moment a request is sent on it. Such a request is
    sent again on a new connection if it is a GET and no byte of a response has arrived; anything
    else is sent once. ``trust`` is the TLS context for https.
    """

    def __init__(self, trust: ssl.SSLContext, connections: int) -> None:
        self._trust = trust
        self._most = connections
        self._slots = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._active = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return the response as soon as its headers have arrived.

        The steps are reported to the extension ``progress``, if there is one.
        """
        origin = _origin(request.url)
        content = _encoded(request)
        progress = request.extensions.get("progress") or Progress()
        await self._slots.acquire()
        self._active += 1
        try:
            if (connection := self._kept(origin)) is not None:
                try:
                    return await self._ask(connection, request, content, progress)
                except httpx.TransportError:
                    if request.method != "GET" or connection.heard:
                        raise
            connection = await self._opened(origin, progress)
            return await self._ask(connection, request, content, progress)
        except BaseException:
            self._leave()
            raise

    async def aclose(self) -> None:
        """Close all connections; requests in flight fail."""
        for connection in (*self._idle, *self._busy):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # lets the event loop close the sockets

    def release(self, connection: _Connection) -> None:
        """Keep a connection after its response, unless it is unread, or either side closes it."""
        self._busy.discard(connection)
        if connection.rest():
            self._idle.append(connection)
        self._leave()

    def _leave(self) -> None:
        self._active -= 1
        self._slots.release()

    async def _ask(
        self, connection: _Connection, request: httpx.Request, content: bytes, progress: Progress
    ) -> httpx.Response:
        self._busy.add(connection)
        try:
            progress.reached(Step.ANSWER)
            message, body = await connection.ask(content, bodiless=request.method == "HEAD")
            progress.reached(Step.BODY)
        except BaseException:
            self._busy.discard(connection)
            connection.abort()
            raise
        stream = _Body(self, connection, body)
        return httpx.Response(message.code, headers=message.raw_headers, stream=stream)

    def _kept(self, origin: Origin) -> _Connection | None:
        idle = self._idle
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while idle and idle[0].idle_since < oldest:
            idle.pop(0).abort()
        for index in reversed(range(len(idle))):
            if idle[index].origin == origin:
                connection = idle.pop(index)
                if connection.is_silent():
                    return connection
                connection.abort()
        return None

    async def _opened(self, origin: Origin, progress: Progress) -> _Connection:
        if self._idle and len(self._idle) + self._active > self._most:
            self._idle.pop(0).abort()
        return await _connected(origin, self._trust, progress)


class _Body(httpx.AsyncByteStream):
    """The body of a response, which returns the connection when it is closed."""

    def __init__(
        self, transport: AiohttpTransport, connection: _Connection, content: StreamReader
    ) -> None:
        self._transport = transport
        self._connection: _Connection | None = connection
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._content.readany():
                yield chunk
        except ClientPayloadError as error:
            raise httpx.RemoteProtocolError("peer closed connection") from error

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._transport.release(connection)


class _Connection(ResponseHandler):
    """A connection with one request in flight, or idle."""

    def __init__(self, origin: Origin, sock: socket.socket) -> None:
        super().__init__(asyncio.get_running_loop())
        self.origin = origin
        self.heard = False
        """Whether anything has arrived since the latest request."""
        self.idle_since = 0.0
        self._is_idle = False
        self._awaits_head = False
        self._head_left = MAX_HEAD
        self._sock = sock

    async def ask(
        self, content: bytes, *, bodiless: bool
    ) -> tuple[RawResponseMessage, StreamReader]:
        """Send a request; return the final response and its body."""
        self._is_idle = self.heard = False
        self._awaits_head = True
        self._head_left = MAX_HEAD
        self.set_response_params(
            skip_payload=bodiless,
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=BUFFER,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEAD,
        )
        if self.transport is not None:
            self.transport.write(content)
        message, body = await self.read()
        while 100 <= message.code < 200:
            if message.code == httpx.codes.SWITCHING_PROTOCOLS:
                raise httpx.RemoteProtocolError("unasked upgrade")
            message, body = await self.read()
        self._awaits_head = False
        coding = ", ".join(message.headers.getall("Transfer-Encoding", ()))
        if coding and coding.lower() != "chunked":
            raise httpx.RemoteProtocolError("unknown Transfer-Encoding")
        return message, body

    def rest(self) -> bool:
        """Return whether the connection can be used again; close it otherwise."""
        if self.should_close or not self.is_connected():
            self.abort()
            return False
        self._is_idle = True
        self.idle_since = self._loop.time()
        return True

    def is_silent(self) -> bool:
        """Return whether the server has neither closed the idle connection nor sent anything."""
        if self.should_close or not self.is_connected():
            return False
        # The event loop may not know yet.
        with contextlib.suppress(BlockingIOError):
            self._sock.recv(1, socket.MSG_PEEK)
            return False
        return True

    def abort(self) -> None:
        """Close the connection at once, without the farewells of TLS."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse more of the response; close a connection on which the server speaks unasked."""
        if self._is_idle:
            self.abort()
            return
        self.heard = True
        if self._awaits_head:
            # The parser returns no response together with an error in the bytes behind it.
            end = data.find(b"\r\n\r\n") + 4
            self._head_left -= len(data) if end < 4 else end
            if self._head_left < 0:
                too_long = LineTooLong("headers", MAX_HEAD)
                self.set_exception(too_long, too_long)
                self.abort()
                return
            if end >= 4:
                super().data_received(_settled(data[:end]))
                if end == len(data):
                    return
                data = data[end:]
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Fail the response, unless it is complete."""
        if exc is not None:
            # Otherwise a body without a length would end here.
            self.set_exception(exc)
        super().connection_lost(exc)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Fail the response with httpx's error, in its headers or its body."""
        error = _error(exc, exc_cause)
        super().set_exception(error)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(error)


async def _connected(origin: Origin, trust: ssl.SSLContext, progress: Progress) -> _Connection:
    loop = asyncio.get_running_loop()
    progress.reached(Step.CONNECT)
    try:
        addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        sock = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=NEXT_ADDRESS, interleave=1
        )
        tls: dict[str, Any] = {}
        if origin.scheme == "https":
            progress.reached(Step.TLS)
            tls = {
                "ssl": trust,
                "server_hostname": origin.host,
                "ssl_handshake_timeout": HANDSHAKE,
            }
        _, connection = await loop.create_connection(
            lambda: _Connection(origin, sock), sock=sock, **tls
        )
    except (OSError, RuntimeError) as error:
        raise httpx.ConnectError(str(error)) from _reason(error)
    return connection


def _settled(head: bytes) -> bytes:
    """Drop lengths that contradict nothing, which the parser refuses (RFC 9112, section 6.3).

    These are equal ones, and any next to chunks.
    """
    lengths = [length.strip() for each in _LENGTH.findall(head) for length in each.split(b",")]
    chunked = _CHUNKED.search(head)
    if len(lengths) <= (0 if chunked else 1) or not (chunked or len(set(lengths)) == 1):
        return head
    rest = _LENGTH.sub(b"", head)
    return rest if chunked else b"%b\r\nContent-Length: %b\r\n\r\n" % (rest[:-4], lengths[0])


def _reason(error: Exception) -> Exception:
    """Return the reason for which there is no connection."""
    if not isinstance(error, OSError) or error.errno is not None:
        return error
    if isinstance(error, ConnectionError):
        return ssl.SSLEOFError("EOF in the handshake")
    # aiohappyeyeballs joins the texts of several addresses' errors. Those fail together.
    found = _ERRNO.search(str(error))
    return OSError(int(found[1]), str(error)) if found else error


def _error(error: BaseException, cause: object) -> httpx.TransportError:
    """Return httpx's error for a response that is missing, incomplete or invalid."""
    found: httpx.TransportError
    match error:
        case httpx.TransportError():
            return error
        case HttpProcessingError() if isinstance(cause, LineTooLong):
            found = httpx.RemoteProtocolError("headers too large")
        case HttpProcessingError() if isinstance(cause, InvalidHeader):
            found = httpx.RemoteProtocolError("illegal header value")
        case HttpProcessingError():
            # An excerpt of the response follows.
            reason = error.message.partition("\n")[0]
            found = httpx.RemoteProtocolError(f"illegal response: {reason}")
        case ServerDisconnectedError():
            found = httpx.RemoteProtocolError("Server disconnected without sending a response.")
        case _:
            found = httpx.ReadError(str(error))
    found.__cause__ = error
    return found


def _origin(url: httpx.URL) -> Origin:
    if url.scheme not in {"http", "https"} or not url.raw_host:
        raise httpx.UnsupportedProtocol("The URL does not begin with http:// or https://.")
    port = url.port or (443 if url.scheme == "https" else 80)
    return Origin(url.scheme, url.raw_host.decode("ascii"), port)


def _encoded(request: httpx.Request) -> bytes:
    lines = [b"%b: %b\r\n" % field for field in request.headers.raw]
    if not all(map(_FIELD.fullmatch, lines)):
        raise httpx.LocalProtocolError("illegal header")
    target = b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), request.url.raw_path)
    return b"".join((target, *lines, b"\r\n", request.content))
