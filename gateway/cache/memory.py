"""The embedded store: the memory of this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec
from aiocache import SimpleMemoryCache  # type: ignore[import-untyped]
from aiocache.serializers import NullSerializer  # type: ignore[import-untyped]

from gateway.cache.entry import SKEW
from gateway.cache.store import Generation, Store, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gateway.cache.entry import Entry

MAX_DROPPED = 10_000
_encoder = msgspec.json.Encoder()


class MemoryStore(Store):
    """Stores entries by reference, so they must be immutable; evicts the least recently used first.

    ``max_bytes`` bounds the length of all entries as JSON; as objects they take about twice as
    much. An entry of more than a tenth of it is not stored. ``clock`` returns Unix time in
    nanoseconds.
    """

    shared = False

    def __init__(
        self, *, max_entries: int, max_bytes: int, clock: Callable[[], int] = time.time_ns
    ) -> None:
        # A timeout would create a task for every lookup.
        self._entries = SimpleMemoryCache(serializer=NullSerializer(), timeout=None)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        # aiocache's memory is unbounded, and expires keys with one event loop timer each.
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._size = 0
        self._keys: dict[str, set[str]] = {}
        self._tags: dict[str, tuple[str, ...]] = {}
        self._generation = 0
        self._dropped: dict[str, int] = {}
        self._forgotten = 0

    async def read(self, key: str, kind: type[Any]) -> tuple[Entry[Any] | None, Generation]:
        """Return the entry under a key."""
        del kind
        if key not in self._sizes:
            return None, self._generation
        self._sizes.move_to_end(key)
        entry = await self._entries.get(key)
        return (None if entry.stored_at > self._clock() + SKEW else entry), self._generation

    async def write(self, key: str, entry: Entry[Any], generation: Generation) -> None:
        """Store an entry, and evict others to make room for it."""
        if generation is None or generation < self._forgotten:
            return
        if any(self._dropped.get(tag, 0) > generation for tag in entry.tags):
            return
        kept = await self._entries.get(key)
        if kept is not None and entry.asked_at < kept.asked_at <= self._clock() + SKEW:
            return
        try:
            size = len(_encoder.encode(entry))
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):
            # The value can't be encoded, so no other store could hold it either.
            self.failures += 1
            return
        await self._forget(key)
        if size > self._max_bytes // 10:
            return
        await self._entries.set(key, entry)
        self._sizes[key] = size
        self._size += size
        self._tags[key] = entry.tags
        for tag in entry.tags:
            self._keys.setdefault(tag, set()).add(key)
        while len(self._sizes) > self._max_entries or self._size > self._max_bytes:
            await self._forget(next(iter(self._sizes)))

    async def evict(self, tags: Collection[str]) -> int:
        """Evict the entries that have one of the tags."""
        self._generation += 1
        if len(self._dropped) + len(tags) > MAX_DROPPED:
            # Loads in flight are then not stored, which only costs another call.
            self._dropped.clear()
            self._forgotten = self._generation
        self._dropped.update(dict.fromkeys(tags, self._generation))
        keys = {key for tag in tags for key in self._keys.get(tag, ())}
        for key in keys:
            await self._forget(key)
        return len(keys)

    async def _forget(self, key: str) -> None:
        size = self._sizes.pop(key, None)
        if size is None:
            return
        self._size -= size
        for tag in self._tags.pop(key):
            self._keys[tag].discard(key)
            if not self._keys[tag]:
                del self._keys[tag]
        await self._entries.delete(key)

    async def usage(self) -> Usage:
        """Return how full it is, in entries and in bytes of JSON."""
        return Usage(len(self._sizes), self._size)

    async def close(self) -> None:
        """Evict everything."""
        for key in list(self._sizes):
            await self._forget(key)
