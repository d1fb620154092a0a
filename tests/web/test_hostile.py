"""What means harm is refused, and the server answers as before; over real HTTP.

How little time and memory it costs the whole process is measured by tests/benchmarks/hostile.py.
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

from gateway.cli import protocol
from gateway.cli.server import listen, serving, url
from gateway.web import body, head
from tests.web.hostile import ATTACKS, JSON, Attack
from tests.web.test_view import DATA, QUERY, client_of, made_app

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAPHQL = "application/graphql-response+json"
MEMORY = 16 * 2**20
"""Bytes that one attack may take at any moment; twice what the dearest does."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Serve the application the way ``gateway serve`` does, however often it is asked."""
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


@pytest.mark.parametrize("name", [attack.name for attack in ATTACKS])
def test_harm_is_refused(client: httpx.Client, name: str) -> None:
    [attack] = [attack for attack in ATTACKS if attack.name == name]
    response = sent(client, attack)
    error = response.json()["errors"][0]
    assert (response.status_code, error["extensions"]["code"]) == (attack.status, attack.code)
    assert len(response.content) < 10_000
    check_health(client)


async def test_harm_takes_little_memory() -> None:
    """Beside the attack itself; what it takes of the time is for the benchmark to tell."""
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


def test_the_server_answers_others_meanwhile(server: str) -> None:
    """Some attack without end, as fast as they are answered."""
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


# What httpx would not send


def connect(server: str) -> socket.socket:
    place = urlsplit(server)
    assert place.hostname
    assert place.port
    return socket.create_connection((place.hostname, place.port), timeout=30)


def raw(server: str, *parts: bytes, between: float | None = None) -> bytes:
    """Send bytes as they are, and give all that comes until the server closes.

    ``between`` is how many seconds an answer is looked for before the next part.
    """
    received = b""
    closed = contextlib.suppress(BrokenPipeError, ConnectionResetError)
    with connect(server) as connection:
        with closed:  # before it had all
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
    """Tell whether the answer is right; it may be lost where more is sent than is read."""
    return not answer or status(answer) == expected


def test_a_long_address_is_refused(client: httpx.Client, server: str) -> None:
    address = b"GET /graphql?query=%7B__typename%7D" + b"%20" * 30_000
    lines = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    # By what comes at once, it is the address that is too long or the head.
    assert status(raw(server, address, lines)) in {400, 431}
    check_health(client)


def test_a_head_without_end_is_refused(client: httpx.Client, server: str) -> None:
    for part in (b"X: y\r\n" * 100, b"X" * 1000, b"X: " + b"y" * 1000 + b"\r\n"):
        assert closed_with(431, raw(server, HEAD, *[part] * 2_000))
    check_health(client)


