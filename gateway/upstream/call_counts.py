"""Counts of the calls to each source, which the workers of one server share.

Each worker has a token bucket of its own, and takes from it what the others called meanwhile. So
together they keep to the rate limit of a source, and a single busy worker may use all of it. Two
workers may take the last token at the same moment; then both wait longer for the next one.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

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

    def __init__(self, names: Iterable[str] = (), descriptor: int | None = None) -> None:
        self._names = list(names)
        self._descriptor = _create() if descriptor is None else descriptor
        self._memory = mmap.mmap(self._descriptor, WIDTH * MAX_SOURCES)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (self._names, reduction.DupFd(self._descriptor))

    def add_sources(self, names: Iterable[str]) -> None:
        """Make room for sources; those that have a count keep it."""
        self._names += [name for name in names if name not in self._names]
        del self._names[MAX_SOURCES:]

    def of(self, name: str) -> CallCount | None:
        """Return the count of a source; None if there is no room for it."""
        return CallCount(self, WIDTH * self._names.index(name)) if name in self._names else None

    def read(self, at: int) -> int:
        """Return the count at a position."""
        return int.from_bytes(self._memory[at : at + WIDTH], "little")

    def increment(self, at: int) -> None:
        """Add one to the count at a position, while no other process does."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, WIDTH, at)
        try:
            self._memory[at : at + WIDTH] = (self.read(at) + 1).to_bytes(WIDTH, "little")
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, WIDTH, at)


def _attach(names: list[str], handle: Any) -> CallCounts:
    return CallCounts(names, handle.detach())


def _create() -> int:
    """Create a file without a name, in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("gateway-calls")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, WIDTH * MAX_SOURCES)
    return descriptor
