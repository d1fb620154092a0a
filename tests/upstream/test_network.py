"""Errors name each network and TLS cause, since operators act on them. Uses real sockets."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.exchange import network_transport as real_network
from gateway.upstream.operation import Operation
from tests.upstream.network import client_of

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Identity(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def identity(
    name: str, issuer: Identity | None = None, *, days: tuple[int, int] = (-1, 1)
) -> Identity:
    """Issue a certificate for 127.0.0.1 or a host name, valid between two days relative to now."""
    now = dt.datetime.now(dt.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    alternative: x509.GeneralName = x509.DNSName(name)
    if name[0].isdigit():
        alternative = x509.IPAddress(ipaddress.ip_address(name))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(
            x509.BasicConstraints(ca=name == "authority", path_length=None), critical=True
        )
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Identity(certificate, key)


def pem(*identities: Identity) -> bytes:
    encoding = serialization.Encoding.PEM
    return b"".join(each.certificate.public_bytes(encoding) for each in identities)


def key_pem(owner: Identity) -> bytes:
    return owner.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def server_context(folder: Path, *chain: Identity) -> ssl.SSLContext:
    """Create a server's TLS context from its certificate and the intermediate ones."""
    file = folder / "server.pem"
    file.write_bytes(key_pem(chain[0]) + pem(*chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    await writer.drain()
    writer.close()


async def result_of(
    serve: Serve,
    *,
    tls: ssl.SSLContext | None = None,
    scheme: str = "http",
    trusted: Path | None = None,
    seconds: float = 5.0,
    action: bool = False,
) -> Any:
    """Call a server on a free port, and return the document or the error."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"{scheme}://127.0.0.1:{port}"
        client = client_of(real_network(trusted, 2), base_url=url, timeout=seconds)
        try:
            if action:
                return await client.act("PUT", "/retry", operation=Operation(5))
            return (await client.json("/logs", operation=Operation(5)))[0]
        except UpstreamError as error:
            return error
        finally:
            await client.close()


@pytest.fixture(scope="module")
def authority() -> Identity:
    return identity("authority")


@pytest.fixture
def trusted(tmp_path: Path, authority: Identity) -> Path:
    file = tmp_path / "authority.pem"
    file.write_bytes(pem(authority))
    return file


async def test_private_authority_in_the_bundle_is_trusted(
    tmp_path: Path, authority: Identity, trusted: Path
) -> None:
    context = server_context(tmp_path, identity("127.0.0.1", authority))
    assert await result_of(answer, tls=context, scheme="https", trusted=trusted) == {}


@pytest.mark.slow
async def test_certificate_fault_is_named(
    tmp_path: Path, authority: Identity, trusted: Path
) -> None:
    middle = identity("authority", authority)
    cases = [
        (identity("127.0.0.1"), None, "its certificate is self-signed; if it is the vendor's own"),
        (identity("127.0.0.1", authority), None, "authority that is not trusted"),
        (identity("127.0.0.1", middle), trusted, "authority that is not trusted"),
        (identity("127.0.0.1", authority, days=(-9, -1)), trusted, "has expired"),
        (identity("127.0.0.1", authority, days=(1, 9)), trusted, "is not valid yet"),
        (identity("elsewhere.example", authority), trusted, "for another address"),
        (identity("127.0.0.2", authority), trusted, "for another address"),
    ]
    for server, bundle, told in cases:
        context = server_context(tmp_path, server)
        error = await result_of(answer, tls=context, scheme="https", trusted=bundle)
        assert error.code is ErrorCode.UPSTREAM_UNREACHABLE
        assert not error.sent
        assert "could not be reached safely: its certificate" in str(error)
        assert told in str(error), told
        assert ("set ca_bundle to a PEM file" in str(error)) == ("trusted" in told or not bundle)


async def test_host_name_missing_in_the_certificate_is_named(
    tmp_path: Path, authority: Identity, trusted: Path
) -> None:
    context = server_context(tmp_path, identity("elsewhere.example", authority))
    async with await asyncio.start_server(answer, "localhost", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        client = client_of(real_network(trusted, 2), base_url=f"https://localhost:{port}")
        with pytest.raises(UpstreamError, match="is for another host name; check the host"):
            await client.json("/logs", operation=Operation(5))
        await client.close()


async def test_tls_to_a_plain_http_port_is_named() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    error = await result_of(serve, scheme="https")
    assert "its port does not speak TLS; check the port of base_url, or begin it" in str(error)


async def test_plain_http_to_a_tls_port_is_named(tmp_path: Path, authority: Identity) -> None:
    context = server_context(tmp_path, identity("127.0.0.1", authority))
    error = await result_of(answer, tls=context)
    assert "begin base_url with https://" in str(error)


TLS = "Its port wants TLS; begin base_url with https://."


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"<html>The plain HTTP request was sent to HTTPS port</html>", TLS),
        (b"Client sent an HTTP request to an HTTPS server.\n", TLS),
        (b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />", TLS),
        (b"<html>400 No required SSL certificate was sent</html>", "wants a client certificate"),
    ],
    ids=["nginx", "Go", "Apache", "client certificate"],
)
async def test_plain_http_response_of_a_tls_server_is_recognised(said: bytes, told: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = str(len(said)).encode()
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: " + length + b"\r\n\r\n" + said)
        writer.close()

    assert told in str(await result_of(serve))


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "its port does not speak TLS"),
        ("[SSL: RECORD_LAYER_FAILURE] record layer failure", "its port does not speak TLS"),
        ("[SSL] tlsv13 alert certificate required", "it asks for a client certificate"),
        ("[SSL: TLSV1_ALERT_PROTOCOL_VERSION] x", "it speaks no version of TLS"),
        ("[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol", "it speaks no version of TLS"),
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] x", "it offers no cipher that is safe"),
        ("[SSL: DH_KEY_TOO_SMALL] dh key too small", "it offers no cipher that is safe"),
        ("[SSL: TLSV1_UNRECOGNIZED_NAME] x", "it has no certificate for that host name"),
        ("[SSL: INTERNAL_ERROR] internal error", "TLS failed; check scheme and port of base_url"),
    ],
)
async def test_tls_fault_is_named(reason: str, told: str) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("x") from ssl.SSLError(1, reason)

    with pytest.raises(UpstreamError) as failure:
        await client_of(respond).json("/logs", operation=Operation(5))
    assert f"could not be reached safely: {told}" in str(failure.value)


async def test_connection_closed_in_the_tls_handshake_is_named() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.close()

    error = await result_of(serve, scheme="https")
    assert "it closed the connection instead of agreeing on TLS" in str(error)


async def test_refused_connection_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = client_of(real_network(None, 2), base_url=f"http://127.0.0.1:{port}")
    with pytest.raises(UpstreamError, match=r"nothing listens on its port \(connection refused\)"):
        await client.json("/logs", operation=Operation(5))
    await client.close()


async def test_reset_connection_is_named() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    error = await result_of(serve)
    assert "broke the connection (connection reset); try again" in str(error)
    assert error.sent


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "closed the connection without an answer; try again, and check base_url"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "answered with something that is no HTTP; check the port"),
        (
            b"\x15\x03\x01\x00\x02\x02\x46\r\n",
            "no HTTP; check the port of base_url: begin base_url with https:// if",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            "broke the connection in the middle of its answer; try again",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "answered with a Transfer-Encoding that the gateway does not know; check any proxy",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
            "answered with a body whose chunks are not as HTTP has them",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
            "answered with a Content-Length that is no number",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            "answered with a Content-Length that is no number, or with two of them",
        ),
        (
            b"HTTP/1.1 200 OK\r\nno header\r\n\r\n{}",
            "answered with a header that HTTP does not allow",
        ),
        (
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n{}",
            "answered with headers that are too long",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            "answered with a change of the protocol",
        ),
    ],
)
async def test_invalid_or_incomplete_http_is_named(said: bytes, told: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    assert told in str(await result_of(serve))


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[")
    await reader.read()
    writer.close()


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("serve", "scheme", "told", "sent"),
    [
        (silent, "http", "did not answer within 0.1 seconds. Try again, or raise its", True),
        (silent, "https", "did not agree on TLS within 0.1 seconds. Check scheme and port", False),
        (dripping, "http", "did not finish its answer within 0.1 seconds. Try again", True),
    ],
)
async def test_timeout_names_the_step_that_took_too_long(
    serve: Serve, scheme: str, told: str, sent: bool
) -> None:
    """Without a connection, an action has certainly not happened."""
    for action in (False, True):
        error = await result_of(serve, scheme=scheme, seconds=0.1, action=action)
        assert error.code is ErrorCode.UPSTREAM_TIMEOUT
        assert told in str(error)
        assert error.sent == sent


async def test_connection_timeout_is_named() -> None:
    """With a full backlog, the kernel drops new connections as a firewall would."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        queued = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(address)
            queued.append(sock)
        client = client_of(
            real_network(None, 2), base_url=f"http://127.0.0.1:{address[1]}", timeout=0.1
        )
        with pytest.raises(UpstreamError, match="could not be connected to within") as failure:
            await client.json("/logs", operation=Operation(5))
        assert not failure.value.sent
        await client.close()
        for sock in queued:
            sock.close()


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "its host name does not resolve; check the host"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "can't be looked up; try again, and check"),
        (socket.gaierror(socket.EAI_FAIL, "x"), "can't be looked up; check the name servers"),
        (OSError(errno.ENETUNREACH, "x"), "this machine has no route to its network"),
        (OSError(errno.EHOSTUNREACH, "x"), "there is no route to its host"),
        (OSError(errno.ETIMEDOUT, "x"), "its host did not accept a connection in time"),
        (OSError(errno.EACCES, "x"), "this machine does not let the gateway connect"),
        (OSError(errno.EMFILE, "x"), "the gateway has too many files open"),
        (
            ExceptionGroup("x", [OSError(errno.ECONNREFUSED, "x"), OSError(errno.ENETDOWN, "x")]),
            "nothing listens on its port (connection refused)",
        ),
    ],
    ids=repr,
)
async def test_operating_system_error_is_named(cause: Exception, told: str) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("All connection attempts failed") from OSError("x")

    def respond(request: httpx.Request) -> httpx.Response:
        try:
            raise cause
        except Exception as error:
            raise httpx.ConnectError("All connection attempts failed", request=request) from error

    client = client_of(respond)
    with pytest.raises(UpstreamError) as failure:
        await client.json("/logs", operation=Operation(5))
    assert told in str(failure.value)
    with pytest.raises(UpstreamError, match="nothing answers there; check base_url"):
        await client_of(refuse).json("/logs", operation=Operation(5))


async def test_invalid_host_name_is_named() -> None:
    name = "a" * 64
    client = client_of(real_network(None, 2), base_url=f"http://{name}.example")
    with pytest.raises(UpstreamError, match=r"(address is none|does not resolve); check"):
        await client.json("/logs", operation=Operation(5))
    await client.close()


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://shop.example/logs", ": this one points to https://shop.example."),
        ("https://u:s3cr3t@login.example:8443/?token=s3cr3t", "points to https://login.example:84"),
        ("/login?next=s3cr3t", ", and whether a login page stands in between."),
        ("", ", and whether a login page stands in between."),
        ("mailto:a@b.example", "check base_url."),
        ("http://shop.example:x/", "a redirect to an address that is none; check base_url."),
    ],
)
async def test_redirect_names_its_target(location: str, told: str) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"Location": location})

    client = client_of(respond, base_url="http://shop.example")
    with pytest.raises(UpstreamError) as failure:
        await client.json("/logs", operation=Operation(5))
    assert told in str(failure.value)
    assert "s3cr3t" not in str(failure.value)
