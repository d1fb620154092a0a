"""An httpx transport with a pool of connections.

Requests are sent byte for byte as httpx built them. aiohttp's own session would add headers, quote
the URL again, keep cookies, cache addresses, and repeat a PUT or DELETE whose connection broke.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable

import httpx
from aiohttp import ClientPayloadError, StreamReader

from gateway.config.network import Proxy
from gateway.upstream.connection import Connection, Origin, connect
from gateway.upstream.progress import Progress, Step

IDLE_SECONDS = 5.0
"""Seconds for which an idle connection is kept."""

_FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\0\r\n]*\r\n")


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends requests over at most ``connections`` connections, which are kept for a while.

    Each request is sent once, even if the server closes an idle connection at that moment: the
    caller knows whether it may be repeated, and counts what is sent. ``trust`` is the TLS context
    for https, and ``proxy_of`` returns the proxy for the host and port of an https server.
    """

    def __init__(
        self,
        trust: ssl.SSLContext,
        connections: int,
        proxy_of: Callable[[str, int], Proxy | None] = lambda _host, _port: None,
    ) -> None:
        self._trust = trust
        self._proxy_of = proxy_of
        self._most = connections
        self._slots = asyncio.Semaphore(connections)
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._active = 0
        self._is_closed = False

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
            connection = self._kept(origin)
            if connection is None:  # its length is the number of unread responses
                connection = await self._opened(origin, progress)
            return await self._ask(connection, request, content, progress)
        except BaseException:
            self._leave()
            raise

    async def aclose(self) -> None:
        """Close all connections; requests in flight fail."""
        self._is_closed = True
        for connection in (*self._idle, *self._busy):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # lets the event loop close the sockets

    def release(self, connection: Connection) -> None:
        """Keep a connection after its response, unless it is unread, or either side closes it."""
        self._busy.discard(connection)
        if self._is_closed:
            connection.abort()
        elif connection.rest():
            self._idle.append(connection)
        self._leave()

    def _leave(self) -> None:
        self._active -= 1
        self._slots.release()

    async def _ask(
        self, connection: Connection, request: httpx.Request, content: bytes, progress: Progress
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

    def _kept(self, origin: Origin) -> Connection | None:
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

    async def _opened(self, origin: Origin, progress: Progress) -> Connection:
        if self._idle and len(self._idle) + self._active > self._most:
            self._idle.pop(0).abort()
        # Other schemes are allowed on this machine alone.
        proxy = self._proxy_of(origin.host, origin.port) if origin.scheme == "https" else None
        return await connect(origin, self._trust, progress, proxy)


class _Body(httpx.AsyncByteStream):
    """The body of a response, which returns the connection when it is closed."""

    def __init__(
        self, transport: AiohttpTransport, connection: Connection, content: StreamReader
    ) -> None:
        self._transport = transport
        self._connection: Connection | None = connection
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
