"""How long a process may wait for Redis, over consecutive calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WAIT_BUDGET = 0.5
"""Total seconds that consecutive responses may take, beyond one ``TICK`` each, before Redis counts
as unreachable. This bounds the time that an operation spends waiting for Redis."""
TICK = 0.03
"""Unit in seconds for counting waits. A period in which this process was busy, and could not
receive a response, counts as a single tick."""


class WaitBudget:
    """Limits consecutive waits together: slow ones use it up, and each response returns a tick."""

    def __init__(self) -> None:
        self._ticks = 0

    @property
    def is_full(self) -> bool:
        """Whether no wait has used any of it."""
        return not self._ticks

    def refill(self) -> None:
        """Forget the waits so far."""
        self._ticks = 0

    async def wait_for(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of a call; TimeoutError once the budget is used up."""
        async with asyncio.timeout(None) as limit:
            ticks = _Ticks(self._ticks, limit)
            try:
                return await command()
            finally:
                self._ticks = max(0, ticks.stop() - 1)


class _Ticks:
    """Counts the ticks of a wait, which ends when the budget is used up."""

    def __init__(self, count: int, limit: asyncio.Timeout) -> None:
        self._count = count
        self._limit = limit
        self._start()

    def _start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._count += 1
        if self._count * TICK > WAIT_BUDGET:
            self._limit.reschedule(asyncio.get_running_loop().time())
        else:
            self._start()

    def stop(self) -> int:
        """Return the count at the end."""
        self._timer.cancel()
        return self._count
