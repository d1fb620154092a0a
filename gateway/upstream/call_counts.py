"""Counts of the calls to each source, which the workers of one server share.

Each worker has a token bucket of its own, and takes from it what the others called meanwhile. So
together they keep to the rate limit of a source, and a single busy worker may use all of it. Two
workers may take the last token at the same moment; then both wait longer for the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.shared_memory import SharedMemory

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH = 8
"""Bytes of a count."""
MAX_SOURCES = 4096
"""Maximum number of sources, those of earlier configurations included."""


class CallCount:
    """The calls to one source, as one worker sees them."""

    def __init__(self, counts: CallCounts, at: int) -> None:
        self._counts = counts
        self._at = at
        self._seen = counts.read(at)

    def add(self) -> None:
        """Count a call of this worker."""
        self._counts.increment(self._at)
        self._seen += 1

    def by_others(self) -> int:
        """Return the number of calls that other workers have made since the last time."""
        total = self._counts.read(self._at)
        others, self._seen = total - self._seen, total
        return others


class CallCounts:
    """The counts of all sources, in memory that all workers have mapped.

    It can be an argument of a process that is being spawned.
    """

    def __init__(self, names: Iterable[str] = (), memory: SharedMemory | None = None) -> None:
        self.names = list(names)
        self._memory = memory or SharedMemory(WIDTH * MAX_SOURCES)

    def __reduce__(self) -> tuple[Any, ...]:
        return CallCounts, (self.names, self._memory)

    def add_sources(self, names: Iterable[str]) -> None:
        """Make room for sources; those that have a count keep it."""
        self.names += [name for name in names if name not in self.names]
        del self.names[MAX_SOURCES:]

    def of(self, name: str) -> CallCount | None:
        """Return the count of a source; None if there is no room for it."""
        return CallCount(self, WIDTH * self.names.index(name)) if name in self.names else None

    def read(self, at: int) -> int:
        """Return the count at a position."""
        return int.from_bytes(self._memory.data[at : at + WIDTH], "little")

    def increment(self, at: int) -> None:
        """Add one to the count at a position, while no other process does."""
        with self._memory.locked(at, WIDTH):
            self._memory.data[at : at + WIDTH] = (self.read(at) + 1).to_bytes(WIDTH, "little")
