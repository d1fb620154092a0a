"""How many operations are executed at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.limits import Limits

SECONDS = 2.0
"""How long an operation waits for its place; who waits longer has given up, or tries again."""


class OverloadedError(Exception):
    """There is no place, and none came free in time."""

    def __init__(self) -> None:
        super().__init__("The gateway is busy with other operations. Try again in a moment.")


class Places:
    """The places for operations, of which as many may wait as are executed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._limit = limits.of("operations")
        self._free = asyncio.Semaphore(self._limit.max)
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Take a place for as long as the context; OverloadedError when there is none."""
        if self._free.locked() and not self._limit.refuses:
            self._limits.refuses("operations", self._limit.max + 1)
            yield
            return
        await self._wait()
        try:
            yield
        finally:
            self._free.release()

    async def _wait(self) -> None:
        if self._waiting < self._limit.max:
            self._waiting += 1
            try:
                async with asyncio.timeout(SECONDS):
                    await self._free.acquire()
            except TimeoutError:
                pass
            else:
                return
            finally:
                self._waiting -= 1
        self._limits.refuses("operations", self._limit.max + 1)
        raise OverloadedError
