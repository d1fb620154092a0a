"""What becomes of workers, in virtual time; tests/web/test_workers.py has real processes."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.support.virtual_time import now, run

if sys.platform == "win32":
    pytest.skip("workers are not for Windows", allow_module_level=True)

from gateway.cli import reload
from gateway.cli.reload import Configuration, Reloads
from gateway.cli.supervisor import LAST_WAIT, MAX_PAUSE, STEADY, Plan, Supervisor, WorkerError
from gateway.cli.worker import STARTUP_TIMEOUT, Worker
from gateway.events import Events
from gateway.settings import Settings

ALL = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGKILL})


class Fake(Worker):
    """A worker without a process: it serves after a second, and lives for a time."""

    def __init__(
        self,
        number: int,
        *,
        serves_after: float = 1.0,
        lives: float = math.inf,
        obeys: frozenset[signal.Signals] = ALL,
        takes: bool = True,
    ) -> None:
        self.number = number
        self.told: list[object] = []
        self._takes = takes
        self.signals: list[int] = []
        self.started_at = now()
        self.ended_at = math.inf
        self.serves = False
        self.fate = ""
        self.ended = asyncio.Event()
        self._heard = asyncio.Event()
        self._obeys = obeys
        self._life = asyncio.create_task(self._live(serves_after, lives))

    @property
    def pid(self) -> int:
        return self.number

    async def _live(self, serves_after: float, lives: float) -> None:
        if serves_after < lives:
            await asyncio.sleep(serves_after)
            self.serves = True
            self._heard.set()
        if math.isfinite(lives):
            await asyncio.sleep(lives)
            self._end("ended with exit code 1")

    async def take_over(self, message: object) -> bool:
        if not await self.is_up():
            return False
        await asyncio.sleep(1.0)
        self.told.append(message)
        return self._takes and not self.ended.is_set()

    def signal(self, number: int) -> None:
        self.signals.append(number)
        if number in self._obeys:
            self._life.cancel()
            self._end(f"was ended by {signal.Signals(number).name}")

    def _end(self, fate: str) -> None:
        self.fate = fate
        self.ended_at = now()
        self.ended.set()
        self._heard.set()


class Stage:
    """A supervisor of fakes; ``lives`` are the options of one worker after the other."""

    def __init__(self, workers: int, *lives: dict[str, Any]) -> None:
        self.workers: list[Fake] = []
        self.failures: list[str] = []
        self.started_at = math.inf
        self._lives = iter(lives)
        self._tasks: list[asyncio.Task[None]] = []
        self.supervisor = Supervisor(self.plan(workers, "first"), socket.socket())

    def plan(self, workers: int, name: str = "second") -> Plan:
        return Plan(workers, self._start, lambda index: (name, index), seconds=10.0)

    def reload(self, workers: int) -> Callable[[], None]:
        return lambda: self._do(self.supervisor.take_over(self.plan(workers)))

    def restart(self) -> None:
        self._do(self.supervisor.restart())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        async def done() -> None:
            try:
                await work
            except WorkerError as error:
                self.failures.append(str(error))

        self._tasks.append(asyncio.create_task(done()))

    def _start(self, index: int) -> Fake:
        del index
        worker = Fake(len(self.workers) + 1, **next(self._lives, {}))
        self.workers.append(worker)
        return worker

    def play(self, *acts: tuple[float, Callable[[], object]]) -> tuple[bool, float]:
        """Run it, with acts at times; return the result and the time of the end."""

        async def main() -> tuple[bool, float]:
            for at, act in acts:
                asyncio.get_running_loop().call_at(at, act)
            try:
                return await self.supervisor.run(self._started), now()
            finally:
                for task in self._tasks:
                    task.cancel()

        return run(main())

    def _started(self) -> None:
        self.started_at = now()

    def stop(self, number: int = signal.SIGTERM) -> Callable[[], None]:
        return lambda: self.supervisor.stop(number)


class Unchanged(Configuration):
    """A configuration that is found unchanged."""

    def __init__(self) -> None:
        self.restart = ()

    def read_anew(self) -> None:
        return None


async def never(_: Settings) -> str:
    raise AssertionError


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Restore the handlers of signals."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_start_is_told_once_all_serve(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(2, {}, {"serves_after": 5.0})
    assert stage.play((20.0, stage.stop())) == (True, 20.0)
    assert stage.started_at == 5.0
    assert [worker.signals for worker in stage.workers] == [[signal.SIGTERM]] * 2
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("fault", [{"lives": 0.5}, {"lives": 0.5, "obeys": frozenset()}])
def test_start_fails_with_its_first_worker(
    fault: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that can't serve would not be able to the next time, either."""
    stage = Stage(3, {}, fault, {"serves_after": 100.0})
    served, ended_at = stage.play()
    assert (served, ended_at) == (False, 0.5)
    assert stage.started_at == math.inf
    assert len(stage.workers) == 3
    assert caplog.messages == [
        "A worker ended with exit code 1 before it could serve, so the gateway stops."
    ]


