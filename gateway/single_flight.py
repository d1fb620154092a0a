"""Single flight: equal work that is wanted at the same time is done once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from typing import Any

T = TypeVar("T")


class _Flight(Generic[T]):
    """Work under way, and how many want it."""

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.wanted_by = 0


class SingleFlight(Generic[T]):
    """The work under way, by key.

    A caller that gives up (cancelled, or out of time) ends nobody else's wait; work that nobody
    waits for any longer ends, unless it was told to go on behind. A failure is shared by those who
    waited for it, then forgotten.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    def __contains__(self, key: Hashable) -> bool:
        return self._under_way(key) is not None

    def _under_way(self, key: Hashable) -> _Flight[T] | None:
        flight = self._flights.get(key)
        # One that has landed is still known for the rest of the loop's turn. Who would join it
        # then could do so again and again, without ever letting the loop turn.
        return None if flight is None or flight.task.done() else flight

    async def once(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what ``work`` gives, starting it only when none of that key is under way."""
        flight = self._board(key, work)
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.wanted_by -= 1
            if not flight.wanted_by and not flight.task.done():
                # Whoever comes now wants work that goes on.
                del self._flights[key]
                flight.task.cancel()

    def behind(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Have the work done though nobody may wait for it, or not to its end."""
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
            # Looked at here, because nobody may be left who would, and asyncio complains then.
            task.exception()

    async def cancel(self) -> None:
        """End all work under way, for the shutdown; who still waits for it is cancelled too."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
