"""Rate limit: the requests that each caller may make in a minute.

The headers are those of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from gateway.callers import Caller, Method
from gateway.callers.attempts import network_of
from gateway.web.observed import name_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.limits import Limits

WINDOW = 60
"""Seconds in which a caller's bucket refills."""
MAX_CALLERS = 10_000
"""Maximum number of remembered callers; beyond it, the one idle the longest is forgotten."""


class RateLimitedError(Exception):
    """The caller makes too many requests; ``headers`` say when to retry."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        super().__init__(
            f"That is more than is taken from one caller. Wait {headers['Retry-After']} seconds."
        )


class Store(Protocol):
    """Counts the requests of callers; a store that replicas share counts them together."""

    async def take(self, caller: str, limit: int) -> float:
        """Count a request of a caller that may make ``limit`` of them in a window.

        Returns the requests left, a fraction, as the bucket refills evenly. A negative result means
        that the request exceeds the limit and is not counted.
        """


class MemoryStore:
    """Counts in the memory of this process; ``clock`` is monotonic, in seconds."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, callers: int = MAX_CALLERS
    ) -> None:
        self._clock = clock
        self._callers = callers
        # Requests left, and the time of that count.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def take(self, caller: str, limit: int) -> float:
        """Count a request of a caller."""
        now = self._clock()
        left, then = self._left.pop(caller, (float(limit), now))
        left = min(limit, left + (now - then) * limit / WINDOW)
        after = left - 1
        self._left[caller] = (after if after >= 0 else left, now)
        if len(self._left) > self._callers:
            self._left.popitem(last=False)
        return after


class SharedStore:
    """Counts together with other replicas, or in ``memory`` where there are none."""

    def __init__(
        self,
        take: Callable[[str, int, int], Awaitable[float | None]],
        memory: MemoryStore | None = None,
    ) -> None:
        self._take = take
        self._memory = memory or MemoryStore()

    async def take(self, caller: str, limit: int) -> float:
        """Count a request of a caller."""
        left = await self._take(caller, limit, WINDOW)
        return await self._memory.take(caller, limit) if left is None else left


class RateLimiter:
    """Enforces the rate limit of each caller."""

    def __init__(self, limits: Limits, store: Store) -> None:
        self._limits = limits
        self._store = store

    async def headers(self, caller: Caller, address: str) -> dict[str, str]:
        """Count a request, and return the headers about it.

        Callers without credentials are counted by address. Raises RateLimitedError.
        """
        limit = self._limits.of("rate")
        if limit.mode == "off":
            return {}
        name = network_of(address) if caller.method is Method.NONE else caller.name
        left = await self._store.take(f"{caller.method.value}:{name}", limit.max)
        per_second = limit.max / WINDOW
        headers = {
            "RateLimit-Policy": f'"requests";q={limit.max};w={WINDOW}',
            "RateLimit": f'"requests";r={max(0, int(left))};'
            f"t={math.ceil(min(WINDOW, (limit.max - left) / per_second))}",
        }
        if left < 0 and self._limits.refuses("rate", limit.max + 1, name_of(caller)):
            wait = str(math.ceil(-left / per_second))
            raise RateLimitedError({**headers, "Retry-After": wait})
        return headers
