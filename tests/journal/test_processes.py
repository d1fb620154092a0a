"""Several processes that share a journal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.journal import ActionFilter, Journal, Outcome

from .conftest import begin

WORKER = Path(__file__).parent / "worker.py"


class Worker:
    """A process that runs ``worker.py``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def send(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def send_to_all(workers: list[Worker], line: str) -> list[Any]:
    """Send a line to all workers, then read an answer from each."""
    for worker in workers:
        worker.send(line)
    return [worker.receive() for worker in workers]


@pytest.fixture
def start(url: str) -> Iterator[Callable[[], Worker]]:
    """Return a function that starts workers, which end with the test."""
    environ = {**os.environ, "JOURNAL": url, "PYTHONPATH": os.pathsep.join(sys.path)}
    with contextlib.ExitStack() as stack:

        def start_one() -> Worker:
            process = subprocess.Popen(  # noqa: S603 - it is this package
                [sys.executable, "-W", "error", WORKER],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            worker = Worker(stack.enter_context(process))
            stack.callback(process.kill)
            assert worker.receive() == "ready"
            return worker

        yield start_one


@pytest.mark.slow
def test_two_processes_start_at_once_and_share_a_key(start: Callable[[], Worker]) -> None:
    workers = [start(), start()]
    assert send_to_all(workers, "open") == ["open", "open"]
    begun = [one for answer in send_to_all(workers, "25") for one in answer]
    assert len(begun) == 50
    assert len({id for id, _ in begun}) == 1
    assert sum(new for _, new in begun) == 1


@pytest.mark.slow
async def test_actions_of_a_killed_process_are_unknown(
    start: Callable[[], Worker], url: str
) -> None:
    worker = start()
    worker.send("open")
    assert worker.receive() == "open"
    worker.send("1")
    ((id, new),) = worker.receive()
    assert new

    async with Journal(url, retention_days=30) as journal:  # the worker still lives
        again = await begin(journal, idempotency_key="key")
        assert (again.action.id, again.action.outcome, again.new) == (id, Outcome.PENDING, False)

    worker.kill()
    async with Journal(url, retention_days=30) as journal:
        again = await begin(journal, idempotency_key="key")
        assert (again.action.id, again.action.outcome, again.new) == (id, Outcome.UNKNOWN, False)
        listed = await journal.page(10, None, ActionFilter(outcome=Outcome.UNKNOWN))
        assert listed.actions == (again.action,)
