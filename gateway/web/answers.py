"""Whole answers, kept for callers who send the same operation again.

- An answer is kept from the second time that its operation is seen: keeping each would make other
  traffic slower.
- Its key is the body of the request with the caller's grants, which is all of a caller that an
  answer depends on: nothing is kept where callers read with credentials of their own.
- It is used while every cached value that it was made of is still the current and fresh one. So an
  action, an eviction or a refresh that brought something new ends it.
- Answers that depend on the time, or that a vendor was called for, are not kept
  (``Operation.is_lasting``).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec
from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.callers import Grant
    from gateway.model import Freshness
    from gateway.service import Gateway
    from gateway.upstream.operation import Operation, Used

MEMORY = 16 * 2**20
"""Bytes of kept answers, with their keys."""
OVERHEAD = 200
"""Bytes for each cached value that an answer was made of."""
SEEN = 4096
"""Operations seen once that are remembered."""

Key = tuple[tuple["Grant", ...], bytes]
Reads = dict[str, list["Freshness"]]


class Answer(msgspec.Struct, frozen=True):
    """The body of a response, and the cached values that it was made of.

    ``facts`` is what was known of the vendors' lists then, such as whether to trust their totals.
    """

    body: bytes
    used: Sequence[Used]
    facts: object
    size: int


class KeptAnswers:
    """The answers used last, within ``memory`` bytes."""

    def __init__(self, gateway: Gateway, memory: int = MEMORY) -> None:
        self._gateway = gateway
        self._memory = memory
        self._kept: LRUCache[Key, Answer] = LRUCache(memory, getsizeof=lambda one: one.size)
        self._seen: OrderedDict[int, None] = OrderedDict()

    def find(self, key: Key) -> tuple[bytes, Reads] | None:
        """Return the body of an answer that is still true, and the freshness of what it shows."""
        answer = self._kept.get(key)
        if answer is None:
            return None
        reads = self._reads(answer)
        if reads is None:
            del self._kept[key]
            return None
        return answer.body, reads

    def _reads(self, answer: Answer) -> Reads | None:
        """Return the freshness of what an answer was made of; None if any of it has changed."""
        if answer.facts != self._gateway.list_facts():
            return None
        reads: Reads = {}
        for used in answer.used:
            freshness = self._gateway.freshness_of(used)
            if freshness is None:
                return None
            reads.setdefault(used.source, []).append(freshness)
        return reads

    def keep(self, key: Key, body: bytes, operation: Operation) -> None:
        """Keep an answer without errors, unless it may not be true for long or is the first."""
        if not operation.is_lasting or not self._is_second(key):
            return
        size = len(body) + len(key[1]) + OVERHEAD * (len(operation.used) + 5)
        if size <= self._memory:
            facts = self._gateway.list_facts()
            self._kept[key] = Answer(body, tuple(operation.used), facts, size)

    def _is_second(self, key: Key) -> bool:
        mark = hash(key)
        if mark in self._seen:
            return True
        self._seen[mark] = None
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return False
