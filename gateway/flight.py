"""Single flight: equal work that is wanted at the same time is done once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from typing import Any

T = TypeVar("T")


class Flights(Generic[T]):
    """The work under way, by key.

    A caller that gives up (cancelled, or out of time) ends nobody else's wait, and a failure is
    shared by those who waited for it, then forgotten. The work itself knows only the caller that
    started it: whatever it was given, such as a deadline, is that one's.
    """

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}

    async def once(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what ``work`` gives, starting it only when none of that key is under way."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def _landed(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            # Looked at here, because nobody may be left who would, and asyncio complains then.
            task.exception()

    async def cancel(self) -> None:
        """End all work under way, for the shutdown; who still waits for it is cancelled too."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
