"""Whole answers, kept for callers who send the same operation again.

- An answer is kept from the second time that its operation is seen: keeping each would make other
  traffic slower.
- Its key is the body of the request with the caller's grants, which is all of a caller that an
  answer depends on: nothing is kept where callers read with credentials of their own.
- It is used while every cached value that it was made of is still the current and fresh one. So an
  action, an eviction or a refresh that brought something new ends it.
- Answers that depend on the time, or that a vendor was called for, are not kept
  (``Result.is_lasting``, ``Result.is_cached``).
- The values are held weakly, so that answers do not keep pages alive that the cache has evicted.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec
from cachetools import LRUCache

from gateway.upstream.operation import Used

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.callers import Grant
    from gateway.model import Freshness, Timestamp
    from gateway.service import Gateway
    from gateway.sources.list_facts import ListFacts
    from gateway.upstream.operation import Executed, Operation
    from gateway.web.caching import Reads

MEMORY = 16 * 2**20
"""Bytes of kept answers, with their keys."""
OVERHEAD = 300
"""Bytes for each cached value that an answer was made of."""
SEEN = 4096
"""Operations seen once that are remembered."""

Key = tuple[tuple["Grant", ...], bytes]


class _Value(msgspec.Struct, frozen=True):
    """A cached value that an answer was made of; ``find`` returns None once it is gone.

    ``fetched_at`` is None unless a refresh with the same rows ends the answer, too.
    """

    source: str
    key: str
    find: Callable[[], Any]
    fetched_at: Timestamp | None


class Answer(msgspec.Struct, frozen=True):
    """The body of a response, and the cached values that it was made of.

    ``facts`` is what was known of the vendors' lists then, such as whether to trust their totals.
    ``executed`` and ``returned`` are those of the operation.
    """

    body: bytes
    values: Sequence[_Value]
    facts: Sequence[ListFacts]
    size: int
    executed: Executed | None = None
    returned: int = 0


class KeptAnswers:
    """The answers used last, within ``memory`` bytes."""

    def __init__(self, gateway: Gateway, memory: int = MEMORY) -> None:
        self._gateway = gateway
        self._memory = memory
        self._kept: LRUCache[Key, Answer] = LRUCache(memory, getsizeof=lambda one: one.size)
        self._seen: OrderedDict[int, bool] = OrderedDict()
        """By hash, whether the result of an operation is the same for all who may share it."""

    def find(self, key: Key) -> tuple[Answer, Reads] | None:
        """Return an answer that is still true, and the freshness of what it shows."""
        answer = self._kept.get(key)
        if answer is None:
            return None
        reads = self._reads(answer)
        if reads is None:
            del self._kept[key]
            return None
        return answer, reads

    def _reads(self, answer: Answer) -> Reads | None:
        """Return the freshness of what an answer was made of; None if any of it has changed."""
        if not self._gateway.has_list_facts(answer.facts):
            return None
        reads: dict[str, list[Freshness]] = {}
        for one in answer.values:
            value = one.find()
            if value is None:
                return None
            used = Used(one.source, one.key, value, one.fetched_at)
            freshness = self._gateway.freshness_of(used)
            if freshness is None:
                return None
            reads.setdefault(one.source, []).append(freshness)
        return reads

    def keep(self, key: Key, body: bytes, operation: Operation) -> None:
        """Keep an answer without errors, unless it may not be true for long or is the first."""
        result = operation.result
        if not result.is_lasting or result.is_incomplete:
            return
        if self._is_first(key, operation) or not result.is_cached:
            return
        if any(used.value is None for used in operation.used):
            return
        size = len(body) + len(key[1]) + OVERHEAD * (len(operation.used) + 4)
        if size <= self._memory:
            values = tuple([_held(used, chained=result.is_chained) for used in operation.used])
            self._kept[key] = Answer(
                body,
                values,
                self._gateway.list_facts(),
                size,
                operation.executed,
                operation.returned,
            )

    def _is_first(self, key: Key, operation: Operation) -> bool:
        mark = hash(key)
        is_first = mark not in self._seen
        self._seen[mark] = operation.result.is_shareable
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return is_first

    def is_shareable(self, key: Key) -> bool:
        """Return whether callers with the same grants could share the result, when last seen."""
        return self._seen.get(hash(key), False)


def _held(used: Used, *, chained: bool) -> _Value:
    found = weakref.ref(used.value)
    return _Value(used.source, used.key, found, used.fetched_at if chained else None)
