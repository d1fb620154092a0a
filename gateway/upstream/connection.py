"""A connection to a vendor, over aiohttp's HTTP/1.1 protocol, which parses responses in C.

Errors are those of httpx. Their cause is the error of the operating system or of TLS, if there is
one.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from typing import Any, NamedTuple

import aiohappyeyeballs
import httpx
from aiohttp import ServerDisconnectedError, StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError, InvalidHeader, LineTooLong
from aiohttp.http_parser import RawResponseMessage

from gateway.config.network import Proxy
from gateway.upstream.progress import Progress, Step
from gateway.upstream.tunnel import ProxyRefusedError, open_tunnel

MAX_HEAD = 100 * 2**10
"""Maximum bytes of the status line and the headers of a response."""
BUFFER = 256 * 2**10
"""Bytes of a body that are read ahead; twice as many at most."""
NEXT_ADDRESS = 0.25
"""Seconds before another address of the host is tried as well (RFC 8305, section 8)."""
HANDSHAKE = 24 * 3600.0
"""No limit in practice: the caller's timeout bounds the TLS handshake."""

_LENGTH = re.compile(rb"\r\ncontent-length:([^\r\n]*)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_ERRNO = re.compile(r"\[Errno (\d+)\]")


class Origin(NamedTuple):
    """The server of a URL; ``host`` is in ASCII, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int


class Connection(ResponseHandler):
    """A connection with one request in flight, or idle."""

    def __init__(self, origin: Origin, sock: socket.socket) -> None:
        super().__init__(asyncio.get_running_loop())
        self.origin = origin
        self.idle_since = 0.0
        self._is_idle = False
        self._awaits_head = False
        self._head_left = MAX_HEAD
        self._sock = sock

    async def ask(
        self, content: bytes, *, bodiless: bool
    ) -> tuple[RawResponseMessage, StreamReader]:
        """Send a request; return the final response and its body."""
        self._is_idle = False
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
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def abort(self) -> None:
        """Close the connection at once, without the farewells of TLS."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse more of the response; close a connection on which the server speaks unasked."""
        if self._is_idle:
            self.abort()
            return
        if not data:  # the body has room for what has been read already
            super().data_received(data)
            return
        # A head is parsed by itself: the parser returns no response together with an error in the
        # bytes that follow.
        while data and self._awaits_head and self.exception() is None:
            end = data.find(b"\r\n\r\n") + 4
            head, data = (data, b"") if end < 4 else (data[:end], data[end:])
            self._head_left -= len(head)
            if self._head_left < 0:
                too_long = LineTooLong("headers", MAX_HEAD)
                self.set_exception(too_long, too_long)
                self.abort()
            elif end < 4:
                super().data_received(head)
            else:
                super().data_received(_without_repeated_lengths(head))
        if data and self.exception() is None:
            super().data_received(data)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take a response's head; further bytes are its body, unless another head follows."""
        self._awaits_head = 100 <= data[0].code < 200
        super().feed_data(data, size)

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


async def connect(
    origin: Origin, trust: ssl.SSLContext, progress: Progress, proxy: Proxy | None = None
) -> Connection:
    """Open a connection to a server; ``trust`` is the TLS context for https.

    With a ``proxy``, its name is left to the proxy to resolve, and TLS goes on to the server.
    """
    loop = asyncio.get_running_loop()
    if proxy is None:
        sock = await _dial(origin.host, origin.port, progress)
    else:
        sock = await _through(proxy, origin, progress)
    tls: dict[str, Any] = {}
    if origin.scheme == "https":
        progress.reached(Step.TLS)
        tls = {
            "ssl": trust,
            "server_hostname": origin.host,
            "ssl_handshake_timeout": HANDSHAKE,
        }
    try:
        _, connection = await loop.create_connection(
            lambda: Connection(origin, sock), sock=sock, **tls
        )
    except (OSError, RuntimeError) as error:
        raise httpx.ConnectError(str(error)) from _reason(error)
    return connection


async def _dial(host: str, port: int, progress: Progress) -> socket.socket:
    progress.reached(Step.CONNECT)
    try:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=NEXT_ADDRESS, interleave=1
        )
    except (OSError, RuntimeError) as error:
        raise httpx.ConnectError(str(error)) from _reason(error)


async def _through(proxy: Proxy, origin: Origin, progress: Progress) -> socket.socket:
    """Open a tunnel to the server; httpx.ProxyError if the proxy is at fault."""
    try:
        sock = await _dial(proxy.host, proxy.port, progress)
        progress.reached(Step.PROXY)
        await open_tunnel(sock, origin.host, origin.port, proxy.authorization)
    except (httpx.ConnectError, OSError) as error:
        raise httpx.ProxyError("can't be reached") from error
    except ProxyRefusedError as error:
        raise httpx.ProxyError(str(error)) from error
    return sock


def _without_repeated_lengths(head: bytes) -> bytes:
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
