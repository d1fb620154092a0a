"""How many requests each caller may make in a minute.

The headers are those of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from gateway.callers import Caller, Method
from gateway.callers.attempts import place

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.limits import Limits

WINDOW = 60
"""Seconds within which all requests of a caller come back."""
CALLERS = 10_000
"""Callers that are remembered; beyond that, the one that asked longest ago begins anew."""


class RateLimitedError(Exception):
    """A caller asks too often; ``headers`` tell when to come again."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        super().__init__(
            f"That is more than is taken from one caller. Wait {headers['Retry-After']} seconds."
        )


class Store(Protocol):
    """Where the requests of callers are counted; one that replicas share counts them together."""

    async def take(self, caller: str, most: int) -> float:
        """Count a request of a caller who may make ``most`` of them within the window.

        Gives how many are left, below 0 if it was one too many, which takes nothing. It is a
        fraction, as requests come back one by one, evenly through the window.
        """


class Memory:
    """Counts in the memory of this process; ``clock`` is in seconds and only goes forward."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, callers: int = CALLERS
    ) -> None:
        self._clock = clock
        self._callers = callers
        # How many requests each had left, and when.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def take(self, caller: str, most: int) -> float:
        """Count a request of a caller."""
        now = self._clock()
        left, then = self._left.pop(caller, (float(most), now))
        left = min(most, left + (now - then) * most / WINDOW)
        after = left - 1
        self._left[caller] = (after if after >= 0 else left, now)
        if len(self._left) > self._callers:
            self._left.popitem(last=False)
        return after


class Shared:
    """Counts together with the other replicas, and where that can't be, in the memory."""

    def __init__(self, take: Callable[[str, int, int], Awaitable[float | None]]) -> None:
        self._take = take
        self._memory = Memory()

    async def take(self, caller: str, most: int) -> float:
        """Count a request of a caller."""
        left = await self._take(caller, most, WINDOW)
        return await self._memory.take(caller, most) if left is None else left


class Rates:
    """Holds callers to the limit of requests in a minute."""

    def __init__(self, limits: Limits, store: Store) -> None:
        self._limits = limits
        self._store = store

    async def headers(self, caller: Caller, address: str) -> dict[str, str]:
        """Count a request, and tell in headers what is left; RateLimitedError for too many.

        Who is not asked for a credential is known by the address.
        """
        limit = self._limits.of("rate")
        if limit.mode == "off":
            return {}
        known = place(address) if caller.method is Method.NONE else caller.name
        left = await self._store.take(f"{caller.method.value}:{known}", limit.max)
        second = limit.max / WINDOW
        told = {
            "RateLimit-Policy": f'"requests";q={limit.max};w={WINDOW}',
            "RateLimit": f'"requests";r={max(0, int(left))};'
            f"t={math.ceil(min(WINDOW, (limit.max - left) / second))}",
        }
        if left < 0 and self._limits.refuses("rate", limit.max + 1):
            raise RateLimitedError({**told, "Retry-After": str(math.ceil(-left / second))})
        return told
