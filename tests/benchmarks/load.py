"""Load on one server: wrk where it is installed, else a client of raw sockets.

The client is a process of its own, ``python -m tests.benchmarks.load FILE``. It is also used where
each answer has to be checked, or each request has other headers.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from tests.benchmarks.answers import NUMBER, Form, WrongAnswerError, check
from tests.benchmarks.audit_list import Row

SCRIPT = Path(__file__).parent / "peers/load.lua"
STEP = 7368787
"""Between two numbers, so that a server that rounds them still sees different ones."""


class Request(msgspec.Struct):
    """A request, and the index of the expectation that its answer is checked by."""

    headers: dict[str, str]
    body: str
    expected: int = 0


class Expected(msgspec.Struct):
    """The rows of a right answer."""

    form: Form
    rows: list[Row]
    bodies: bool = True


class Load(msgspec.Struct):
    """What one run of the client does; requests come in turn, from a random order."""

    url: str
    connections: int
    seconds: int
    start: int
    requests: list[Request]
    expected: list[Expected] = []


class Result(NamedTuple):
    """The figures of a run; latencies in milliseconds, ``size`` the bytes of a response."""

    requests: int
    seconds: float
    size: float
    p50: float
    p99: float
    faults: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def run(load: Load, folder: Path) -> Result:
    """Run a load; raise WrongAnswerError unless every answer was as it should be."""
    if len(load.requests) > 1 or load.expected or not shutil.which("wrk"):
        result = _run_client(load, folder)
    else:
        result = _run_wrk(load)
    if result.faults or not result.requests:
        raise WrongAnswerError(f"{result.faults} faults in {result.requests} requests")
    return result


def _run_wrk(load: Load) -> Result:
    [request] = load.requests
    environment = os.environ | {
        "LOAD_HEADERS": "\n".join(f"{name}: {it}" for name, it in request.headers.items()),
        "LOAD_BODY": request.body,
        "LOAD_START": str(load.start),
    }
    options = [f"-c{load.connections}", f"-d{load.seconds}s", "--timeout", "30s"]
    done = subprocess.run(  # noqa: S603 - it is wrk
        [shutil.which("wrk") or "wrk", "-t1", *options, "-s", str(SCRIPT), load.url],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if found is None:
        raise WrongAnswerError(f"wrk failed: {done.stdout}{done.stderr}")
    return Result(**json.loads(found[1]))


def _run_client(load: Load, folder: Path) -> Result:
    file = folder / "load.json"
    file.write_bytes(msgspec.json.encode(load))
    done = subprocess.run(  # noqa: S603 - it is this module
        [sys.executable, "-m", "tests.benchmarks.load", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WrongAnswerError(done.stderr.strip().splitlines()[-1])
    return Result(**json.loads(done.stdout))


class Client:
    """Sends the requests of a load in turn, and gathers the figures."""

    def __init__(self, load: Load) -> None:
        self.times: list[float] = []
        self.size = 0
        self.failure: Exception | None = None
        self._load = load
        self._right: dict[int, bytes] = {}
        order = list(load.requests)
        random.Random(0).shuffle(order)
        prepared = [(_head(load.url, it), it.body.encode(), it.expected) for it in order]
        self._requests: Iterator[tuple[bytes, bytes, int]] = itertools.cycle(prepared)
        self._numbers = itertools.count(load.start)

    def next(self) -> tuple[bytes, int]:
        """Return the next request, and the index of what its answer is to be."""
        head, body, expected = next(self._requests)
        number = 100_000_000 + next(self._numbers) * STEP % 900_000_000
        return head + body.replace(NUMBER.encode(), b"%d" % number), expected

    def received(self, seconds: float, head: bytes, body: bytes, expected: int) -> None:
        """Count an answer, and check it. One that was found right before is right again."""
        self.times.append(seconds * 1000)
        self.size += len(head) + len(body)
        if not head.startswith(b"HTTP/1.1 200"):
            raise WrongAnswerError(f"{head[:40]!r}: {body[:300]!r}")
        if self._load.expected and self._right.get(expected) != body:
            right = self._load.expected[expected]
            check(body, right.form, right.rows, bodies=right.bodies)
            self._right[expected] = body

    async def run(self) -> Result:
        """Send requests until the time is over."""
        parts = urlsplit(self._load.url)
        loop = asyncio.get_running_loop()
        connections = []
        begun = time.perf_counter()
        for _ in range(self._load.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self), parts.hostname or "", parts.port or 80
            )
            connections.append(connection)
        done, _ = await asyncio.wait(
            [it.ended for it in connections],
            timeout=self._load.seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        for ended in done:
            ended.result()
        seconds = time.perf_counter() - begun
        times = sorted(self.times) or [0.0]
        count = len(self.times)
        p50, p99 = (times[int(share * (len(times) - 1))] for share in (0.5, 0.99))
        return Result(count, seconds, self.size / max(count, 1), p50, p99, 0)


class Connection(asyncio.Protocol):
    """One connection, which has one request in flight at a time."""

    def __init__(self, client: Client) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = client
        self._received = bytearray()
        self._sent = 0.0
        self._expected = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        request, self._expected = self._client.next()
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        head = bytes(self._received[:end])
        length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        if length is not None:
            complete = len(self._received) >= end + int(length[1])
        else:
            complete = self._received.endswith(b"\r\n0\r\n\r\n")
        if complete and not self.ended.done():
            seconds = time.perf_counter() - self._sent
            body = bytes(self._received[end:])
            self._received.clear()
            try:
                self._client.received(seconds, head, body, self._expected)
            except WrongAnswerError as error:
                self.ended.set_exception(error)
                return
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or WrongAnswerError("the server closed a connection"))


def _head(url: str, request: Request) -> bytes:
    parts = urlsplit(url)
    length = len(request.body.encode()) + request.body.count(NUMBER) * (9 - len(NUMBER))
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


if __name__ == "__main__":
    chosen = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Load)
    print(json.dumps(asyncio.run(Client(chosen).run())._asdict()))
