"""How long a process may wait for Redis, over consecutive calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WAIT_BUDGET = 0.5
"""Total seconds that consecutive responses may take, beyond one ``TICK`` each, before Redis counts
as unreachable. This bounds the time that an operation spends waiting for Redis, except for
``OPENING`` while this process is busy."""
TICK = 0.03
"""Seconds after which a wait is looked at."""
BUSY_PART = 0.2
"""The part of a tick that counts while connections are opened, if this process was busy and looked
at it late."""
OPENING = 2.0
"""Seconds after the first call, and after Redis was out of reach, in which connections are opened
and scripts are loaded. That takes about ten responses in turn for each call, none of which can be
received in the same turn of the event loop as another."""


class WaitBudget:
    """Limits consecutive waits together: slow ones use it up, and each response returns a tick."""

    def __init__(self) -> None:
        self._ticks = 0.0
        self._opening_until: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether no wait has used any of it."""
        return not self._ticks

    def refill(self) -> None:
        """Forget the waits so far."""
        self._ticks = 0.0

    def reopen(self) -> None:
        """Take into account that connections are opened from the next call on."""
        self._opening_until = None

    async def wait_for(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of a call; TimeoutError once the budget is used up."""
        if self._opening_until is None:
            self._opening_until = asyncio.get_running_loop().time() + OPENING
        async with asyncio.timeout(None) as limit:
            ticks = _Ticks(self._ticks, limit, self._opening_until)
            try:
                return await command()
            finally:
                self._ticks = max(0.0, ticks.stop() - 1)


class _Ticks:
    """Counts the ticks of a wait, which ends when the budget is used up."""

    def __init__(self, count: float, limit: asyncio.Timeout, opening_until: float) -> None:
        self._count = count
        self._limit = limit
        self._opening_until = opening_until
        self._loop = asyncio.get_running_loop()
        self._start()

    def _start(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        is_late = now - self._timer.when() > TICK / 3
        self._count += BUSY_PART if is_late and now < self._opening_until else 1
        if self._count * TICK > WAIT_BUDGET:
            self._limit.reschedule(now)
        else:
            self._start()

    def stop(self) -> float:
        """Return the count at the end."""
        self._timer.cancel()
        return self._count
