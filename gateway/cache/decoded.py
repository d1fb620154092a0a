"""Entries by the texts that they were decoded from.

A process reads the same entries from Redis again and again. As long as a text is the same, the very
entry is returned that was decoded before, with what is kept beside the records in it.

- An entry is found by its whole text only, so that it is what Redis has now.
- The texts and the entries take about ``MEMORY`` bytes at most, by ``size_of``. The least recently
  read are forgotten first, and an entry that Redis no longer has.
- An entry of more than half of ``MEMORY`` is decoded each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cachetools import LRUCache

if TYPE_CHECKING:
    from gateway.cache.entry import Entry

MEMORY = 24 * 2**20
ENTRY = 2048
"""Bytes that an entry takes beside what the vendor sent."""
VALUE = 80
"""Bytes that a value of JSON takes beside its text, such as an empty list."""


class Decoded(NamedTuple):
    """An entry that was decoded from a text as one with a value of that kind.

    ``size`` is by ``size_of``, which is too slow to be called twice.
    """

    text: bytes
    kind: type[Any]
    generation: int
    entry: Entry[Any]
    size: int


class DecodedEntries:
    """The entries that were decoded last, by their keys."""

    def __init__(self) -> None:
        self._kept: LRUCache[str, Decoded] = LRUCache(MEMORY, getsizeof=lambda one: one.size)

    def find(self, key: str, text: bytes, kind: type[Any]) -> Decoded | None:
        """Return what was decoded from the same text under a key, if it is kept."""
        kept: Decoded | None = self._kept.get(key)
        return kept if kept is not None and kept.kind is kind and kept.text == text else None

    def keep(self, key: str, decoded: Decoded) -> None:
        """Keep an entry in place of the one before."""
        if decoded.size <= MEMORY // 2:
            self._kept[key] = decoded
        else:
            self.forget(key)

    def forget(self, key: str) -> None:
        """Forget the entry under a key."""
        self._kept.pop(key, None)


def size_of(text: bytes) -> int:
    """Return about how many bytes of memory a text takes, with the entry decoded from it.

    A body is JSON in a text of JSON, so that its values count before they are decoded.
    """
    values = text.count(b",") + text.count(b"[") + text.count(b"{")
    return ENTRY + 2 * len(text) + VALUE * values
