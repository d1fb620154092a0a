"""Limit on the operations that are executed at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.limits import Limits

MAX_WAIT = 2.0
"""Maximum seconds that an operation queues; after longer waits callers give up or retry anyway."""


class OverloadedError(Exception):
    """The queue is full, or its time is over."""

    def __init__(self) -> None:
        super().__init__("The gateway is busy with other operations. Try again in a moment.")


class ConcurrencyLimit:
    """Runs up to the configured number of operations, and queues as many more."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._limit = limits.of("operations")
        self._free = asyncio.Semaphore(self._limit.max)
        self._waiting = 0

    async def take(self) -> Callable[[], None]:
        """Take a slot, and return the function that releases it.

        Raises OverloadedError if none becomes free.
        """
        if not self._free.locked():
            await self._free.acquire()  # at once
            return self._free.release
        if not self._limit.refuses:
            self._limits.refuses("operations", self._limit.max + 1)
            return _nothing
        await self._wait()
        return self._free.release

    async def _wait(self) -> None:
        if self._waiting < self._limit.max:
            self._waiting += 1
            try:
                async with asyncio.timeout(MAX_WAIT):
                    await self._free.acquire()
            except TimeoutError:
                pass
            else:
                return
            finally:
                self._waiting -= 1
        self._limits.refuses("operations", self._limit.max + 1)
        raise OverloadedError


def _nothing() -> None:
    """Release nothing: no slot was taken."""
