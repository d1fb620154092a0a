"""A limit on the number of requests to a simulated vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RateLimit:
    """At most ``limit`` requests in each period of ``seconds``, counted by the sandbox's clock.

    A simulator's limit is far above its vendor's, so that only tests that lower it meet it.
    """

    def __init__(self, limit: int, seconds: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._seconds = seconds
        self._clock = clock
        self._period = -1
        self._count = 0

    def admits(self) -> bool:
        """Count a request; return whether it is within the limit."""
        period = int(self._clock() // self._seconds)
        if period != self._period:
            self._period, self._count = period, 0
        self._count += 1
        return self._count <= self.limit

    @property
    def remaining(self) -> int:
        """Requests left in this period."""
        return max(0, self.limit - self._count)

    @property
    def resets_in(self) -> int:
        """Seconds until the next period, rounded up."""
        return int(self._seconds - self._clock() % self._seconds) + 1
