"""Where entries are kept: what the memory and Redis both offer."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gateway.cache.entry import Entry

Generation = int | None
"""Tells which drops came before something was read; None where that can't be known."""


class Usage(msgspec.Struct, frozen=True):
    """How full a store is; None where another program knows."""

    entries: int | None = None
    size: int | None = None


class Store(abc.ABC):
    """Keeps entries by key, and drops them by tag.

    No method raises because the store is out of order: then nothing is found, nothing is kept, and
    ``failures`` counts it. ``shared`` tells whether other processes see the same entries.
    """

    shared: bool
    failures: int = 0
    available: bool = True

    @abc.abstractmethod
    async def read(self, key: str, kind: type[Any]) -> tuple[Entry[Any] | None, Generation]:
        """Give what is kept under a key, a value of that kind, and the generation it was read in."""

    @abc.abstractmethod
    async def write(self, key: str, entry: Entry[Any], generation: Generation) -> None:
        """Keep an entry, unless one of its tags was dropped since the generation, or a later is kept."""

    @abc.abstractmethod
    async def evict(self, tags: Collection[str]) -> int:
        """Drop what has one of the tags, everywhere; tell how many entries that were."""

    async def lease(self, key: str) -> Lease | None:
        """Take on the work for a key; None while another process does it."""
        del key
        return Lease()

    async def take(self, name: str, most: int, seconds: int) -> float | None:
        """Take one of so many that a name has, which come back evenly within the seconds.

        Gives how many are left, below 0 if it was one too many, which takes nothing. None where
        other processes would not see it: then it is for the caller to count.
        """
        del name, most, seconds
        return None

    async def usage(self) -> Usage:
        """Tell how full it is."""
        return Usage()

    @abc.abstractmethod
    async def close(self) -> None:
        """Give back what it holds."""


class Lease:
    """The right to do the work for a key; the one that every process has is nothing to return."""

    async def __aenter__(self) -> None:
        """Take it."""

    async def __aexit__(self, *_: object) -> None:
        """Give it back, to whoever waits for it."""


def make_store(url: str, *, max_entries: int, max_bytes: int, clock: Callable[[], int]) -> Store:
    """Make the store for an address: ``memory://``, or that of Redis or Valkey.

    ConfigurationError where the package for the latter is not installed.
    """
    if url.startswith("memory:"):
        from gateway.cache.memory import MemoryStore  # noqa: PLC0415

        return MemoryStore(max_entries=max_entries, max_bytes=max_bytes, clock=clock)
    try:
        from gateway.cache.redis import RedisStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigurationError(
            ["cache.url: Redis needs the extra redis, as in webhook-log-gateway[redis]"]
        ) from None
    return RedisStore(url, clock=clock)
