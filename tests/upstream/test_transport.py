"""The real transport, over loopback connections: what is sent, how it is read, what is kept."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream import connection as connection_module
from gateway.upstream import transport as transport_module
from gateway.upstream.answer import Answer as Received
from gateway.upstream.auth import FixedCredential
from gateway.upstream.exchange import exchange, http_client
from gateway.upstream.exchange import network_transport as network
from gateway.upstream.network_errors import Peer
from gateway.upstream.operation import Operation
from gateway.upstream.transport import AiohttpTransport
from tests.upstream.network import client_of
from tests.upstream.test_network import identity, pem, server_context

pytestmark = pytest.mark.sampled(6)

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\n{}"
PATIENCE = 10.0
"""Seconds after which a test fails instead of waiting for ever."""
CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Test both event loops: they raise different errors for the same fault."""
    return "asyncio", {"use_uvloop": request.param}


class Connection:
    """The server's side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read a request; return b"" if the client has closed the connection."""
        try:
            async with asyncio.timeout(PATIENCE):
                head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        _, found, rest = head.lower().partition(b"\r\ncontent-length: ")
        return head + await self._reader.readexactly(int(rest.split(b"\r\n")[0]) if found else 0)

    async def send(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def close(self) -> None:
        """Close the connection; the client's kernel knows it then."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def reset(self) -> None:
        """Break the connection, as a proxy does after a time without traffic."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Server:
    """A server whose connections the test serves one by one."""

    def __init__(self) -> None:
        self.url = ""
        self.opened = 0
        self._connections: asyncio.Queue[Connection] = asyncio.Queue()

    async def connection(self) -> Connection:
        async with asyncio.timeout(PATIENCE):
            return await self._connections.get()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        await self._connections.put(Connection(reader, writer))


@contextlib.asynccontextmanager
async def listening(
    host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server()
    async with await asyncio.start_server(server.serve, host, 0, ssl=tls) as listener:
        port = listener.sockets[0].getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        server.url = f"http{'s' if tls else ''}://{name}:{port}"
        yield server
        while not server._connections.empty():
            await server._connections.get_nowait().close()


@contextlib.asynccontextmanager
async def calling(connections: int = 3) -> AsyncIterator[httpx.AsyncClient]:
    client = http_client(network(None, connections - 1))
    try:
        yield client
    finally:
        await client.aclose()


Answer = bytes | Callable[[Connection], Awaitable[None]]


async def answered(*answers: Answer) -> Received | UpstreamError:
    """Call a server that answers the one request in parts, then closes the connection."""
    async with listening() as server, calling() as client:

        async def serve() -> None:
            connection = await server.connection()
            await connection.request()
            for answer in answers:
                if isinstance(answer, bytes):
                    await connection.send(answer)
                else:
                    await answer(connection)
            await connection.close()

        serving = asyncio.create_task(serve())
        try:
            request = client.build_request("GET", f"{server.url}/logs")
            return await exchange(client, request, Peer("shop", "Source shop"))
        except UpstreamError as error:
            return error
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


READABLE: dict[str, bytes] = {
    "length": WHOLE,
    "lower case": OK + b"content-length: 2\r\n\r\n{}",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    "line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n{}",
    "no length": OK + b"\r\n{}",
    "chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "trailer": OK + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX-T: 1\r\n\r\n",
    "small chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 20_000 + CHUNKS,
    "length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "two equal lengths": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "list of lengths": OK + b"Content-Length: 2, 2\r\n\r\n{}",
    "folded header": OK + b"X-A: a\r\n  b\r\nContent-Length: 2\r\n\r\n{}",
    "long header": OK + b"X-A: " + b"a" * 90_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "many headers": OK + b"X-A: a\r\n" * 5_000 + b"Content-Length: 2\r\n\r\n{}",
    "bytes in a header": OK + b"X-A: caf\xe9\r\nContent-Length: 2\r\n\r\n{}",
    "invalid cookie": OK + b"Set-Cookie: ;;=\x01\r\nContent-Length: 2\r\n\r\n{}",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 20 + WHOLE,
    "hints and bytes behind it": b"HTTP/1.1 103 Early Hints\r\n\r\n" + WHOLE + b"junk",
    "bytes behind it": WHOLE + b"junk",
    "another response behind it": WHOLE + b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n[]",
}


@pytest.mark.parametrize("response", READABLE.values(), ids=READABLE)
async def test_response_is_read_in_every_form(response: bytes) -> None:
    half = len(response) // 2
    for parts in ((response,), (response[:half], response[half:])):
        result = await answered(*parts)
        assert not isinstance(result, UpstreamError), result
        assert result.json() == {}


async def test_headers_keep_their_order_and_repetitions() -> None:
    result = await answered(
        OK + b"X-B: 1\r\nx-a:\t2 \t\r\nX-B:3\r\nX-C:\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert not isinstance(result, UpstreamError)
    assert result.headers.raw[:4] == [(b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3"), (b"X-C", b"")]


UNREADABLE: dict[str, tuple[tuple[Answer, ...], str]] = {
    "cut in the headers": ((OK + b"Conte",), "closed the connection without an answer"),
    "reset": ((Connection.reset,), "broke the connection (connection reset)"),
    "reset in the headers": ((OK, Connection.reset), "broke the connection (connection reset)"),
    "cut by length": ((OK + b"Content-Length: 9\r\n\r\n{}",), "in the middle of its answer"),
    "cut between chunks": (
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",),
        "in the middle of its answer",
    ),
    "invalid chunk": (
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", b"zz\r\n"),
        "a body whose chunks are not as HTTP has them",
    ),
    "different lengths": (
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",),
        "a Content-Length that is no number, or with two of them; check any",
    ),
    "endless header": ((OK + b"X-A: " + b"a" * 2_000_000,), "with headers that are too long"),
    "endless headers": ((OK + b"X-A: aaaaa\r\n" * 200_000,), "with headers that are too long"),
    "hints only": ((b"HTTP/1.1 103 Early Hints\r\n\r\n",), "closed the connection without"),
    "upgrade": (
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: Upgrade\r\n\r\n",),
        "a change of the protocol, for which it was not asked",
    ),
    "unknown coding": (
        (OK + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",),
        "a Transfer-Encoding that the gateway does not know",
    ),
    "packed chunks": (
        (OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,),
        "a Transfer-Encoding that the gateway does not know",
    ),
    "invalid header": ((OK + b"X(A): a\r\n\r\n",), "a header that HTTP does not allow"),
    "header with NUL": ((OK + b"X-A: a\0b\r\n\r\n",), "a header that HTTP does not allow"),
    "other protocol": ((b"220 mail.example ESMTP\r\n",), "something that is no HTTP"),
}


@pytest.mark.parametrize(("parts", "told"), UNREADABLE.values(), ids=UNREADABLE)
async def test_missing_or_invalid_response_is_named(parts: tuple[Answer, ...], told: str) -> None:
    error = await answered(*parts)
    assert isinstance(error, UpstreamError)
    assert told in str(error)
    assert error.sent


@pytest.mark.parametrize(
    "head", [b"\r\n", b"Content-Length: 9\r\n\r\n"], ids=["no length", "length"]
)
async def test_reset_in_the_body_is_not_its_end(head: bytes) -> None:
    """Without a length, half a page would pass for a whole one."""
    async with listening() as server, calling() as client:
        call = asyncio.create_task(
            client.send(client.build_request("GET", server.url), stream=True)
        )
        connection = await server.connection()
        await connection.request()
        await connection.send(OK + head + b"{}")
        response = await call
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"{}"
        await connection.reset()
        with pytest.raises(httpx.ReadError) as failure:
            await anext(chunks)
        assert isinstance(failure.value.__cause__, ConnectionResetError)
        await response.aclose()


async def test_request_is_sent_unchanged() -> None:
    """No header is added, and no part of the URL is quoted again."""
    path = "/logs%2Fa/%7Eb//c/d;e?q=a+b%20c&r=%5B&s=[&empty&=&t="
    async with listening() as server:
        client = client_of(
            network(None, 2), base_url=server.url, credential=FixedCredential({"X-Key": "k y"})
        )

        async def serve(count: int) -> list[bytes]:
            connection = await server.connection()
            requests = []
            for _ in range(count):
                requests.append(await connection.request())
                await connection.send(WHOLE)
            await connection.close()
            return requests

        serving = asyncio.create_task(serve(4))
        await client.json(path, operation=Operation(5))
        for method in ("PUT", "DELETE"):
            await client.act(method, "/logs", operation=Operation(5))
        http = client._http
        await http.send(http.build_request("POST", f"{server.url}/token", data={"a": "b c"}))
        requests = await serving
        await client.close()
    host = f"Host: {server.url.removeprefix('http://')}\r\n"
    rest = (
        f"Connection: keep-alive\r\nUser-Agent: {http.headers['user-agent']}\r\n"
        "Accept: application/json\r\nAccept-Encoding: gzip\r\n"
    )
    assert [request.decode() for request in requests] == [
        f"GET {path} HTTP/1.1\r\n{host}{rest}X-Key: k y\r\n\r\n",
        f"PUT /logs HTTP/1.1\r\n{host}Content-Length: 0\r\n{rest}X-Key: k y\r\n\r\n",
        f"DELETE /logs HTTP/1.1\r\n{host}{rest}X-Key: k y\r\n\r\n",
        f"POST /token HTTP/1.1\r\n{host}{rest}Content-Length: 5\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\na=b+c",
    ]


@pytest.mark.parametrize("value", ["a\r\nX-B: b", "a\nb", "a\0"])
async def test_header_with_a_line_break_is_not_sent(value: str) -> None:
    async with listening() as server, calling() as client:
        with pytest.raises(httpx.LocalProtocolError):
            await client.get(server.url, headers={"X-A": value})
        with pytest.raises(httpx.LocalProtocolError):
            await client.get(server.url, headers={value: "a"})
        assert server.opened == 0


async def get(client: httpx.AsyncClient, server: Server, method: str = "GET") -> httpx.Response:
    return await client.request(method, f"{server.url}/logs")


@contextlib.asynccontextmanager
async def kept(server: Server, client: httpx.AsyncClient) -> AsyncIterator[Connection]:
    """Make one call; yield its connection, which is idle now."""
    first = asyncio.create_task(get(client, server))
    connection = await server.connection()
    await connection.request()
    await connection.send(WHOLE)
    await first
    yield connection
    await connection.close()


async def test_connection_is_kept() -> None:
    async with listening() as server, calling() as client, kept(server, client) as connection:
        second = asyncio.create_task(get(client, server))
        assert (await connection.request()).startswith(b"GET /logs ")
        await connection.send(WHOLE)
        assert (await second).content == b"{}"
        assert server.opened == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("end", [Connection.close, Connection.reset], ids=["close", "reset"])
async def test_connection_that_was_closed_is_not_used(
    method: str, end: Callable[[Connection], Awaitable[None]]
) -> None:
    """Even if the event loop has not noticed it: nobody may doubt whether an action happened."""
    async with listening() as server, calling() as client, kept(server, client) as connection:
        await end(connection)
        second = asyncio.create_task(get(client, server, method))
        other = await server.connection()
        assert (await other.request()).startswith(method.encode())
        await other.send(WHOLE)
        assert (await second).content == b"{}"
        assert await connection.request() == b""
        await other.close()


@pytest.mark.parametrize("linger", [0, 1], ids=["close", "reset"])
async def test_end_that_the_event_loop_has_not_seen_is_noticed(linger: int) -> None:
    """The second request begins before the loop can read from the closed connection."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        async with calling() as client:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/logs"
            for _ in range(2):
                call = asyncio.create_task(client.put(url))
                sock, _address = await asyncio.wait_for(loop.sock_accept(listener), PATIENCE)
                with sock:
                    await loop.sock_recv(sock, 1000)
                    await loop.sock_sendall(sock, WHOLE)
                    assert (await call).content == b"{}"
                    ends = struct.pack("ii", linger, 0)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ends)


async def test_body_is_no_head() -> None:
    """On uvloop, a large body may have been read before the caller is given its head."""
    body = b"\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n" + b"x" * 200_000
    async with listening() as server, calling() as client, kept(server, client):
        (idle,) = client._transport._idle  # type: ignore[attr-defined]
        asked = asyncio.create_task(idle.ask(b"", bodiless=False))
        await asyncio.sleep(0)
        idle.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")
        idle.data_received(OK + b"Content-Length: %d\r\n\r\n" % len(body))
        idle.data_received(body[:1000])
        idle.data_received(body[1000:])
        _, content = await asked
        assert await content.read() == body


@pytest.mark.parametrize("end", [Connection.close, Connection.reset], ids=["close", "reset"])
async def test_read_is_sent_again_if_a_kept_connection_closes(
    end: Callable[[Connection], Awaitable[None]],
) -> None:
    """As a call of its own, so that the caller is told how often the vendor was asked."""
    async with listening() as server:
        client = client_of(network(None, 2), base_url=server.url)
        operation = Operation(PATIENCE)
        async with kept(server, client._http) as connection:
            second = asyncio.create_task(client.json("/logs", operation=operation))
            assert await connection.request()
            await end(connection)
            other = await server.connection()
            assert await other.request()
            await other.send(WHOLE)
            assert (await second)[0] == {}
            assert operation.calls == {"shop": 2}
            await other.close()
        await client.close()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH"])
async def test_action_is_not_sent_again_if_a_kept_connection_closes(method: str) -> None:
    """aiohttp's own session would send a PUT or DELETE twice."""
    async with listening() as server:
        client = client_of(network(None, 2), base_url=server.url)
        async with kept(server, client._http) as connection:
            action = asyncio.create_task(client.act(method, "/retry", operation=Operation(5)))
            assert await connection.request()
            await connection.close()
            with pytest.raises(UpstreamError, match="closed the connection without") as failure:
                await action
            assert failure.value.sent
            assert server.opened == 1
        await client.close()


@pytest.mark.parametrize(
    "said",
    [b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"evil"', b"HTTP/1.1", b"\r\n", b"junk"],
)
async def test_unasked_response_does_not_answer_the_next_request(said: bytes) -> None:
    """It may be the answer to another caller's request."""
    async with listening() as server, calling() as client, kept(server, client) as connection:
        await connection.send(said)
        second = asyncio.create_task(get(client, server))
        other = await server.connection()
        await other.request()
        await other.send(WHOLE)
        assert (await second).content == b"{}"
        assert await connection.request() == b""
        await other.close()


@pytest.mark.parametrize(
    "response",
    [
        WHOLE + b"junk",
        WHOLE + WHOLE,
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["junk", "another response", "HTTP/1.0", "close"],
)
async def test_connection_is_closed_after_the_response(response: bytes) -> None:
    async with listening() as server, calling() as client:
        call = asyncio.create_task(get(client, server))
        connection = await server.connection()
        await connection.request()
        await connection.send(response)
        await call
        assert await connection.request() == b""
        await connection.close()


@pytest.mark.parametrize("said", [b"", OK, OK + b"Content-Length: 9\r\n\r\n{"], ids=range(3))
async def test_cancelled_call_closes_its_connection(said: bytes) -> None:
    """The next caller would be given the rest of its response."""
    async with listening() as server, calling() as client:
        call = asyncio.create_task(get(client, server))
        connection = await server.connection()
        await connection.request()
        await connection.send(said)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert await connection.request() == b""
        await connection.close()


async def test_unread_response_closes_its_connection() -> None:
    async with listening() as server, calling() as client:
        request = client.build_request("GET", server.url)
        call = asyncio.create_task(client.send(request, stream=True))
        connection = await server.connection()
        await connection.request()
        await connection.send(OK + b"Content-Length: 9\r\n\r\n{")
        await (await call).aclose()
        assert await connection.request() == b""
        await connection.close()


async def test_cancelled_handshake_closes_its_connection() -> None:
    """A server that does not speak TLS would otherwise hold the socket for a minute."""
    async with listening() as server, calling() as client:
        call = asyncio.create_task(client.get(server.url.replace("http:", "https:")))
        connection = await server.connection()
        assert await connection._reader.read(10)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        with contextlib.suppress(ConnectionError):
            while await connection._reader.read(10_000):
                pass
        await connection.close()


async def test_connections_are_bounded() -> None:
    async with listening() as server, calling(connections=3) as client:
        calls = [asyncio.create_task(get(client, server)) for _ in range(9)]
        connections = [await server.connection() for _ in range(3)]
        for _ in range(3):
            for connection in connections:
                assert await connection.request()
                await connection.send(WHOLE)
        assert [(await call).status_code for call in calls] == [200] * 9
        assert server.opened == 3
        for connection in connections:
            await connection.close()


async def test_idle_connection_makes_room_for_another_host() -> None:
    async with (
        listening() as server,
        listening() as issuer,
        calling(connections=1) as client,
        kept(server, client) as connection,
        kept(issuer, client),
    ):
        assert await connection.request() == b""


async def test_old_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        listening() as server,
        calling() as client,
        kept(server, client) as connection,
    ):
        monkeypatch.setattr(transport_module, "IDLE_SECONDS", -1.0)
        async with kept(server, client):
            assert await connection.request() == b""
        assert server.opened == 2


async def test_close_fails_requests_in_flight() -> None:
    async with listening() as server, calling() as client, kept(server, client) as idle:
        calls = [asyncio.create_task(get(client, server, "PUT")) for _ in range(2)]
        assert await idle.request()
        connection = await server.connection()
        await connection.request()
        await connection.send(OK + b"Content-Length: 9\r\n\r\n{")
        await client.aclose()
        for result in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(result, httpx.TransportError)
        assert await connection.request() == b""
        await connection.close()


async def test_connection_that_opens_during_the_close_is_not_kept() -> None:
    async with listening() as server, calling() as client:
        call = asyncio.create_task(get(client, server))
        connection = await server.connection()
        transport = client._transport
        assert isinstance(transport, AiohttpTransport)
        transport._is_closed = True  # as if the pool had been closed before
        await connection.request()
        await connection.send(WHOLE)
        assert (await call).content == b"{}"
        assert await connection.request() == b""
        await connection.close()


async def test_ipv6_host_is_called() -> None:
    try:
        async with listening("::1") as server, calling() as client:
            call = asyncio.create_task(get(client, server))
            connection = await server.connection()
            assert (
                f"\r\nHost: {server.url.removeprefix('http://')}\r\n"
                in (await connection.request()).decode()
            )
            await connection.send(WHOLE)
            assert (await call).content == b"{}"
            await connection.close()
    except OSError:  # pragma: no cover
        pytest.skip("This machine has no IPv6.")


async def test_response_to_head_has_no_body() -> None:
    async with listening() as server, calling() as client:
        call = asyncio.create_task(get(client, server, "HEAD"))
        connection = await server.connection()
        await connection.request()
        await connection.send(OK + b"Content-Length: 9\r\n\r\n")
        assert (await call).content == b""
        await connection.close()


async def test_tls_connection_is_kept_and_ends_without_farewell(tmp_path: Path) -> None:
    """Many servers close without TLS's close_notify; a body without a length is whole anyway."""
    authority = identity("authority")
    bundle = tmp_path / "authority.pem"
    bundle.write_bytes(pem(authority))
    context = server_context(tmp_path, identity("127.0.0.1", authority))
    async with listening(tls=context) as server:
        client = http_client(network(bundle, 2))
        async with kept(server, client) as connection:
            second = asyncio.create_task(get(client, server))
            await connection.request()
            await connection.send(OK + b"\r\n{}")
            await connection.close()
            assert (await second).content == b"{}"
        assert server.opened == 1
        await client.aclose()


@pytest.mark.parametrize("url", ["ftp://shop.example/", "shop.example", "http://"])
async def test_other_scheme_is_refused(url: str) -> None:
    async with calling() as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get(url)


async def test_reason_of_several_addresses_is_found() -> None:
    """An IPv6 address without a route must not hide that nothing listens on the IPv4 one."""
    told = "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 101] x"
    found = connection_module._reason(OSError(told))
    assert isinstance(found, OSError)
    assert found.errno == errno.ECONNREFUSED
    assert str(connection_module._reason(OSError("x"))) == "x"


async def test_refused_addresses_of_a_name_are_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = client_of(network(None, 2), base_url=f"http://localhost:{port}")
    with pytest.raises(UpstreamError, match=r"\(connection refused\)") as failure:
        await client.json("/logs", operation=Operation(0.05))
    assert failure.value.code is ErrorCode.UPSTREAM_UNREACHABLE
    assert not failure.value.sent
    await client.close()


async def test_certificates_and_host_names_are_verified() -> None:
    transport = network(None, 7)
    assert isinstance(transport, AiohttpTransport)
    trust = transport._trust
    assert (trust.verify_mode, trust.check_hostname) == (ssl.CERT_REQUIRED, True)
    await transport.aclose()


def test_no_transport_needs_an_event_loop_before_its_first_request() -> None:
    network(None, 7)
