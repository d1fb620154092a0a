"""The embedded store: the memory of this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec
from aiocache import SimpleMemoryCache  # type: ignore[import-untyped]
from aiocache.serializers import NullSerializer  # type: ignore[import-untyped]
from msgspec.structs import replace

from gateway.cache.entry import SKEW
from gateway.cache.store import Generation, Store, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gateway.cache.entry import Entry
    from gateway.cache.evictions import EvictionLog

MAX_DROPPED = 10_000
_encoder = msgspec.json.Encoder()


class _Memory(SimpleMemoryCache):  # type: ignore[misc]
    """aiocache's memory, which can be looked at without a wait, too."""

    def peek(self, key: str) -> Any:
        """Return the value under a key, or None."""
        return self._cache.get(key)


class MemoryStore(Store):
    """Stores entries by reference, so they must be immutable; evicts the least recently used first.

    ``max_bytes`` bounds the length of all entries as JSON; as objects they take about twice as
    much. An entry of more than half of it is not stored, so that a page with bodies of 8 MiB, which
    is twice that with the raw documents, is cached by default. ``clock`` returns Unix time in
    nanoseconds. With ``evictions``, the stores of all workers evict the same tags.
    """

    shared = False

    def __init__(
        self,
        *,
        max_entries: int,
        max_bytes: int,
        clock: Callable[[], int] = time.time_ns,
        evictions: EvictionLog | None = None,
    ) -> None:
        # A timeout would create a task for every lookup.
        self._entries = _Memory(serializer=NullSerializer(), timeout=None)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._evictions = evictions
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
        await self.catch_up()
        return self.peek(key), self._generation

    def peek(self, key: str) -> Entry[Any] | None:
        """Return the entry under a key; None, too, until what others evicted is evicted here."""
        if self._evictions is not None and self._evictions.has_news:
            return None
        if key not in self._sizes:
            return None
        self._sizes.move_to_end(key)
        entry: Entry[Any] = self._entries.peek(key)
        return None if entry.stored_at > self._clock() + SKEW else entry

    async def write(self, key: str, entry: Entry[Any], generation: Generation) -> None:
        """Store an entry, and evict others to make room for it."""
        await self.catch_up()
        if generation is None or generation < self._forgotten:
            return
        if any(self._dropped.get(tag, 0) > generation for tag in entry.tags):
            return
        kept = await self._entries.get(key)
        if kept is not None and entry.asked_at < kept.asked_at <= self._clock() + SKEW:
            return
        try:
            size = _size_of(entry)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):
            # The value can't be encoded, so no other store could hold it either.
            self.failures += 1
            return
        await self._forget(key)
        if size > self._max_bytes // 2:
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
        """Evict the entries that have one of the tags, and let the other workers evict theirs.

        Returns how many there were in this process.
        """
        if self._evictions is not None:
            self._evictions.append(tags)
        return await self.evict_here(tags)

    async def catch_up(self) -> None:
        """Evict what other workers have evicted; ``read`` and ``write`` do so first."""
        if self._evictions is None or not self._evictions.has_news:
            return
        tags = self._evictions.news()
        if tags is None:
            self._generation += 1
            self._forgotten = self._generation
            await self.close()
        else:
            await self.evict_here(tags)

    async def evict_here(self, tags: Collection[str]) -> int:
        """Evict the entries of this process that have one of the tags."""
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


def _size_of(entry: Entry[Any]) -> int:
    """Return the bytes of JSON that an entry takes; raises if its value can't be encoded."""
    measure = getattr(entry.value, "encoded_size", None)
    if measure is None:
        return len(_encoder.encode(entry))
    own: int = measure(_encoder)
    return own + len(_encoder.encode(replace(entry, value=None)))
