"""The store interface that memory and Redis implement."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.cache.entry import Entry

Generation = int | None
"""Identifies the evictions that preceded a read; None if they are unknown."""


class Usage(msgspec.Struct, frozen=True):
    """Usage of a store; None if only another program knows it."""

    entries: int | None = None
    size: int | None = None


class Store(abc.ABC):
    """Stores entries by key, and evicts them by tag.

    No method raises when the store is unavailable: nothing is found, nothing is stored, and
    ``failures`` is incremented. ``shared`` is true if other processes see the same entries.
    """

    shared: bool
    failures: int = 0
    available: bool = True

    @abc.abstractmethod
    async def read(self, key: str, kind: type[Any]) -> tuple[Entry[Any] | None, Generation]:
        """Return the entry under a key, decoded as that kind, and the generation of the read."""

    def peek(self, key: str) -> Entry[Any] | None:
        """Return what ``read`` would find, if that takes no wait; None does not say otherwise."""
        del key
        return None

    @abc.abstractmethod
    async def write(self, key: str, entry: Entry[Any], generation: Generation) -> None:
        """Store an entry, unless a tag of it was evicted since, or the stored one is newer."""

    @abc.abstractmethod
    async def evict(self, tags: Collection[str]) -> int:
        """Evict the entries that have one of the tags, everywhere; return how many there were."""

    async def evict_here(self, tags: Collection[str]) -> int:
        """Evict as ``evict`` does, where the other processes know of it already."""
        return await self.evict(tags)

    async def lease(self, key: str) -> Lease | None:
        """Return the right to load a key; None while another process has it."""
        del key
        return Lease()

    async def take(self, name: str, limit: float, seconds: float) -> float | None:
        """Take one of the ``limit`` uses of a name, which are replenished evenly over ``seconds``.

        Returns the number of uses left, negative if there was none to take. Returns None if other
        processes would not see the count, so that the caller has to count by itself.
        """
        del name, limit, seconds
        return None

    async def usage(self) -> Usage:
        """Return the usage."""
        return Usage()

    @abc.abstractmethod
    async def close(self) -> None:
        """Release all resources."""


class Lease:
    """The right to load a key, until the block ends; in this class, each process has its own."""

    async def __aenter__(self) -> None:
        """Take the lease."""

    async def __aexit__(self, *_: object) -> None:
        """Release it."""
