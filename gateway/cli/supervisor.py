"""Processes that serve on one socket: started, replaced, restarted and stopped together.

uvicorn has a supervisor, too. Beyond what that one does, this one stops without delay during a
restart, keeps the others when one worker can't be replaced, waits longer between the starts of a
worker that keeps ending, and leaves no workers behind when it is killed.

- SIGTERM and SIGINT: workers finish their requests. A second SIGINT makes them stop at once.
- A new configuration is taken over by the workers that there are; one that can't is replaced.
- A restart replaces each worker, one after the other, and the next one only after the new one
  serves and the old one has finished its requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.cli.draining import ignore_new_connections

if TYPE_CHECKING:
    import socket
    from contextlib import AbstractAsyncContextManager

    from gateway.cli.worker import Worker

log = logging.getLogger(__name__)

STEADY = 60.0
"""Seconds after which the end of a worker is no longer put down to its start."""
MAX_PAUSE = 30.0
"""Seconds before the next start of a worker that keeps ending; they double up to that."""
LAST_WAIT = 5.0
"""Seconds that workers have to stop at once before they are killed."""


class Plan(NamedTuple):
    """The number of workers, and a configuration for each of them by its index.

    ``start`` starts a worker with it, and ``message`` is what tells it to one that serves. After a
    stop, workers have ``seconds`` to end; if they ``drain``, they accept connections meanwhile.
    """

    workers: int
    start: Callable[[int], Worker]
    message: Callable[[int], object]
    seconds: float
    drain: bool = False


class WorkerError(Exception):
    """A worker can't serve with a new configuration."""


class Supervisor:
    """Keeps the workers of a plan running."""

    def __init__(self, plan: Plan, listener: socket.socket) -> None:
        self._plan = plan
        self._listener = listener
        self._workers: dict[int, Worker] = {}
        self._living: set[Worker] = set()
        self._reapers: set[asyncio.Task[None]] = set()
        self._keepers: set[asyncio.Task[None]] = set()
        self._serves = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()

    async def run(
        self,
        started: Callable[[], None],
        beside: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
    ) -> bool:
        """Serve until a signal; return False if the workers could not be started.

        ``started`` is called once all workers serve. ``beside`` returns a context that is entered
        until they are to end.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop, number)
        stopping = asyncio.create_task(self._stopping.wait())
        starting = asyncio.create_task(self._start_all(started))
        try:
            async with beside():
                await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
                if starting.done() and not starting.result():
                    return False
                await stopping
                return True
        finally:
            tasks = [stopping, starting, *self._keepers]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if not self._plan.drain:
                ignore_new_connections(self._listener)
            # As long as it is open, connections arrive that nobody would answer.
            self._listener.close()
            await self._end_all()

    async def _start_all(self, started: Callable[[], None]) -> bool:
        for index in range(self._plan.workers):
            self._workers[index] = self._start(index)
        ups = [asyncio.create_task(worker.is_up()) for worker in self._workers.values()]
        for up in asyncio.as_completed(ups):
            if not await up:
                fates = [worker.fate for worker in self._workers.values() if worker.fate]
                log.error("A worker %s before it could serve, so the gateway stops.", fates[0])
                return False
        for index in self._workers:
            self._keep(index)
        started()
        self._serves.set()
        return True

    def _keep(self, index: int) -> None:
        keeper = asyncio.create_task(self._keep_running(index))
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)

    async def _keep_running(self, index: int) -> None:
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
            log.error("Worker %s %s. Another takes its place%s.", worker.pid, worker.fate, when)
            await asyncio.sleep(pause)
            if self._workers.get(index) is worker:
                self._workers[index] = self._start(index)

    async def take_over(self, plan: Plan) -> None:
        """Put a plan in force, as far as possible without an end of workers.

        Raises WorkerError if a worker can't serve with it; then the plan before stays in force.
        """
        await self._serves.wait()
        # Whoever is started from now on has it.
        before, self._plan = self._plan, plan
        taken = await self._tell_all()
        try:
            await self._renew([index for index in range(plan.workers) if index not in taken])
        except WorkerError:
            self._plan = before
            await self._tell_all()
            await self._end_surplus()
            raise
        await self._end_surplus()

    async def restart(self) -> None:
        """Replace all workers, one after the other; WorkerError if one of the new can't serve."""
        await self._serves.wait()
        await self._renew(range(self._plan.workers))

    async def _tell_all(self) -> set[int]:
        """Pass the plan on to all workers; return the indices of those that have taken it over."""
        told = {
            index: worker.take_over(self._plan.message(index))
            for index, worker in self._workers.items()
            if index < self._plan.workers
        }
        answers = await asyncio.gather(*told.values())
        return {index for index, taken in zip(told, answers, strict=True) if taken}

    async def _renew(self, indices: Iterable[int]) -> None:
        """Start workers, each in the place of the one with the same index, if there is one."""
        for index in indices:
            worker = self._start(index)
            if not await worker.is_up():
                raise WorkerError(
                    f"A worker {worker.fate} before it could serve, so the others stay as they are."
                )
            is_new = index not in self._workers
            await self._replace(index, worker)
            if is_new:
                self._keep(index)

    async def _end_surplus(self) -> None:
        for index in [index for index in self._workers if index >= self._plan.workers]:
            await self._replace(index, None)

    async def _replace(self, index: int, new: Worker | None) -> None:
        old = self._workers.pop(index, None)
        if new is not None:
            self._workers[index] = new
        if old is not None:
            # It need not drain, since another has its place. Before it serves, it ignores SIGINT.
            old.signal(signal.SIGINT if old.serves else signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._plan.seconds):
                    await old.ended.wait()
            if not old.ended.is_set():
                # It hangs, and whoever waits for it would, too.
                old.signal(signal.SIGKILL)
                await old.ended.wait()

    def _start(self, index: int) -> Worker:
        worker = self._plan.start(index)
        self._living.add(worker)
        reaper = asyncio.create_task(self._forget(worker))
        self._reapers.add(reaper)
        reaper.add_done_callback(self._reapers.discard)
        return worker

    async def _forget(self, worker: Worker) -> None:
        await worker.ended.wait()
        self._living.discard(worker)

    def stop(self, number: int) -> None:
        """Let the workers finish; at once, if it is the second SIGINT."""
        if number == signal.SIGINT and self._stopping.is_set():
            self._hurried.set()
        self._stopping.set()

    async def _end_all(self) -> None:
        """Let all workers finish; then stop them at once, and kill what is left."""
        hurried = asyncio.create_task(self._hurried.wait())
        for number, seconds in (
            (signal.SIGTERM, self._plan.seconds),
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
