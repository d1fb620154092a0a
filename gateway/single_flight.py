"""Single flight: run concurrent work with the same key only once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from typing import Any

T = TypeVar("T")


class _Flight(Generic[T]):
    """A running task and the number of its waiters."""

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.wanted_by = 0


class SingleFlight(Generic[T]):
    """Tasks in flight, by key.

    A caller that is cancelled or times out does not affect the other waiters. A task without
    waiters is cancelled, unless it was started in the background. A failure is raised for all
    waiters, then forgotten.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    def __contains__(self, key: Hashable) -> bool:
        return self._under_way(key) is not None

    def _under_way(self, key: Hashable) -> _Flight[T] | None:
        flight = self._flights.get(key)
        # A finished task stays registered until the loop runs its callback. Joining it could let a
        # caller loop forever without ever yielding to the event loop.
        return None if flight is None or flight.task.done() else flight

    async def once(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of ``work``, or of the task in flight with the same key."""
        flight = self._board(key, work)
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.wanted_by -= 1
            if not flight.wanted_by and not flight.task.done():
                # A later caller must not join the task that is being cancelled.
                del self._flights[key]
                flight.task.cancel()

    def behind(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Run the work in the background, with or without waiters."""
        self._board(key, work)

    def _board(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        flight = self._under_way(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(work()))
            self._tasks.add(flight.task)
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.wanted_by += 1
        return flight

    def _landed(self, key: Hashable, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled():
            # Mark the exception as retrieved: without waiters, asyncio would log it.
            task.exception()

    async def cancel(self) -> None:
        """Cancel all tasks and their waiters, for the shutdown."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
