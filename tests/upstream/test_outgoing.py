"""Proxies, client certificates and trust, over real TLS on loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config.network import Proxy
from gateway.errors import ErrorCode, UpstreamError
from gateway.settings import load
from gateway.sources import _network
from gateway.upstream import exchange
from gateway.upstream.client import UpstreamClient
from gateway.upstream.exchange import network_transport
from gateway.upstream.operation import Operation
from tests.upstream.network import client_of
from tests.upstream.test_network import Identity, answer, identity, key_pem, pem, server_context

CONNECTED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"
USER = "Basic " + base64.b64encode(b"ada:p:ss").decode()


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="module")
def authority() -> Identity:
    return identity("authority")


@pytest.fixture
def bundle(tmp_path: Path, authority: Identity) -> Path:
    file = tmp_path / "authority.pem"
    file.write_bytes(pem(authority))
    return file


@pytest.fixture
async def vendor(tmp_path: Path, authority: Identity) -> AsyncIterator[int]:
    """Return the port of a vendor that is called vendor.example."""
    tls = server_context(tmp_path, identity("vendor.example", authority))
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


class ConnectProxy:
    """An HTTP proxy that connects each tunnel to one port, whatever host was asked for.

    ``said`` is its answer; one that does not begin with a success opens no tunnel.
    """

    def __init__(self, target: int, said: bytes = CONNECTED) -> None:
        self.port = 0
        self.requests: list[str] = []
        self._target = target
        self._said = said

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self._said)
            if self._said == CONNECTED:
                there, back = await asyncio.open_connection("127.0.0.1", self._target)
                await asyncio.gather(copy(reader, back), copy(there, writer))
        writer.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while content := await reader.read(2**16):
            writer.write(content)
    writer.close()


@contextlib.asynccontextmanager
async def proxied(target: int, said: bytes = CONNECTED) -> AsyncIterator[ConnectProxy]:
    proxy = ConnectProxy(target, said)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy


@contextlib.asynccontextmanager
async def calling(url: str, *args: Any, **options: Any) -> AsyncIterator[UpstreamClient]:
    client = client_of(network_transport(*args, **options), base_url=url)
    try:
        yield client
    finally:
        await client.close()


async def fetch(client: UpstreamClient, seconds: float = 5.0) -> Any:
    return (await client.json("/logs", operation=Operation(seconds)))[0]


async def failure(url: str, *args: Any, **options: Any) -> UpstreamError:
    async with calling(url, *args, **options) as client:
        with pytest.raises(UpstreamError) as caught:
            await client.act("PUT", "/retry", operation=Operation(5))
    return caught.value


# Proxies


async def test_proxy_opens_a_tunnel_to_the_name(bundle: Path, vendor: int) -> None:
    """The proxy resolves the name, and sees neither the path nor the credential."""
    async with proxied(vendor) as proxy:
        address = Proxy("127.0.0.1", proxy.port, USER)
        async with calling("https://vendor.example", bundle, 2, proxy=address) as client:
            assert await fetch(client) == {}
    assert proxy.requests == [
        "CONNECT vendor.example:443 HTTP/1.1\r\nHost: vendor.example:443\r\n"
        f"Proxy-Authorization: {USER}\r\n\r\n"
    ]


async def test_environment_decides_without_a_setting(
    bundle: Path, vendor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(vendor) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:p%3Ass@127.0.0.1:{proxy.port}")
        async with calling("https://vendor.example", bundle, 2) as client:
            assert await fetch(client) == {}
    assert f"Proxy-Authorization: {USER}" in proxy.requests[0]


async def test_loopback_is_never_proxied_by_the_environment(
    tmp_path: Path, bundle: Path, authority: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tunnel on this machine, or the demo, works wherever HTTPS_PROXY is set."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    tls = server_context(tmp_path, identity("127.0.0.1", authority))
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        async with calling(f"https://127.0.0.1:{port}", bundle, 2) as client:
            assert await fetch(client) == {}


REFUSALS = [
    (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n<p>", "wants a user name and a password"),
    (b"HTTP/1.1 403 Forbidden\r\n\r\n", "its proxy refused to connect to it (status 403)"),
    (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "its proxy refused to connect to it (status 502)"),
    (b"HTTP/1.1 200 OK\r\n", "not as an HTTP proxy does"),
    (b"HTTP/1.1 200 OK\r\n\r\njunk", "not as an HTTP proxy does"),
    (b"SSH-2.0-OpenSSH\r\n", "not as an HTTP proxy does"),
    (b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000, "not as an HTTP proxy does"),
    (b"", "not as an HTTP proxy does"),
]


@pytest.mark.parametrize(("said", "told"), REFUSALS)
async def test_proxy_that_opens_no_tunnel_is_named(bundle: Path, said: bytes, told: str) -> None:
    """Nothing was sent to the vendor, so that an action is known not to have happened."""
    async with proxied(0, said) as proxy:
        address = Proxy("127.0.0.1", proxy.port, USER)
        error = await failure("https://vendor.example", bundle, 2, proxy=address)
    assert told in str(error)
    assert (error.code, error.sent) == (ErrorCode.UPSTREAM_UNREACHABLE, False)
    assert USER not in str(error)


async def test_proxy_that_is_not_running_is_named(bundle: Path) -> None:
    error = await failure("https://vendor.example", bundle, 2, proxy=Proxy("127.0.0.1", 1))
    assert "its proxy does not answer" in str(error)
    assert not error.sent


async def test_slow_proxy_is_named(bundle: Path) -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        address = Proxy("127.0.0.1", server.sockets[0].getsockname()[1])
        async with calling("https://vendor.example", bundle, 2, proxy=address) as client:
            with pytest.raises(UpstreamError, match="its proxy did not open a way") as caught:
                await fetch(client, 0.05)
    assert caught.value.code is ErrorCode.UPSTREAM_TIMEOUT
    assert not caught.value.sent


async def test_certificate_is_verified_through_a_proxy(bundle: Path, vendor: int) -> None:
    async with proxied(vendor) as proxy:
        address = Proxy("127.0.0.1", proxy.port)
        error = await failure("https://other.example", bundle, 2, proxy=address)
    assert "for another host name" in str(error)


# Client certificates and trust


def mutual(folder: Path, authority: Identity) -> ssl.SSLContext:
    """Return the TLS context of a server that asks for certificates of the authority."""
    tls = server_context(folder, identity("127.0.0.1", authority))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(cadata=pem(authority).decode())
    return tls


def refuse(listener: socket.socket, tls: ssl.SSLContext) -> None:
    """Refuse one client's certificate with an alert, which asyncio's servers do not send."""
    raw, _ = listener.accept()
    with tls.wrap_socket(raw, server_side=True, do_handshake_on_connect=False) as connection:
        with contextlib.suppress(ssl.SSLError):
            connection.do_handshake()
        connection.shutdown(socket.SHUT_WR)
        while os.read(connection.fileno(), 1000):
            pass  # a reset would take the alert away from the client


SOURCE = """
[[sources]]
name = "shop"
provider = "elastic-path"
base_url = "{url}"
ca_bundle = "authority.pem"
{keys}
[sources.auth]
type = "client-credentials"
client_id = {{ env = "A" }}
client_secret = {{ env = "A" }}
"""


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("in_one_file", [True, False])
async def test_client_certificate_of_the_settings_is_shown(
    tmp_path: Path, authority: Identity, version: ssl.TLSVersion, in_one_file: bool
) -> None:
    own = identity("gateway.example", authority)
    if in_one_file:
        (tmp_path / "own.pem").write_bytes(pem(own) + key_pem(own))
        keys = 'client_certificate = "own.pem"\n'
    else:
        (tmp_path / "own.pem").write_bytes(pem(own))
        (tmp_path / "own.key").write_bytes(key_pem(own))
        keys = 'client_certificate = "own.pem"\nclient_key = "own.key"\n'
    tls = mutual(tmp_path, authority)
    tls.maximum_version = version
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        (tmp_path / "gateway.toml").write_text(SOURCE.format(url=url, keys=keys))
        settings = load(tmp_path / "gateway.toml", {"A": "a"}).sources[0]
        client = client_of(_network(settings), base_url=url)
        assert await fetch(client) == {}
        await client.close()


async def test_missing_or_unknown_client_certificate_is_named(
    tmp_path: Path, bundle: Path, authority: Identity
) -> None:
    stranger = identity("gateway.example")
    file = tmp_path / "stranger.pem"
    file.write_bytes(pem(stranger) + key_pem(stranger))
    tls = mutual(tmp_path, authority)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        for client, told in {
            None: "set client_certificate and client_key",
            (file, None): "does not accept the gateway's certificate",
        }.items():
            refusing = asyncio.create_task(asyncio.to_thread(refuse, listener, tls))
            assert told in str(await failure(url, bundle, 2, client=client))
            await refusing


async def test_authorities_of_the_environment_are_trusted(
    tmp_path: Path, bundle: Path, authority: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable stands in for every source without a bundle of its own."""
    tls = server_context(tmp_path, identity("127.0.0.1", authority))
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        usual: Callable[[], None] = exchange._usual_trust.cache_clear
        usual()
        assert "authority that is not trusted" in str(await failure(url, None, 2))
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        usual()
        try:
            async with calling(url, None, 2) as client:
                assert await fetch(client) == {}
        finally:
            usual()
