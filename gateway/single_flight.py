"""Single flight: run concurrent work with the same key only once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.errors import GatewayError, without_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from typing import Any

T = TypeVar("T")


class _Flight(Generic[T]):
    """A running task and the number of its waiters."""

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiters = 0


class SingleFlight(Generic[T]):
    """Tasks in flight, by key.

    A caller that is cancelled or times out does not affect the others that wait. A task without
    waiters is cancelled, unless it was started by ``start``. A failure is raised for every waiter
    and not remembered.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    def __contains__(self, key: Hashable) -> bool:
        return self._running(key) is not None

    def _running(self, key: Hashable) -> _Flight[T] | None:
        flight = self._flights.get(key)
        # A finished task stays registered until the loop runs its callback. Joining it could let a
        # caller loop forever without ever yielding to the event loop.
        return None if flight is None or flight.task.done() else flight

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of ``work``, or of the task in flight with the same key."""
        flight = self._join(key, work)
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                # A later caller must not join the task that is being cancelled.
                del self._flights[key]
                flight.task.cancel()
            # A failure keeps this frame, and would keep itself by way of the task.
            del flight

    def start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Run ``work`` in the background, whether or not anyone waits for it."""
        self._join(key, work)

    def _join(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        flight = self._running(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(work()))
            self._tasks.add(flight.task)
            flight.task.add_done_callback(lambda task: self._finish(key, task))
        flight.waiters += 1
        return flight

    def _finish(self, key: Hashable, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if task.cancelled():
            return
        # This marks a failure as retrieved, too: without waiters, asyncio would log it.
        with contextlib.suppress(Exception):
            try:
                task.result()
            except GatewayError as error:
                # The task keeps it, and is in its frames. Those of a defect are for the log.
                without_frames(error)

    async def cancel(self) -> None:
        """Cancel all tasks, and with them their waiters, on shutdown."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
