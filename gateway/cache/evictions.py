"""Evictions that the workers of one server share, although each has a memory of its own.

A worker that evicts tags appends them to a ring in memory that all workers have mapped. The others
read on in it before they use their entries: to see that there is nothing new costs no system call.
A worker that is further behind than the ring is long evicts everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.shared_memory import SharedMemory

if TYPE_CHECKING:
    from collections.abc import Collection

HEAD = 8
"""Bytes of the number at the beginning: the bytes that were ever appended."""
SIZE = 2**18
"""Bytes of the ring."""
_decoder = msgspec.json.Decoder(list[str])


class EvictionLog:
    """The shared log, as one process reads it; it starts at the end.

    It can be an argument of a process that is being spawned.
    """

    def __init__(self, shared: SharedMemory | None = None) -> None:
        self._shared = shared or SharedMemory(HEAD + SIZE)
        self._memory = self._shared.data
        self._seen = self._memory[:HEAD]

    def __reduce__(self) -> tuple[Any, ...]:
        return EvictionLog, (self._shared,)

    @property
    def has_news(self) -> bool:
        """Whether another process has evicted anything since ``news``."""
        return self._memory[:HEAD] != self._seen

    def append(self, tags: Collection[str]) -> None:
        """Let the other processes evict tags before they read again."""
        line = msgspec.json.encode(list(tags)) + b"\n"
        with self._shared.locked():
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
        with self._shared.locked():
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


def _number(head: bytes) -> int:
    return int.from_bytes(head, "little")
