"""Processes that serve on one socket: started, replaced, restarted and stopped together.

uvicorn has a supervisor, too. Beyond what that one does, this one stops without delay during a
restart, keeps the others when one worker can't be replaced, waits longer between the starts of a
worker that keeps ending, and leaves no workers behind when it is killed.

- SIGTERM and SIGINT: workers finish their requests. A second SIGINT makes them stop at once.
- SIGHUP: each worker is replaced by one with the configuration read anew, one after the other, and
  the next one only after the new one serves and the old one has finished its requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.cli.draining import ignore_new_connections
from gateway.cli.screen import print_error

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

STARTUP_TIMEOUT = 120.0
"""Seconds that a worker may take until it serves."""
STEADY = 60.0
"""Seconds after which the end of a worker is no longer put down to its start."""
MAX_PAUSE = 30.0
"""Seconds before the next start of a worker that keeps ending; they double up to that."""
LAST_WAIT = 5.0
"""Seconds that workers have to stop at once before they are killed."""

_spawn = multiprocessing.get_context("spawn")


class Plan(NamedTuple):
    """The number of workers, and the function that starts the one with an index."""

    workers: int
    start: Callable[[int], Worker]


class Worker:
    """A process that runs ``target(started, *arguments)`` and calls ``started`` once it serves."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Event()
        self._receiver, sender = _spawn.Pipe(duplex=False)
        self._process = _spawn.Process(target=_run, args=(target, sender, *arguments), daemon=True)
        self.ended = asyncio.Event()
        self.started_at = self._loop.time()
        self.serves = False
        self.fate = ""
        with sender:
            try:
                with _interrupts_ignored():
                    self._process.start()
            except OSError as error:
                self._end(f"can't be started: {os.strerror(error.errno or 0).lower()}")
                return
        self._loop.add_reader(self._receiver.fileno(), self._hear)
        self._loop.add_reader(self._process.sentinel, self._reap)

    @property
    def pid(self) -> int | None:
        """The process number."""
        return self._process.pid

    async def is_up(self) -> bool:
        """Wait until it serves, and return True; return False if it ends, or is killed, before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTUP_TIMEOUT):
                await self._heard.wait()
        if not self.serves and not self.ended.is_set():
            self.signal(signal.SIGKILL)
            await self.ended.wait()
        return self.serves

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if not self.ended.is_set() and self.pid is not None:
            os.kill(self.pid, number)

    def _hear(self) -> None:
        self._loop.remove_reader(self._receiver.fileno())
        with contextlib.suppress(EOFError):
            self._receiver.recv_bytes()
            self.serves = True
            self._heard.set()

    def _reap(self) -> None:
        self._loop.remove_reader(self._process.sentinel)
        self._loop.remove_reader(self._receiver.fileno())
        self._process.join()
        code = self._process.exitcode or 0
        self._end(
            f"was ended by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )

    def _end(self, fate: str) -> None:
        self.fate = fate
        self._receiver.close()
        self.ended.set()
        self._heard.set()


def _run(target: Callable[..., None], sender: Connection, *arguments: object) -> None:
    """Run a worker's target, in its process."""
    # Ctrl-C and the end of a terminal are for the supervisor, which then tells its workers.
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        target(lambda: sender.send_bytes(b"started"), *arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - it is a child
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let a process that is started now ignore Ctrl-C until it has a handler."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Supervisor:
    """Keeps the workers of a plan running.

    ``reload`` returns the plan for a restart, or None, having said why, if there is none. It is
    called in a thread. After a stop, workers have ``seconds`` to end; if they ``drain``, they
    accept connections meanwhile.
    """

    def __init__(
        self,
        plan: Plan,
        listener: socket.socket,
        reload: Callable[[], Plan | None],
        *,
        seconds: float,
        drain: bool = False,
    ) -> None:
        self._drain = drain
        self._plan = plan
        self._listener = listener
        self._reload = reload
        self._seconds = seconds
        self._workers: dict[int, Worker] = {}
        self._living: set[Worker] = set()
        self._reapers: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._restart_wanted = asyncio.Event()
        # Under nohup, the end of the terminal does not count.
        self._terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()

    async def run(self, started: Callable[[], None], restarted: Callable[[int], None]) -> bool:
        """Serve until a signal; return False if the workers could not be started.

        ``started`` is called once all workers serve, ``restarted`` with their number after a
        restart.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        stopping = asyncio.create_task(self._stopping.wait())
        serving = asyncio.create_task(self._serve(started, restarted))
        try:
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                return serving.result()
            return True
        finally:
            stopping.cancel()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            if not self._drain:
                ignore_new_connections(self._listener)
            # As long as it is open, connections arrive that nobody would answer.
            self._listener.close()
            await self._end_all()

    async def _serve(self, started: Callable[[], None], restarted: Callable[[int], None]) -> bool:
        for index in range(self._plan.workers):
            self._workers[index] = self._start(index, self._plan)
        ups = [asyncio.create_task(worker.is_up()) for worker in self._workers.values()]
        for up in asyncio.as_completed(ups):
            if not await up:
                fates = [worker.fate for worker in self._workers.values() if worker.fate]
                print_error(f"A worker {fates[0]} before it could serve, so the gateway stops.")
                return False
        started()
        async with asyncio.TaskGroup() as keepers:
            for index in self._workers:
                keepers.create_task(self._keep(index))
            while True:
                await self._restart_wanted.wait()
                self._restart_wanted.clear()
                for index in await self._restart(restarted):
                    keepers.create_task(self._keep(index))

    async def _keep(self, index: int) -> None:
        """Replace the worker of an index whenever it ends by itself."""
        failures = 0
        while (worker := self._workers.get(index)) is not None:
            await worker.ended.wait()
            if self._workers.get(index) is not worker:
                continue
            lived = asyncio.get_running_loop().time() - worker.started_at
            failures = 1 if lived >= STEADY else failures + 1
            pause = min(MAX_PAUSE, 2.0 ** (failures - 2)) if failures > 1 else 0.0
            when = f" in {pause:.0f} seconds" if pause else ""
            print_error(f"Worker {worker.pid} {worker.fate}. Another takes its place{when}.")
            await asyncio.sleep(pause)
            if self._workers.get(index) is worker:
                self._workers[index] = self._start(index, self._plan)

    async def _restart(self, restarted: Callable[[int], None]) -> list[int]:
        """Replace all workers, one after the other; return the indices that are new."""
        plan = await asyncio.to_thread(self._reload)
        if plan is None:
            return []
        new: list[int] = []
        for index in range(plan.workers):
            worker = self._start(index, plan)
            if not await worker.is_up():
                print_error(
                    f"A worker {worker.fate} before it could serve, so the restart has ended."
                    f" {index} of {plan.workers} workers have the new configuration."
                )
                return new
            self._plan = plan
            if index not in self._workers:
                new.append(index)
            await self._replace(index, worker)
        for index in [index for index in self._workers if index >= plan.workers]:
            await self._replace(index, None)
        restarted(plan.workers)
        return new

    async def _replace(self, index: int, new: Worker | None) -> None:
        old = self._workers.pop(index, None)
        if new is not None:
            self._workers[index] = new
        if old is not None:
            # It need not drain, since another has its place. Before it serves, it ignores SIGINT.
            old.signal(signal.SIGINT if old.serves else signal.SIGTERM)
            await old.ended.wait()

    def _start(self, index: int, plan: Plan) -> Worker:
        worker = plan.start(index)
        self._living.add(worker)
        reaper = asyncio.create_task(self._forget(worker))
        self._reapers.add(reaper)
        reaper.add_done_callback(self._reapers.discard)
        return worker

    async def _forget(self, worker: Worker) -> None:
        await worker.ended.wait()
        self._living.discard(worker)

    def _stop(self, number: int) -> None:
        if number == signal.SIGINT and self._stopping.is_set():
            self._hurried.set()
        self._stopping.set()

    def _hang_up(self) -> None:
        if self._terminal and not _has_terminal():
            self._stop(signal.SIGHUP)
        else:
            self._restart_wanted.set()

    async def _end_all(self) -> None:
        """Let all workers finish; then stop them at once, and kill what is left."""
        hurried = asyncio.create_task(self._hurried.wait())
        for number, seconds in (
            (signal.SIGTERM, self._seconds),
            (signal.SIGINT, LAST_WAIT),
            (signal.SIGKILL, None),
        ):
            if not self._living:
                break
            for worker in self._living:
                worker.signal(number)
            ended = asyncio.gather(*self._reapers)
            waits: list[asyncio.Future[Any]] = [ended]
            if number == signal.SIGTERM:
                waits.append(hurried)
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()


def _has_terminal() -> bool:
    """Return whether the process has a terminal that can end it."""
    if sys.platform == "win32":
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
