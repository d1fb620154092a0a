"""Readiness while a gateway stops: it says so, and drains if it is configured to."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from gateway.cli.http_server import GracefulServer
from gateway.cli.listening import config_of, listen
from tests.support.virtual_time import now, run
from tests.web.test_view import made_app
from tests.web.test_workers import (
    PATIENCE,
    SOURCES,
    Vendor,
    configured,
    refused,
    serving,
    suspended,
    until,
)

STOPPING = 503, "stopping"


async def nothing(scope: Scope, receive: Receive, send: Send) -> None: ...


@pytest.mark.parametrize(
    ("signals", "seconds"),
    [
        ([signal.SIGTERM], 30),
        ([signal.SIGTERM, signal.SIGTERM], 30),
        ([signal.SIGINT], 0),
        ([signal.SIGTERM, signal.SIGINT], 0),
        ([signal.SIGINT, signal.SIGTERM], 0),
    ],
)
def test_only_sigterm_drains_and_ctrl_c_ends_that(
    signals: list[signal.Signals], seconds: float
) -> None:
    async def stop() -> float:
        server = GracefulServer(config_of(nothing, 1.0), lambda: None, drain=30.0)
        for number in signals:
            server.handle_exit(number, None)
        began = now()
        await server.main_loop()
        return now() - began

    assert run(stop()) == pytest.approx(seconds, abs=0.2)


def test_open_connection_is_told_that_the_server_stops() -> None:
    """Without a time to drain, too, while the listener is closed."""

    async def ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, Any]:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readuntil(b"}}")
        return int(head.split()[1]), json.loads(body)["status"]

    async def stop() -> None:
        running = asyncio.Event()
        with listen("127.0.0.1", 0) as listener:
            server = GracefulServer(config_of(made_app(), PATIENCE), running.set)
            served = asyncio.create_task(server.serve([listener]))
            await running.wait()
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            assert await ready(reader, writer) == (200, "ready")
            server.should_exit = True
            assert await ready(reader, writer) == STOPPING
            await served
            writer.close()
            await writer.wait_closed()

    asyncio.run(stop())


class Probe:
    """A load balancer's connection to one process."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.connection = http.client.HTTPConnection(*address, timeout=PATIENCE)

    def ready(self) -> tuple[int, str]:
        self.connection.request("GET", "/readyz")
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())["status"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_load_balancer_learns_that_the_gateway_stops(tmp_path: Path, workers: int) -> None:
    file = configured(tmp_path, (Vendor(), "http://127.0.0.1:1"))
    text = file.read_text().replace("[server]", "[server]\n        drain = 300.0")
    file.write_text(text)
    with serving(file, "--workers", str(workers)) as server, contextlib.ExitStack() as stack:
        pids = server.workers() or [server.process.pid]
        assert len(pids) == workers
        probes = []
        for pid in pids:
            with contextlib.ExitStack() as others:
                for other in pids:
                    if other != pid:
                        others.enter_context(suspended(other))
                probe = Probe(server.address)
                stack.callback(probe.connection.close)
                assert probe.ready() == (200, "ready")
                probes.append(probe)
        server.signal(signal.SIGTERM)
        for probe in probes:
            until(lambda: probe.ready() == STOPPING)  # noqa: B023 - it is called at once
        # New connections are still answered.
        for _ in range(2 * workers):
            answer = httpx.post(server.url, json={"query": SOURCES})
            assert "errors" not in answer.json()
            assert answer.headers["connection"] == "close"
            ready = httpx.get(f"{server.url.removesuffix('/graphql')}/readyz")
            assert (ready.status_code, ready.json()["status"]) == STOPPING
        server.signal(signal.SIGINT)
        assert server.process.wait(PATIENCE) == 0
        assert refused(server)
