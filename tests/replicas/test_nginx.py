"""To whom nginx passes a request, by the configuration of the deployment."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from tests.replicas.cluster import Replica, proxied
from tests.web.test_workers import PATIENCE


class Handler(http.server.BaseHTTPRequestHandler):
    """Counts requests, and answers if the server does."""

    server: Server

    def do_POST(self) -> None:
        self.server.asked += 1
        if self.server.answers:
            self.send_response(200)
            self.end_headers()
        self.close_connection = True

    do_GET = do_POST  # noqa: N815 - the name of the base class

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.HTTPServer):
    """A replica that answers, or closes the connection after it has read a request."""

    asked = 0

    def __init__(self, replica: Replica, *, answers: bool) -> None:
        super().__init__(("127.0.0.1", replica.port), Handler)
        self.answers = answers

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        with self:
            thread.start()
            try:
                yield self
            finally:
                self.shutdown()
                thread.join(PATIENCE)


@pytest.fixture
def replicas(tmp_path: Path) -> Sequence[Replica]:
    """Two replicas that have not been started."""
    return [Replica(tmp_path), Replica(tmp_path)]


@pytest.fixture
def client(nginx: str, tmp_path: Path, replicas: Sequence[Replica]) -> Iterator[httpx.Client]:
    with (
        proxied(nginx, tmp_path, replicas) as url,
        httpx.Client(base_url=url, timeout=PATIENCE) as made,
    ):
        yield made


@pytest.mark.slow
def test_replica_gets_requests_as_soon_as_it_serves(
    client: httpx.Client, replicas: Sequence[Replica]
) -> None:
    """In a rolling restart, the others may have been away a moment ago."""
    for _ in range(4):
        assert client.post("/").status_code == 502
    with Server(replicas[1], answers=True).running() as server:
        for _ in range(4):
            assert client.post("/").status_code == 200
    assert server.asked == 4


@pytest.mark.slow
def test_request_that_was_sent_is_only_repeated_if_that_is_harmless(
    client: httpx.Client, replicas: Sequence[Replica]
) -> None:
    one, other = (Server(replica, answers=False) for replica in replicas)
    with one.running(), other.running():
        assert client.post("/").status_code == 502
        assert one.asked + other.asked == 1
        assert client.get("/").status_code == 502
        assert one.asked + other.asked == 3
