"""Generated operations get responses that the GraphQL specification allows.

``python -m tests.benchmarks.fuzz`` sends as many as wanted, and prints statistics.
"""

from __future__ import annotations

import contextlib
import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import build_schema
from hypothesis import HealthCheck, given, settings
from hypothesis_graphql import Mode

from gateway.cli.demo_configuration import write_configuration
from gateway.cli.listening import listen, serving, url
from gateway.sandbox import Sandbox
from gateway.settings import load
from gateway.web.app import create_app
from tests.support.moment import stopped
from tests.web.operations import EVERYTHING, GRAPHQL, Asked, check, operations, root_fields

SCHEMA = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text(encoding="utf-8"))
ROOTS = root_fields(SCHEMA)


class Run:
    """Sends operations to a gateway, and counts the outcomes."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.sent = 0
        self.executed = 0
        self.errors: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()

    def send(self, mode: Mode, examples: int, *, always_the_same: bool = True) -> None:
        """Send generated operations, and check the responses."""
        data = self._post(EVERYTHING, {}).json()["data"]

        @given(operations(SCHEMA, data, mode))
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=always_the_same,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        def one(asked: Asked) -> None:
            self._count(check(SCHEMA, asked, self._post(asked.query, asked.variables)))

        one()

    def _post(self, query: str, variables: dict[str, Any]) -> httpx.Response:
        content = {"query": query, "variables": variables}
        return self._client.post("/graphql", json=content, headers={"Accept": GRAPHQL})

    def _count(self, answer: dict[str, Any]) -> None:
        self.sent += 1
        self.executed += "data" in answer
        self.errors.update(error["extensions"]["code"] for error in answer.get("errors", ()))
        found = answer.get("data") or {}
        self.reached.update(name for name, value in found.items() if value is not None)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Run]:
    """Serve a gateway over the sandbox without a rate limit."""
    sandbox = Sandbox(clock=stopped, logs=500)
    file = write_configuration(folder, sandbox, "http://127.0.0.1:1", port=0)
    file.write_text(file.read_text(encoding="utf-8") + '\n[limits]\nrate = "off"\n')
    app = create_app(load(file, {}), transport=httpx.ASGITransport(sandbox.app))
    with (
        listen("127.0.0.1", 0) as listener,
        serving(app, listener, 1.0),
        httpx.Client(base_url=url(listener), timeout=60) as client,
    ):
        yield Run(client)


@pytest.fixture
def run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Run]:
    with running(tmp_path) as run:
        yield run
    gc.collect()
    assert [record.getMessage() for record in caplog.get_records("call")] == []


@pytest.mark.slow
def test_generated_operations_are_executed(run: Run) -> None:
    run.send(Mode.POSITIVE, 400)
    assert run.executed > 0.8 * run.sent, run.errors
    assert set(run.reached) == set(ROOTS)


@pytest.mark.slow
def test_generated_invalid_operations_are_not_executed(run: Run) -> None:
    run.send(Mode.NEGATIVE, 50)
    assert run.executed == 0
    assert set(run.errors) <= {"GRAPHQL_VALIDATION_FAILED", "LIMIT_EXCEEDED"}
