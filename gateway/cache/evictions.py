"""Evictions that the workers of one server share, although each has a memory of its own.

A worker that evicts tags appends them to a ring in memory that all workers have mapped. The others
read on in it before they use their entries: to see that there is nothing new costs no system call.
A worker that is further behind than the ring is long evicts everything.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import tempfile
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

HEAD = 8
"""Bytes of the number at the beginning: the bytes that were ever appended."""
SIZE = 2**18
"""Bytes of the ring."""
_decoder = msgspec.json.Decoder(list[str])


class EvictionLog:
    """The shared log, as one process reads it; it starts at the end.

    It can be an argument of a process that is being spawned.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = _create() if descriptor is None else descriptor
        self._memory = mmap.mmap(self._descriptor, HEAD + SIZE)
        self._seen = self._memory[:HEAD]

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (reduction.DupFd(self._descriptor),)

    @property
    def has_news(self) -> bool:
        """Whether another process has evicted anything since ``news``."""
        return self._memory[:HEAD] != self._seen

    def append(self, tags: Collection[str]) -> None:
        """Let the other processes evict tags before they read again."""
        line = msgspec.json.encode(list(tags)) + b"\n"
        with self._locked():
            before = self._memory[:HEAD]
            end = _number(before)
            if len(line) > SIZE:
                # Whoever reads it is behind by more than the ring.
                end += len(line)
            else:
                end = self._write(line, end)
            self._memory[:HEAD] = end.to_bytes(HEAD, "little")
            if self._seen == before:
                self._seen = self._memory[:HEAD]

    def news(self) -> set[str] | None:
        """Return the tags that were evicted since the last call; None for all there are."""
        with self._locked():
            start, end = _number(self._seen), _number(self._memory[:HEAD])
            self._seen = self._memory[:HEAD]
            if end - start > SIZE:
                return None
            lines = self._read(start, end)
        return {tag for line in lines.splitlines() for tag in _decoder.decode(line)}

    def _write(self, line: bytes, start: int) -> int:
        at = start % SIZE
        first = line[: SIZE - at]
        self._memory[HEAD + at : HEAD + at + len(first)] = first
        self._memory[HEAD : HEAD + len(line) - len(first)] = line[len(first) :]
        return start + len(line)

    def _read(self, start: int, end: int) -> bytes:
        at, length = start % SIZE, end - start
        first = self._memory[HEAD + at : HEAD + min(at + length, SIZE)]
        return first + self._memory[HEAD : HEAD + length - len(first)]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude the other processes for some microseconds; the lock ends with its process."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def _number(head: bytes) -> int:
    return int.from_bytes(head, "little")


def _attach(handle: Any) -> EvictionLog:
    return EvictionLog(handle.detach())


def _create() -> int:
    """Create a file without a name, in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("gateway-evictions")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, HEAD + SIZE)
    return descriptor
