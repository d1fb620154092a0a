"""What is kept for a while; the only importer of aiocache.

Only redacted values come here, because redaction happens where a vendor's answer is parsed.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

from aiocache import SimpleMemoryCache  # type: ignore[import-untyped]
from aiocache.serializers import NullSerializer  # type: ignore[import-untyped]

from gateway.flight import Flights

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


T = TypeVar("T")


class Cache:
    """A bounded memory cache with single flight.

    ``max_entries`` bounds the number of values, whatever their size; ``clock`` gives seconds that
    only grow. Values are kept by reference, so they must be immutable.
    """

    def __init__(
        self, max_entries: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # A timeout would cost a task for every look at the memory.
        self._store = SimpleMemoryCache(serializer=NullSerializer(), timeout=None)
        self._flights: Flights[Any] = Flights()
        self._max_entries = max_entries
        self._clock = clock
        # aiocache's memory has no bound, and its expiry is a timer of the event loop for each key.
        self._ends: OrderedDict[str, float] = OrderedDict()

    async def remember(
        self, key: str, seconds: float, load: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        """Return what is kept under the key, or load it once for all who want it and keep it.

        Whatever ``load`` returns is kept, None too; what it raises reaches all who wait, and is
        not kept.
        """
        if key in self._ends and not self._is_over(key):
            kept: T = await self._store.get(key)
            return kept
        loaded: T = await self._flights.once(key, lambda: self._load(key, seconds, load))
        return loaded

    async def _load(
        self, key: str, seconds: float, load: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        value = await load()
        await self._store.set(key, value)
        self._ends[key] = self._clock() + seconds
        self._ends.move_to_end(key)
        # The one kept longest ago goes first, and with it what has ended unnoticed.
        while len(self._ends) > self._max_entries or self._is_over(next(iter(self._ends), "")):
            await self._store.delete(self._ends.popitem(last=False)[0])
        return value

    async def forget(self, key: str) -> None:
        """Drop what is kept under the key."""
        if self._ends.pop(key, None) is not None:
            await self._store.delete(key)

    def _is_over(self, key: str) -> bool:
        return key in self._ends and self._ends[key] <= self._clock()

    async def close(self) -> None:
        """Drop everything, and end what is being loaded."""
        await self._flights.cancel()
        await self._store.clear()
        self._ends.clear()