def test_worker_that_never_serves_is_killed() -> None:
    stage = Stage(1, {"serves_after": 1e6})
    assert stage.play() == (False, STARTUP_TIMEOUT)
    assert stage.workers[0].signals == [signal.SIGKILL]


def test_worker_that_keeps_ending_is_started_less_and_less_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A tight loop would take the processor from the workers that serve."""
    stage = Stage(2, {}, *[{"lives": 1.0, "serves_after": 0.5}] * 9)
    stage.play((250.0, stage.stop()))
    starts = [worker.started_at for worker in stage.workers[1:]]
    ends = [worker.ended_at for worker in stage.workers[1:-1]]
    pauses = [start - end for start, end in zip(starts[1:], ends, strict=True)]
    assert pauses == pytest.approx([0, 1, 2, 4, 8, 16, 30, 30, 30])
    assert max(pauses) == MAX_PAUSE
    assert stage.workers[0].ended_at == 250.0
    lines = caplog.messages
    assert lines[0] == "Worker 2 ended with exit code 1. Another takes its place."
    assert lines[2] == "Worker 4 ended with exit code 1. Another takes its place in 2 seconds."


def test_worker_that_lived_long_is_replaced_at_once() -> None:
    stage = Stage(1, *[{"lives": STEADY}] * 4)
    stage.play((4.5 * STEADY, stage.stop()))
    assert [worker.started_at for worker in stage.workers] == [0.0, 61.0, 122.0, 183.0, 244.0]


def test_restart_replaces_one_after_the_other() -> None:
    stage = Stage(2)
    stage.play((10.0, stage.restart), (20.0, stage.stop()))
    first, second, third, fourth = stage.workers
    assert first.ended_at == pytest.approx(11.0)
    assert second.ended_at == pytest.approx(12.0)
    assert fourth.started_at >= first.ended_at
    assert third.ended_at == fourth.ended_at == 20.0


def test_restart_ends_with_the_first_worker_that_does_not_serve() -> None:
    stage = Stage(2, {}, {}, {"lives": 0.5})
    stage.play((10.0, stage.restart), (20.0, stage.stop()))
    assert [worker.ended_at for worker in stage.workers] == pytest.approx([20.0, 20.0, 10.5])
    assert stage.failures == [
        "A worker ended with exit code 1 before it could serve, so the others stay as they are."
    ]


def test_workers_take_a_configuration_over_and_live_on() -> None:
    stage = Stage(2)
    stage.play((10.0, stage.reload(2)), (20.0, stage.stop()))
    assert [worker.told for worker in stage.workers] == [[("second", 0)], [("second", 1)]]
    assert [worker.ended_at for worker in stage.workers] == [20.0, 20.0]


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 4)])
def test_configuration_changes_the_number(before: int, after: int) -> None:
    stage = Stage(before)
    stage.play((10.0, stage.reload(after)), (30.0, stage.stop()))
    assert len([worker for worker in stage.workers if worker.ended_at == 30.0]) == after
    assert len(stage.workers) == max(before, after)


def test_worker_that_a_configuration_added_is_replaced() -> None:
    stage = Stage(1, {}, {"lives": 10.0})
    stage.play((10.0, stage.reload(2)), (60.0, stage.stop()))
    assert len([worker for worker in stage.workers if worker.ended_at == 60.0]) == 2


def test_worker_that_can_not_take_over_is_replaced() -> None:
    stage = Stage(2, {}, {"takes": False})
    stage.play((10.0, stage.reload(2)), (20.0, stage.stop()))
    assert [worker.ended_at for worker in stage.workers] == pytest.approx([20.0, 12.0, 20.0])
    assert stage.failures == []


def test_worker_that_starts_meanwhile_takes_over_once_it_serves() -> None:
    stage = Stage(1, {"lives": 9.5}, {"serves_after": 5.0})
    stage.play((12.0, stage.reload(1)), (30.0, stage.stop()))
    assert stage.workers[1].told == [("second", 0)]
    assert stage.workers[1].ended_at == 30.0


def test_worker_that_ends_meanwhile_is_replaced() -> None:
    stage = Stage(2, {}, {"lives": 9.5})
    stage.play((10.0, stage.reload(2)), (30.0, stage.stop()))
    assert len([worker for worker in stage.workers if worker.ended_at == 30.0]) == 2


def test_configuration_that_no_worker_can_serve_with_is_taken_back() -> None:
    """Callers must not get now the one answer and now the other."""
    stage = Stage(2, {}, {"takes": False}, {"lives": 0.5})
    stage.play((10.0, stage.reload(3)), (20.0, stage.stop()))
    first, second, third = stage.workers
    assert first.told == [("second", 0), ("first", 0)]
    assert [first.ended_at, second.ended_at, third.ended_at] == pytest.approx([20, 20, 11.5])
    assert len(stage.failures) == 1


def test_replaced_worker_does_not_drain() -> None:
    """Its successor has the connections; one that does not serve yet would ignore SIGINT."""
    stage = Stage(2, {}, {}, {}, {"serves_after": 50.0}, {})
    stage.play((10.0, stage.restart), (200.0, stage.stop()))
    assert [worker.signals for worker in stage.workers] == [
        [signal.SIGINT],
        [signal.SIGINT],
        [signal.SIGTERM],
        [signal.SIGTERM],
    ]


def test_replaced_worker_that_does_not_end_is_killed() -> None:
    """Otherwise the reload would never end, and no other could begin."""
    stage = Stage(2, {"obeys": frozenset({signal.SIGKILL})})
    stage.play((10.0, stage.restart), (60.0, stage.stop()))
    assert [worker.ended_at for worker in stage.workers[:2]] == pytest.approx([21.0, 22.0])
    assert stage.workers[0].signals == [signal.SIGINT, signal.SIGKILL]


def test_stop_during_a_restart_ends_all() -> None:
    stage = Stage(2, {}, {}, {"serves_after": 50.0})
    assert stage.play((10.0, stage.restart), (20.0, stage.stop())) == (True, 20.0)
    assert [worker.ended_at for worker in stage.workers] == [20.0] * 3


def test_worker_that_does_not_end_is_killed() -> None:
    stage = Stage(2, {}, {"obeys": frozenset({signal.SIGKILL})})
    _, ended_at = stage.play((20.0, stage.stop()))
    assert ended_at == pytest.approx(30.0 + LAST_WAIT)
    assert stage.workers[1].signals == [signal.SIGTERM, signal.SIGINT, signal.SIGKILL]


def test_second_ctrl_c_ends_workers_at_once_and_a_second_sigterm_does_not() -> None:
    """Programs such as timeout send SIGTERM twice."""
    for number, ended_at in ((signal.SIGINT, 21.0), (signal.SIGTERM, 30.0)):
        stage = Stage(1, {"obeys": frozenset({signal.SIGINT})})
        acts = [(20.0, stage.stop(number)), (21.0, stage.stop(number))]
        assert stage.play(*acts)[1] == pytest.approx(ended_at)


def test_end_of_the_terminal_is_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes as the same signal as the wish for a reload."""
    for ignored in (False, True):
        # It is ignored under nohup, also where the tests are started so.
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        told: list[str] = []

        async def hang_up(told: list[str]) -> None:
            async def again() -> str:
                told.append("reload")
                done.set()
                return ""

            def stop() -> None:
                told.append("stop")
                done.set()

            done = asyncio.Event()
            monkeypatch.setattr(reload, "has_terminal", lambda: True)
            reloads = Reloads(Unchanged(), Events(), never, again)
            async with reloads.heeded(stop):
                monkeypatch.setattr(reload, "has_terminal", lambda: False)
                signal.raise_signal(signal.SIGHUP)
                await done.wait()

        asyncio.run(hang_up(told))
        assert told == (["reload"] if ignored else ["stop"])