def test_a_head_that_does_not_come_is_not_waited_for(
    client: httpx.Client, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(protocol, "HEAD_TIMEOUT", 0.05)
        for begun in (b"", b"PO", HEAD):
            assert status(raw(server, begun)) == 408
    check_health(client)


def test_a_body_that_does_not_come_is_not_waited_for(
    client: httpx.Client, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(body, "TIMEOUT", 0.05)
        answer = raw(server, HEAD + b'Content-Length: 100\r\n\r\n{"query": ')
    assert status(answer) == 408
    assert b"The body did not arrive in time." in answer
    check_health(client)


def test_drops_do_not_keep_a_connection(
    client: httpx.Client, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is for the whole head, and the whole body, however little comes at once."""
    drops = [b"x"] * 5_000
    lines = HEAD + b"Content-Length: 10000\r\n\r\n"
    with monkeypatch.context() as patch:
        patch.setattr(protocol, "HEAD_TIMEOUT", 0.1)
        patch.setattr(body, "TIMEOUT", 0.1)
        for beginning in (b"GET /", HEAD + b"X: ", lines):
            assert status(raw(server, beginning, *drops, between=0.01)) == 408
    check_health(client)


def test_many_connections_that_say_little_keep_nobody_away(
    client: httpx.Client, server: str
) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(150):
            connection = stack.enter_context(connect(server))
            connection.sendall([b"", b"PO", HEAD][number % 3])
        with httpx.Client(base_url=server) as newcomer:
            check_health(newcomer)
        check_health(client)


CHUNKED = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("beginning", "part"),
    [
        (b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 10_000),
        (b"2\r\n{}\r\n0\r\nX: ", b"y" * 60_000),
        (b"2;x=", b"y" * 60_000),
    ],
    ids=["trailers", "a trailer", "an extension of a chunk"],
)
def test_what_comes_around_a_body_has_an_end(
    client: httpx.Client, server: str, beginning: bytes, part: bytes
) -> None:
    with connect(server) as connection:
        connection.sendall(CHUNKED + beginning)
        # It closes before it has had 30 MB.
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(part * 500)
    check_health(client)


def test_what_comes_around_a_body_is_no_second_request(client: httpx.Client, server: str) -> None:
    with connect(server) as connection:
        connection.sendall(CHUNKED.replace(b"Connection: close\r\n", b"Accept: text/html\r\n"))
        assert status(connection.recv(65536)) == 406
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b"2;x=" + b"y" * 200_000)
            assert connection.recv(65536) == b""
    check_health(client)


def test_trailers_are_no_headers(client: httpx.Client, server: str) -> None:
    content = json.dumps({"query": QUERY}).encode()
    lines = CHUNKED.replace(b"Content-Type: application/json\r\n", b"")
    chunks = b"%x\r\n%s\r\n0\r\n" % (len(content), content)
    trailer = b"Content-Type: application/json\r\n\r\n"
    assert status(raw(server, lines + chunks + trailer)) == 415
    assert status(raw(server, CHUNKED + chunks + b"X: y\r\n" * 200 + b"\r\n")) == 200
    check_health(client)


def in_packets(server: str, *parts: bytes) -> bytes:
    """Send bytes a packet each, and give all that comes until the server closes."""
    received = b""
    with connect(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            # Time for it to be read; should that not do, the packets come as one.
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


@pytest.mark.parametrize("request_", [SIZED, IN_CHUNKS, IN_CHUNKS + SIZED])
def test_the_offer_of_another_protocol_is_left_aside(server: str, request_: bytes) -> None:
    """Wherever a packet ends, and another request behind it is none of it."""
    expected = [DATA] * (request_.count(HEAD) + 1)
    for place in range(len(request_) + 1):
        answer = in_packets(server, request_[:place], request_[place:] + LAST)
        answers = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert [json.loads(one.partition(b"\r\n\r\n")[2]) for one in answers] == expected, place


def test_what_comes_behind_a_last_request_is_not_held_against_it(server: str) -> None:
    last = SIZED.replace(b"Connection: Upgrade\r\nUPGRADE: h2c", b"Connection: close")
    answer = in_packets(server, SIZED + last + b"GET /healthz HTTP/1.1")
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 ") == 2


@pytest.mark.parametrize("offered", [b"websocket", b"TLS/1.3"])
def test_an_offer_without_a_body_is_left_aside(server: str, offered: bytes) -> None:
    lines = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: %s\r\n" % offered
    packets = (
        lines + b"Connection: Upgrade\r\n\r\n",
        lines + b"Connection: Upgrade, close\r\n\r\n",
    )
    for parts in (packets, [b"".join(packets)]):
        assert in_packets(server, *parts).count(b"HTTP/1.1 200 OK") == 2


def test_the_body_of_an_offer_is_no_second_request(client: httpx.Client, server: str) -> None:
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
def test_what_is_not_http_is_refused_in_the_same_form(server: str, garbage: bytes) -> None:
    answer = raw(server, garbage)
    assert status(answer) == 400
    [error] = json.loads(answer.partition(b"\r\n\r\n")[2])["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"


def test_a_body_without_end_is_refused(client: httpx.Client, server: str) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert closed_with(413, raw(server, head, *[chunk] * 10))
    check_health(client)


def test_whitespace_around_header_values_is_no_part_of_them(server: str) -> None:
    """RFC 9110, 5.5; httptools leaves it at the end, where Host and credentials were misread."""
    answer = raw(
        server,
        b"POST /graphql HTTP/1.1\r\nHost:\tlocalhost \t\r\nX-Request-Id: mine \r\n"
        b"Content-Type: application/json \r\nAccept: application/graphql-response+json\t\r\n"
        b"Cache-Control: \r\nConnection: close \r\nContent-Length: 24 \r\n\r\n"
        b'{"query":"{__typename}"}',
    )
    assert status(answer) == 200
    assert b"x-request-id: mine\r\n" in answer


def test_a_head_as_large_as_is_taken(client: httpx.Client) -> None:
    fits = {"X": "x" * (head.MAX_BYTES - 2000)}
    assert client.post("/graphql", json={"query": QUERY}, headers=fits).json() == DATA
