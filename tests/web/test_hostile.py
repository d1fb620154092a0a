"""Attacks over real HTTP: each is refused, and the server goes on answering.

tests/benchmarks/hostile.py measures the time and memory that they take.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import threading
import tracemalloc
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.cli import http_server
from gateway.cli.listening import listen, serving, url
from gateway.web import body
from gateway.web import header_limit as head
from tests.web.hostile import ATTACKS, JSON, Attack
from tests.web.test_view import DATA, QUERY, client_of, made_app

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAPHQL = "application/graphql-response+json"
MEMORY = 16 * 2**20
"""Peak bytes that one attack may allocate; twice the worst today."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Serve the application as ``gateway serve`` does, without a rate limit."""
    app = made_app({"rate": "off"})
    with listen("127.0.0.1", 0) as listener, serving(app, listener, 1.0):
        yield url(listener)


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server) as client:
        yield client


def check_health(client: httpx.Client) -> None:
    assert client.post("/graphql", json={"query": QUERY}).json() == DATA


def sent(client: httpx.Client, attack: Attack) -> httpx.Response:
    headers = {"Content-Type": JSON, "Accept": GRAPHQL, **dict(attack.headers)}
    return client.post("/graphql", content=attack.content, headers=headers)


@pytest.mark.slow
@pytest.mark.parametrize("name", [attack.name for attack in ATTACKS])
def test_attack_is_refused(client: httpx.Client, name: str) -> None:
    [attack] = [attack for attack in ATTACKS if attack.name == name]
    response = sent(client, attack)
    error = response.json()["errors"][0]
    assert (response.status_code, error["extensions"]["code"]) == (attack.status, attack.code)
    assert len(response.content) < 10_000
    check_health(client)


@pytest.mark.slow
async def test_attacks_take_little_memory() -> None:
    """Memory of the attack itself is not counted."""
    taken = {}
    async with client_of(made_app({"rate": "off"})) as client:
        await client.post("/graphql", json={"query": QUERY})
        for attack in ATTACKS:
            headers = {"Content-Type": JSON, "Accept": GRAPHQL, **dict(attack.headers)}
            post = client.build_request("POST", "/graphql", content=attack.content, headers=headers)
            tracemalloc.start()
            try:
                assert (await client.send(post)).status_code == attack.status
                _, taken[attack.name] = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert {name: peak for name, peak in taken.items() if peak > MEMORY} == {}


