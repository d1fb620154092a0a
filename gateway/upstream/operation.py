"""The state that the upstream calls of one operation share."""

from __future__ import annotations

import asyncio
import copy
import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.model import Freshness, Hook, Timestamp
from gateway.row_memo import RowMemo, RowsMemo
from gateway.upstream.trace import Trace

PART = "part:"
"""Prefix of the names of cached parts among the answers; no path begins with it."""


_NO_MEMO = RowMemo(enabled=False)


class Used(NamedTuple):
    """A fresh value from the cache that a result was made of, by its source and its key.

    ``fetched_at`` is None if it does not matter.
    """

    source: str
    key: str
    value: Any
    fetched_at: Timestamp | None = None


class Executed(NamedTuple):
    """The name of an operation, its kind, such as "query", and the SHA-256 of its document."""

    name: str | None
    kind: str
    document: str


class Calls(dict[str, int]):
    """The calls made so far, by source, and the ``seconds`` that they took, added up."""

    seconds = 0.0

    def __missing__(self, source: str) -> int:
        return 0


class Result:
    """What is known of an operation's result so far."""

    def __init__(self) -> None:
        self.is_cached = True
        """Whether all that was read was in the cache and fresh, and is therefore in ``used``."""
        self.is_chained = False
        """Whether something that was read must not be older than something else."""
        self.is_lasting = True
        """Whether it depends on nothing but the cache, the arguments and the grants."""
        self.is_shareable = False
        """Whether it is known to say nothing about the calls made for this operation."""
        self.is_incomplete = False
        """Whether something could not be read although the response is not an error."""


class Operation:
    """One caller's operation: its deadline, and the calls made for it so far, by source.

    ``seconds`` bounds it, ``longest`` bounds any operation; both may be infinite. ``began`` and
    ``deadline`` are in seconds of the event loop's clock. A call shared by several operations
    counts for the one that started it.

    ``passed`` are the vendor credentials that the caller sent, by lower-case header name.
    ``request_id`` identifies its request. ``trace`` is the W3C trace context sent with every vendor
    call, background refreshes included. ``began_at`` is its start in Unix nanoseconds: a cache
    entry requested after that is new enough for any ``max_age``. Entries older than ``max_age``
    seconds, or than the source's ``least_age`` if that is greater, are not used. ``reads`` is the
    freshness of each answer, by source.
    """

    executed: Executed | None = None
    """What is executed, once that is known."""
    scanned = returned = 0
    """The logs that were examined for lists, and those in them."""
    codes: tuple[str, ...] = ()
    """The codes of the errors in the response."""
    lost: tuple[str, ...] = ()
    """The codes of the failures of sources that are therefore missing in lists."""

    def __init__(
        self,
        seconds: float,
        passed: Mapping[str, str] | None = None,
        request_id: str | None = None,
        *,
        longest: float | None = None,
        max_age: float | None = None,
        least_age: Mapping[str, float] | None = None,
        trace: Trace | None = None,
        began_at: Timestamp | None = None,
    ) -> None:
        self.passed = passed or {}
        self.request_id = request_id
        self.trace = trace
        self.seconds = seconds
        # Finding the running loop is a system call each time (getpid, in Python 3.11).
        self._clock = asyncio.get_running_loop().time
        self.began = self._clock()
        self.deadline = self.began + seconds
        self.began_at = began_at
        self.calls = Calls()
        self.reads: dict[str, list[Freshness]] = defaultdict(list)
        self.is_caught_up = False
        """Whether what actions of other processes have made obsolete has been evicted."""
        self.background = False
        """Whether it is a background refresh, after the caller has got a response."""
        self.on_hooks: Callable[[Sequence[Hook]], None] | None = None
        """Called with each page of a source's hooks while others are still being read."""
        self.etags: Mapping[str, str] = {}
        """The ETags to send, by path and query."""
        self.validators: dict[str, str] = {}
        """The validators of the answers so far: the ETag of each (empty if it has none) by path and
        query, and a digest of each cached part. Together they show whether a value built from them
        has changed."""
        self.used: list[Used] = []
        """What was read from the cache while it was fresh."""
        self.result = Result()
        """What is known of the result; a copy of the operation has the same."""
        self.made_of: Freshness | None = None
        """The freshness of the cache entries that the result was built from, if any."""
        self.memo: Callable[..., RowsMemo] = _NO_MEMO.within
        """Returns the records of rows that were read before with the same credential, by their
        context: the list, and what else counts."""
        self._longest = seconds if longest is None else longest
        self._max_age = max_age
        self._least_age = least_age or {}

    @property
    def elapsed(self) -> float:
        """The seconds since it began."""
        return self._clock() - self.began

    @property
    def is_late(self) -> bool:
        """Whether its deadline has passed."""
        return self._clock() > self.deadline

    def max_age(self, source: str, wanted: float | None = None) -> float | None:
        """Return the maximum age in seconds of a source's cache entries, or None."""
        if wanted is None and self._max_age is None:
            return None
        ages = [age for age in (self._max_age, wanted) if age is not None]
        return max(min(ages), self._least_age.get(source, 0.0))

    def report_hooks(self, hooks: Sequence[Hook]) -> None:
        """Report the hooks read so far, while others are still being read."""
        if self.on_hooks is not None and hooks:
            self.on_hooks(hooks)

    def add_part(self, name: str, value: Any, digest: str | None = None) -> str:
        """Add the validator of another cached value that the result is built from.

        Returns the digest, which may be given if it is known.
        """
        if digest is None:
            encoded = msgspec.msgpack.encode(value)
            digest = hashlib.blake2b(encoded, digest_size=12).hexdigest()
        self.validators[PART + name] = digest
        return digest

    def digest_of(self, name: str) -> str:
        """Return the digest of a part that the result is built from."""
        return self.validators[PART + name]

    def parts_differ_from(self, before: Mapping[str, str]) -> bool:
        """Return whether a cached part of the result differs from its digest in ``before``."""
        return any(
            self.validators.get(name) != digest
            for name, digest in before.items()
            if name.startswith(PART)
        )

    def reporting_hooks(self, on_hooks: Callable[[Sequence[Hook]], None] | None) -> Operation:
        """Return the same operation, whose hooks are reported to a function as they are listed."""
        # copy.copy takes several times as long, which counts in every list.
        other = object.__new__(Operation)
        other.__dict__.update(self.__dict__, on_hooks=on_hooks)
        return other

    def with_longest_deadline(self, limit: float) -> Operation:
        """Return the operation with the longest deadline instead of the caller's own.

        It ends at most ``limit`` seconds after it began, and its calls count for this one.
        """
        other = copy.copy(self)
        other.seconds = min(self._longest, limit)
        other.deadline = self.began + other.seconds
        return other

    def detached(self, etags: Mapping[str, str], *, background: bool) -> Operation:
        """Return an operation for shared work or for a background refresh.

        It has a deadline of its own and this one's limits on age. Its calls count for this one,
        too, unless it runs in the background.
        """
        other = Operation(
            self._longest,
            self.passed,
            self.request_id,
            trace=self.trace,
            max_age=self._max_age,
            least_age=self._least_age,
            began_at=self.began_at,
        )
        answers = [target for target in etags if not target.startswith(PART)]
        # If one of several responses is unchanged, the result built from them may still have
        # changed.
        if len(answers) == 1 and etags[answers[0]]:
            other.etags = {answers[0]: etags[answers[0]]}
        other.background = background
        if not background:
            other.calls = self.calls
            other.on_hooks = self.on_hooks
        return other
