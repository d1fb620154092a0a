"""Limit on the operations that are executed at the same time, with a bounded queue ahead of it.

An operation that finds neither a slot nor a place in the queue is refused at once. So is one that
arrives while the head of the queue has been waiting for longer than ``MAX_DELAY``: it would most
likely wait in vain, and make those behind it wait, too.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.limits import Limits

MAX_WAIT = 2.0
"""Maximum seconds that an operation queues; after longer waits callers give up or retry anyway."""
MAX_DELAY = 1.0
"""Seconds that the head of the queue may have waited when another operation joins the queue."""
MAX_RETRY_AFTER = 10
"""Maximum seconds after which a refused caller is asked to come again."""


class OverloadedError(Exception):
    """The queue is full, or its time is over; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("The gateway is busy with other operations. Try again in a moment.")
        self.retry_after = retry_after


class ConcurrencyLimit:
    """Runs up to the configured number of operations, and queues as many more."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._limit = limits.of("operations")
        self._free = asyncio.Semaphore(self._limit.max)
        # The times at which the operations in the queue joined it, oldest first.
        self._waiting: dict[object, float] = {}
        self._filled = False
        self._moved_at = 0.0
        self._clock: Callable[[], float] | None = None

    @property
    def is_full(self) -> bool:
        """Whether another operation would be refused at once."""
        if not self._waiting or not self._free.locked():
            return False
        if len(self._waiting) >= self._limit.max:
            return True
        return self._now() - next(iter(self._waiting.values())) > MAX_DELAY

    @property
    def is_overloaded(self) -> bool:
        """Whether the queue is full, or has been since a slot was free.

        Without that, it would seem to be over between two operations of a full queue.
        """
        return self._free.locked() and (self._filled or self.is_full)

    async def take(self, deadline: float = math.inf) -> Callable[[], None]:
        """Take a slot, and return the function that releases it.

        Raises OverloadedError if none becomes free, at the latest at the deadline, which is in
        seconds of the event loop's clock.
        """
        if not self._free.locked():
            await self._free.acquire()  # at once
            self._filled = False
            self._moved_at = self._now()
            return self._release
        if not self._limit.refuses:
            self._limits.refuses("operations", self._limit.max + 1)
            return _nothing
        if self.is_full or not await self._wait(deadline):
            raise self.refusal()
        return self._release

    async def _wait(self, deadline: float) -> bool:
        place, now = object(), self._now()
        self._waiting[place] = now
        self._note()
        try:
            async with asyncio.timeout_at(min(now + MAX_WAIT, deadline)):
                return await self._free.acquire()
        except TimeoutError:
            self._note()
            return False
        finally:
            del self._waiting[place]

    def refusal(self) -> OverloadedError:
        """Count an operation that is refused, and return its error.

        The longer no slot has become free, the later its caller is asked to come again.
        """
        self._note()
        self._limits.refuses("operations", self._limit.max + 1)
        return OverloadedError(
            min(max(1, math.ceil(self._now() - self._moved_at)), MAX_RETRY_AFTER)
        )

    def _note(self) -> None:
        self._filled = self._filled or self.is_full

    def _release(self) -> None:
        self._moved_at = self._now()
        self._free.release()

    def _now(self) -> float:
        if self._clock is None:
            # Once: finding the running loop is a system call (getpid, in Python 3.11).
            self._clock = asyncio.get_running_loop().time
        return self._clock()


def _nothing() -> None:
    """Release nothing: no slot was taken."""