@pytest.mark.slow
def test_server_answers_others_during_attacks(server: str) -> None:
    """Four clients attack as fast as they get responses."""
    over = threading.Event()
    answers: list[int] = []

    def attack(place: int) -> None:
        with httpx.Client(base_url=server) as client:
            answers.extend(sent(client, attack).status_code for attack in ATTACKS[place::4])
        over.set()

    threads = [threading.Thread(target=attack, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    healthy = 0
    with httpx.Client(base_url=server) as client:
        while not over.is_set() or healthy < 10:
            check_health(client)
            healthy += 1
    for thread in threads:
        thread.join()
    assert len(answers) == len(ATTACKS)
    assert max(answers) < 500


# Requests that httpx would not send


def connect(server: str) -> socket.socket:
    place = urlsplit(server)
    assert place.hostname
    assert place.port
    return socket.create_connection((place.hostname, place.port), timeout=30)


def raw(server: str, *parts: bytes, between: float | None = None) -> bytes:
    """Send raw bytes, and return everything that the server sends until it closes.

    ``between`` is the time in seconds to wait for a response before the next part.
    """
    received = b""
    closed = contextlib.suppress(BrokenPipeError, ConnectionResetError)
    with connect(server) as connection:
        with closed:  # before it received everything
            for part in parts:
                if between and select.select([connection], (), (), between)[0]:
                    break
                connection.sendall(part)
        with closed:
            while chunk := connection.recv(65536):
                received += chunk
    return received


HEAD = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def closed_with(expected: int, answer: bytes) -> bool:
    """Return whether the status is as expected; a close with unread data may lose the response."""
    return not answer or status(answer) == expected


def test_long_address_is_refused(client: httpx.Client, server: str) -> None:
    address = b"GET /graphql?query=%7B__typename%7D" + b"%20" * 30_000
    lines = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    # Depending on how the data is split, the address or the head is too long.
    assert status(raw(server, address, lines)) in {400, 431}
    check_health(client)


def test_endless_head_is_refused(client: httpx.Client, server: str) -> None:
    for part in (b"X: y\r\n" * 100, b"X" * 1000, b"X: " + b"y" * 1000 + b"\r\n"):
        assert closed_with(431, raw(server, HEAD, *[part] * 2_000))
    check_health(client)


def test_slow_head_times_out(
    client: httpx.Client, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(http_server, "HEAD_TIMEOUT", 0.05)
        for begun in (b"", b"PO", HEAD):
            assert status(raw(server, begun)) == 408
    check_health(client)


def test_slow_body_times_out(
    client: httpx.Client, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(body, "TIMEOUT", 0.05)
        answer = raw(server, HEAD + b'Content-Length: 100\r\n\r\n{"query": ')
    assert status(answer) == 408
    assert b"The body did not arrive in time." in answer
    check_health(client)


def test_trickling_request_times_out(
    client: httpx.Client, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeouts cover the whole head and the whole body, not each read."""
    drops = [b"x"] * 5_000
    lines = HEAD + b"Content-Length: 10000\r\n\r\n"
    with monkeypatch.context() as patch:
        patch.setattr(http_server, "HEAD_TIMEOUT", 0.1)
        patch.setattr(body, "TIMEOUT", 0.1)
        for beginning in (b"GET /", HEAD + b"X: ", lines):
            assert status(raw(server, beginning, *drops, between=0.01)) == 408
    check_health(client)


def test_many_slow_connections_do_not_block_others(client: httpx.Client, server: str) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(150):
            connection = stack.enter_context(connect(server))
            connection.sendall([b"", b"PO", HEAD][number % 3])
        with httpx.Client(base_url=server) as newcomer:
            check_health(newcomer)
        check_health(client)


CHUNKED = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("beginning", "part"),
    [
        (b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 10_000),
        (b"2\r\n{}\r\n0\r\nX: ", b"y" * 60_000),
        (b"2;x=", b"y" * 60_000),
    ],
    ids=["trailers", "a trailer", "an extension of a chunk"],
)
def test_chunk_extensions_and_trailers_are_limited(
    client: httpx.Client, server: str, beginning: bytes, part: bytes
) -> None:
    with connect(server) as connection:
        connection.sendall(CHUNKED + beginning)
        # It closes before 30 MB have arrived.
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(part * 500)
    check_health(client)


def test_data_around_a_body_is_not_a_second_request(client: httpx.Client, server: str) -> None:
    with connect(server) as connection:
        connection.sendall(CHUNKED.replace(b"Connection: close\r\n", b"Accept: text/html\r\n"))
        assert status(connection.recv(65536)) == 406
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b"2;x=" + b"y" * 200_000)
            assert connection.recv(65536) == b""
    check_health(client)


def test_trailers_are_not_headers(client: httpx.Client, server: str) -> None:
    content = json.dumps({"query": QUERY}).encode()
    lines = CHUNKED.replace(b"Content-Type: application/json\r\n", b"")
    chunks = b"%x\r\n%s\r\n0\r\n" % (len(content), content)
    trailer = b"Content-Type: application/json\r\n\r\n"
    assert status(raw(server, lines + chunks + trailer)) == 415
    assert status(raw(server, CHUNKED + chunks + b"X: y\r\n" * 200 + b"\r\n")) == 200
    check_health(client)


def in_packets(server: str, *parts: bytes) -> bytes:
    """Send each part in a packet of its own, and return everything that the server sends."""
    received = b""
    with connect(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            # Time for the server to read the packet. If it is too short, the packets arrive as one.
            select.select([connection], (), (), 0.002)
        while chunk := connection.recv(65536):
            received += chunk
    return received


OFFER = HEAD + b"Connection: Upgrade\r\nUPGRADE: h2c\r\n"
CONTENT = json.dumps({"query": QUERY}).encode()
SIZED = OFFER + b"Content-Length: %d\r\n\r\n%s" % (len(CONTENT), CONTENT)
IN_CHUNKS = OFFER + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
    len(CONTENT),
    CONTENT,
)
LAST = SIZED.replace(b"Connection: Upgrade", b"Connection: Upgrade, close")


@pytest.mark.slow
@pytest.mark.parametrize("request_", [SIZED, IN_CHUNKS, IN_CHUNKS + SIZED])
def test_upgrade_offer_with_body_is_ignored(server: str, request_: bytes) -> None:
    """Packets may end anywhere, and a pipelined request stays a request of its own."""
    expected = [DATA] * (request_.count(HEAD) + 1)
    for place in range(len(request_) + 1):
        answer = in_packets(server, request_[:place], request_[place:] + LAST)
        answers = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert [json.loads(one.partition(b"\r\n\r\n")[2]) for one in answers] == expected, place


def test_data_after_the_last_request_is_ignored(server: str) -> None:
    last = SIZED.replace(b"Connection: Upgrade\r\nUPGRADE: h2c", b"Connection: close")
    answer = in_packets(server, SIZED + last + b"GET /healthz HTTP/1.1")
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 ") == 2


@pytest.mark.parametrize("offered", [b"websocket", b"TLS/1.3"])
def test_upgrade_offer_without_body_is_ignored(server: str, offered: bytes) -> None:
    lines = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: %s\r\n" % offered
    packets = (
        lines + b"Connection: Upgrade\r\n\r\n",
        lines + b"Connection: Upgrade, close\r\n\r\n",
    )
    for parts in (packets, [b"".join(packets)]):
        assert in_packets(server, *parts).count(b"HTTP/1.1 200 OK") == 2


def test_body_of_an_upgrade_offer_is_not_a_second_request(
    client: httpx.Client, server: str
) -> None:
    body = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    lines = OFFER + b"Content-Length: %d\r\n\r\n" % len(body)
    for parts in ([lines, body, LAST], [lines + body + LAST]):
        answer = in_packets(server, *parts)
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"400", b"200"]
    check_health(client)


@pytest.mark.parametrize(
    "garbage",
    [b"{}\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
     b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["JSON", "TLS", "a blank", "a tunnel"],
)  # fmt: skip
def test_garbage_gets_a_graphql_response(server: str, garbage: bytes) -> None:
    answer = raw(server, garbage)
    assert status(answer) == 400
    [error] = json.loads(answer.partition(b"\r\n\r\n")[2])["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"


def test_endless_body_is_refused(client: httpx.Client, server: str) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert closed_with(413, raw(server, head, *[chunk] * 10))
    check_health(client)


def test_whitespace_around_header_values_is_stripped(server: str) -> None:
    """RFC 9110, 5.5. httptools keeps trailing whitespace, so Host and credentials were misread."""
    answer = raw(
        server,
        b"POST /graphql HTTP/1.1\r\nHost:\tlocalhost \t\r\nX-Request-Id: mine \r\n"
        b"Content-Type: application/json \r\nAccept: application/graphql-response+json\t\r\n"
        b"Cache-Control: \r\nConnection: close \r\nContent-Length: 24 \r\n\r\n"
        b'{"query":"{__typename}"}',
    )
    assert status(answer) == 200
    assert b"x-request-id: mine\r\n" in answer


def test_largest_allowed_head_is_accepted(client: httpx.Client) -> None:
    fits = {"X": "x" * (head.MAX_BYTES - 2000)}
    assert client.post("/graphql", json={"query": QUERY}, headers=fits).json() == DATA
