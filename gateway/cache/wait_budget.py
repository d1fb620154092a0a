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
"""Seconds after which a wait is looked at."""
BUSY_PART = 0.2
"""The part of a tick that counts if this process was busy, and looked at it late. It could receive
no response then, and a command on a new connection needs about ten turns of the event loop. Were it
nothing, waits would have no bound where every turn takes long."""


class WaitBudget:
    """Limits consecutive waits together: slow ones use it up, and each response returns a tick."""

    def __init__(self) -> None:
        self._ticks = 0.0

    @property
    def is_full(self) -> bool:
        """Whether no wait has used any of it."""
        return not self._ticks

    def refill(self) -> None:
        """Forget the waits so far."""
        self._ticks = 0.0

    async def wait_for(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of a call; TimeoutError once the budget is used up."""
        async with asyncio.timeout(None) as limit:
            ticks = _Ticks(self._ticks, limit)
            try:
                return await command()
            finally:
                self._ticks = max(0.0, ticks.stop() - 1)


class _Ticks:
    """Counts the ticks of a wait, which ends when the budget is used up."""

    def __init__(self, count: float, limit: asyncio.Timeout) -> None:
        self._count = count
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._start()

    def _start(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        self._count += BUSY_PART if now - self._timer.when() > TICK / 3 else 1
        if self._count * TICK > WAIT_BUDGET:
            self._limit.reschedule(now)
        else:
            self._start()

    def stop(self) -> float:
        """Return the count at the end."""
        self._timer.cancel()
        return self._count
