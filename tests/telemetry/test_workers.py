"""The metrics of several workers are added up, whatever becomes of the workers."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import httpx
import pytest

if sys.platform != "linux":
    pytest.skip("needs /proc", allow_module_level=True)

from gateway import __version__
from tests.web.test_workers import SOURCES, Server, configuration, controller, serving, until

__all__ = ["configuration", "controller"]

pytestmark = pytest.mark.slow

OPERATIONS = (
    'graphql_server_request_duration_seconds_count{error_type="",graphql_operation_type="query"}'
)
BUILD = f'webhook_gateway_build_info{{version="{__version__}"}}'


class Scraped:
    """The metrics of a server."""

    def __init__(self, server: Server) -> None:
        found = re.search(r"metrics at (\S+/metrics)\. Ctrl-C", server.line)
        assert found, server.line
        self.url = found[1]

    def value(self, name: str) -> float:
        answer = httpx.get(self.url)
        assert answer.status_code == 200
        for line in answer.text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.removeprefix(name))
        return 0.0


def ask(server: Server, times: int) -> None:
    """Send operations to each worker."""
    for worker in server.workers():
        with server.caller(worker) as caller:
            for _ in range(times):
                caller.data(SOURCES)


def test_counts_of_workers_are_added_up(configuration: Path, tmp_path: Path) -> None:
    text = configuration.read_text()
    configuration.write_text(f"{text}\n[metrics]\nport = 0\n")
    (tmp_path / "temporary").mkdir()
    folder = tmp_path / "temporary"
    words = ("--workers", "2")
    with serving(configuration, *words, TMPDIR=str(folder)) as server:
        metrics = Scraped(server)
        state = 'webhook_gateway_breaker_state{source="translations",state="CLOSED"}'
        # Before it asks, a caller sends an operation to find out which worker it has.
        ask(server, 4)
        assert metrics.value(OPERATIONS) == 2 * 5
        assert metrics.value(state) == 2
        assert metrics.value("webhook_gateway_workers") == 2
        assert metrics.value(BUILD) == 1
        for process in ("supervisor", "0", "1"):
            name = f'process_resident_memory_bytes{{process="{process}"}}'
            assert metrics.value(name) > 2**20

        first, _ = server.workers()
        os.kill(first, signal.SIGKILL)
        until(lambda: len(set(server.workers()) - {first}) == 2)
        ask(server, 1)
        assert metrics.value(OPERATIONS) == 2 * 5 + 2 * 2

        for number in range(3):
            server.signal(signal.SIGHUP)
            assert server.output.readline() == "Restarted with 2 workers.\n"
            ask(server, 1)
            assert metrics.value(OPERATIONS) == 14 + 4 * (number + 1)
        assert metrics.value(state) == 2
        assert metrics.value("graphql_server_active_requests") == 0
        files = list(folder.rglob("*.db"))
        # One worker more than usual lives during a restart.
        assert {file.name.rpartition("_")[2] for file in files} <= {"0.db", "1.db", "2.db"}
    assert list(folder.iterdir()) == []
