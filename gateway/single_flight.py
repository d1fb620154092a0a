"""Single flight: concurrent calls with the same key share one execution."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from typing import Any

T = TypeVar("T")


class _Flight(Generic[T]):
    """A running task and the number of its waiters; a background call counts as one."""

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.wanted_by = 0


class Flights(Generic[T]):
    """Tasks in flight, by key.

    A caller that is cancelled or times out does not affect the others. A task without waiters is
    cancelled, unless it was started by `behind`. An exception is raised for all waiters and not
    kept.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    def __contains__(self, key: Hashable) -> bool:
        return self._under_way(key) is not None

    def _under_way(self, key: Hashable) -> _Flight[T] | None:
        flight = self._flights.get(key)
        # A finished task is still registered until the event loop's next turn. A caller that joined
        # it could do so again and again, and never let the loop turn.
        return None if flight is None or flight.task.done() else flight

    async def once(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of ``work``, joining a task of the same key that is in flight."""
        flight = self._board(key, work)
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.wanted_by -= 1
            if not flight.wanted_by and not flight.task.done():
                # A new caller must not join a task that is being cancelled.
                del self._flights[key]
                flight.task.cancel()

    def behind(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Run ``work`` in the background, to its end even without waiters."""
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
            # asyncio warns of exceptions that nobody retrieved, and there may be no waiter left.
            task.exception()

    async def cancel(self) -> None:
        """Cancel all tasks, and with them their waiters, for the shutdown."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
