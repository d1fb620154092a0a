"""Each fault of a vendor has a code and advice, reveals no secret, and costs little memory."""

from __future__ import annotations

import gzip
import itertools
import re
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.exchange import MAX_BYTES
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now
from tests.upstream.network import NOW, Body, call, client_of, document

pytestmark = pytest.mark.sampled(2)


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


CHUNK = 64 * 1024

PYTHON = re.compile(r"\w(Error|Exception)\b|Traceback|None|0x\w{6}|httpx|asyncio|<class|Errno")


def stream(chunks: Any, status: int = 200, end: Exception | None = None, **headers: str) -> Any:
    """Return a handler whose body comes in chunks, and may break off."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, stream=Body(chunks, end), headers=named)


def broken(error: Exception, cause: Exception | None = None) -> Any:
    """Return a handler that raises an error."""

    def respond(_: httpx.Request) -> httpx.Response:
        raise error from cause

    return respond


def endless(chunk: bytes = b"[" * CHUNK) -> Iterator[bytes]:
    return itertools.repeat(chunk)


def bomb(wbits: int) -> bytes:
    """Return compressed data that is a thousand times as long when decompressed."""
    packer = zlib.compressobj(wbits=wbits)
    head = packer.compress(b"[" * MAX_BYTES) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(b"[" * MAX_BYTES) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + 3 * again


GZIP = bomb(zlib.MAX_WBITS + 16)


HTML = "<!DOCTYPE html><title>Sign in</title>"

WHOLE = gzip.compress(b'{"data":[]}')

Case = tuple[str, Any, ErrorCode, str]

CASES: list[Case] = [
    ("401", lambda _: document({}, 401), ErrorCode.UPSTREAM_UNAUTHORIZED, "credential under auth"),
    ("403", lambda _: document({}, 403), ErrorCode.UPSTREAM_FORBIDDEN, "the right to do this"),
    ("404", lambda _: document({}, 404), ErrorCode.UPSTREAM_NOT_FOUND, "Check base_url"),
    ("418", lambda _: document({}, 418), ErrorCode.UPSTREAM_REJECTED, "configuration"),
    ("429", lambda _: document({}, 429), ErrorCode.UPSTREAM_RATE_LIMITED, "Ask again later"),
    ("500", lambda _: document({}, 500), ErrorCode.UPSTREAM_ERROR, "try again later"),
    ("503 HTML", stream([HTML.encode()], 503), ErrorCode.UPSTREAM_ERROR, "try again later"),
    ("520", lambda _: document({}, 520), ErrorCode.UPSTREAM_ERROR, "answered 520 to /logs."),
    (
        "302",
        lambda _: document({}, 302, Location="https://elsewhere.example/"),
        ErrorCode.UPSTREAM_REJECTED,
        "Redirects are not followed; check base_url",
    ),
    (
        "HTML",
        stream([HTML.encode()], Content_Type="text/html; charset=utf-8"),
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        "a web page instead of JSON; check base_url",
    ),
    ("HTML unnamed", stream([b" \n<html>"]), ErrorCode.UPSTREAM_INVALID_RESPONSE, "a web page"),
    ("empty", stream([]), ErrorCode.UPSTREAM_INVALID_RESPONSE, "an empty body; try again"),
    ("blank", stream([b" \n"]), ErrorCode.UPSTREAM_INVALID_RESPONSE, "an empty body"),
    (
        "empty gzip",
        stream([], Content_Encoding="gzip"),
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        "empty",
    ),
    (
        "half",
        stream([b'{"data":[{"id"']),
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        "not whole JSON; try",
    ),
    ("text", stream([b"OK"]), ErrorCode.UPSTREAM_INVALID_RESPONSE, "not whole JSON"),
    ("nested", stream([b"[" * CHUNK]), ErrorCode.UPSTREAM_INVALID_RESPONSE, "not whole JSON"),
    (
        "cut body",
        stream([b'{"data"'], end=httpx.RemoteProtocolError("peer closed connection")),
        ErrorCode.UPSTREAM_UNREACHABLE,
        "broke the connection in the middle of its answer; try again",
    ),
    (
        "reset",
        broken(httpx.ReadError("", request=None)),
        ErrorCode.UPSTREAM_UNREACHABLE,
        "broke the connection",
    ),
    (
        "reset in process",
        broken(ConnectionResetError(104, "Connection reset by peer")),
        ErrorCode.UPSTREAM_UNREACHABLE,
        "broke the connection",
    ),
    (
        "TLS ends while reading",
        broken(ssl.SSLError(1, "[SSL] tlsv13 alert certificate required")),
        ErrorCode.UPSTREAM_UNREACHABLE,
        "it asks for a client certificate",
    ),
    (
        "refused",
        broken(httpx.ConnectError("All connection attempts failed"), OSError(111, "refused")),
        ErrorCode.UPSTREAM_UNREACHABLE,
        "nothing listens on its port (connection refused); check host and port",
    ),
    (
        "no such name",
        broken(httpx.ConnectError("x"), socket.gaierror(-2, "Name or service not known")),
        ErrorCode.UPSTREAM_UNREACHABLE,
        "does not resolve; check the host of base_url",
    ),
    (
        "unknown authority",
        broken(httpx.ConnectError("x"), ssl.SSLCertVerificationError("self-signed")),
        ErrorCode.UPSTREAM_UNREACHABLE,
        "its certificate is not trusted; if it is the vendor's own, or that of a proxy in between,",
    ),
    (
        "no TLS",
        broken(httpx.ConnectError("x"), ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]")),
        ErrorCode.UPSTREAM_UNREACHABLE,
        "its port does not speak TLS; check the port",
    ),
    (
        "slow to read",
        broken(httpx.ReadTimeout("")),
        ErrorCode.UPSTREAM_TIMEOUT,
        "did not answer in time; try again",
    ),
    (
        "packed wrongly",
        stream([b"not gzip"], Content_Encoding="gzip"),
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        "can't be unpacked; check base_url",
    ),
    (
        "packed and cut",
        stream([WHOLE[:-9]], Content_Encoding="gzip"),
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        "can't be unpacked",
    ),
    ("endless", stream(endless()), ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE, "16 MiB. Lower its page"),
    ("endless 401", stream(endless(), 401), ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE, "16 MiB"),
    ("endless 500", stream(endless(), 500), ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE, "16 MiB"),
    (
        "bomb",
        stream([GZIP], Content_Encoding="gzip"),
        ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE,
        "16 MiB",
    ),
]


@pytest.mark.sampled(7)
@pytest.mark.parametrize(
    ("handler", "code", "way_out"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
async def test_fault_has_a_code_and_advice(handler: Any, code: ErrorCode, way_out: str) -> None:
    client = client_of(handler)
    with pytest.raises(UpstreamError) as failure:
        await call(client)
    error, message = failure.value, str(failure.value)
    assert (error.code, error.source) == (code, "shop")
    assert message.startswith("Source shop ")
    assert message.endswith(".")
    assert way_out in message
    assert "s3cr3t" not in message
    assert "fixed" not in message
    assert not PYTHON.search(message)
    assert client.health.last_failure_at == NOW
    assert client.health.last_success_at is None


def every(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for lower in kind.__subclasses__():
        yield from every(lower)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("kind", sorted({*every(httpx.HTTPError)}, key=str))
async def test_every_error_of_httpx_has_a_code(kind: Any) -> None:
    request = httpx.Request("GET", "https://shop.example/logs?secret=s3cr3t")
    arguments: dict[str, Any] = {}
    if kind is httpx.HTTPStatusError:
        arguments = {"request": request, "response": httpx.Response(500)}
    with pytest.raises(UpstreamError) as failure:
        await call(client_of(broken(kind("s3cr3t", **arguments))))
    assert failure.value.code in {
        ErrorCode.UPSTREAM_TIMEOUT,
        ErrorCode.UPSTREAM_UNREACHABLE,
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
    }
    assert "s3cr3t" not in str(failure.value)


@pytest.mark.parametrize("status", [200, 401, 404, 503])
async def test_large_body_is_not_read_to_its_end(status: int) -> None:
    """No more than the limit is read of 200 MB."""
    body = Body(b"x" * CHUNK for _ in range(200 * 2**20 // CHUNK))
    with pytest.raises(UpstreamError):
        await call(client_of(lambda _: httpx.Response(status, stream=body)))
    assert body.taken <= MAX_BYTES + CHUNK
    assert body.closed


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("packed", "packing"),
    [
        (GZIP, "GZIP"),
        (bomb(zlib.MAX_WBITS), "deflate"),
        (gzip.compress(GZIP), "gzip, gzip"),
    ],
    ids=["gzip", "deflate", "twice"],
)
async def test_compression_bomb_is_not_decompressed(packed: bytes, packing: str) -> None:
    """At most 64 KiB contain 64 MiB; decompression stops at the limit."""
    client = client_of(stream([packed], Content_Encoding=packing))
    tracemalloc.start()
    try:
        with pytest.raises(UpstreamError):
            await call(client)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BYTES
    finally:
        tracemalloc.stop()


async def test_body_up_to_the_limit_is_read() -> None:
    content = b'"' + b"x" * (MAX_BYTES - 2) + b'"'
    assert len(await call(client_of(stream([content[:CHUNK], content[CHUNK:]])))) == MAX_BYTES - 2


async def test_gzip_body_is_decompressed_to_its_end() -> None:
    client = client_of(
        stream([WHOLE[:5], WHOLE[5:], b"garbage behind the end"], Content_Encoding="gzip")
    )
    assert await call(client) == {"data": []}


READABLE: list[tuple[bytes, Any]] = [
    (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
    (b'{"a":"\xff\xfe"}', {"a": "\\xff\\xfe"}),
    (b'{"a":"\\ud83d","b":"\\ude00"}', {"a": "\\ud83d", "b": "\\ude00"}),
    (b'{"a":"\\ud83d\\ude00","b":"\\ude00\\ud83d"}', {"a": "😀", "b": "\\ude00\\ud83d"}),
    (b'{"a":"\\\\ud800","b":"\\ud800"}', {"a": "\\ud800", "b": "\\ud800"}),
    (b'{"a":"x\x00\ny"}', {"a": "x\x00\ny"}),
    (b'[{"a":1e400},{"a":-1e400},{"a":1.5}]', [{"a": "1e400"}, {"a": "-1e400"}, {"a": 1.5}]),
    (b'{"a":NaN,"b":-Infinity}', {"a": "NaN", "b": "-Infinity"}),
    (b'{"a":1' + b"0" * 40 + b"}", {"a": 10**40}),
    (b"[" + b"9" * 5000 + b"]", ["9" * 5000]),
]


@pytest.mark.parametrize(("content", "expected"), READABLE, ids=range(len(READABLE)))
async def test_harmless_faults_of_a_document_are_tolerated(content: bytes, expected: Any) -> None:
    read = await call(client_of(stream([content])))
    assert read == expected


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("0", 0.0),
        (formatdate(NOW / 1e9 + 30, usegmt=True), 30.0),
        (formatdate(NOW / 1e9 - 30, usegmt=True), 0.0),
        (formatdate(NOW / 1e9 + 30), 30.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("9" * 400, None),
        ("٣", None),
        ("Wed, 99 Foo 2026 99:99:99 GMT", None),
        (f"Wed, {'9' * 30} Jan 2026 24:00:00 GMT", None),
    ],
)
async def test_retry_after_is_in_seconds(header: str, seconds: float | None) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={b"Retry-After": header.encode()})

    with pytest.raises(UpstreamError) as failure:
        await call(client_of(respond, monotonic=now))
    assert failure.value.retry_after == seconds


async def test_vendors_message_is_shortened_redacted_and_on_one_line() -> None:
    said = "Refused:\x1b[31m\n  https://u:p4ss@a.example " + "x" * 5000
    body = {"errors": [{"status": "E1", "title": said}]}
    with pytest.raises(UpstreamError) as failure:
        await call(client_of(lambda _: document(body, 403, X_Request_Id="r" * 400)))
    error = failure.value
    assert error.vendor_code == "E1"
    assert error.vendor_message is not None
    assert error.vendor_message.startswith("Refused: [31m https://***@a.example xxx")
    assert len(error.vendor_message) == 300
    assert error.vendor_request_id == "r" * 300
    said = "Source shop answered 403 Forbidden to /logs and said: Refused: [31m"
    assert str(error).startswith(said)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-Id": "a"}, "a"),
        ({"X-Shop-Request-Id": "b"}, "b"),
        ({"X-Shop-Request-Id": "b", "X-Request-Id": "a"}, "a"),
        ({"X-Request-Identity": "c"}, None),
        ({}, None),
    ],
)
async def test_request_id_is_found_by_any_vendors_name(
    headers: dict[str, str], expected: str | None
) -> None:
    with pytest.raises(UpstreamError) as failure:
        await call(client_of(lambda _: httpx.Response(404, json={}, headers=headers)))
    assert failure.value.vendor_request_id == expected
