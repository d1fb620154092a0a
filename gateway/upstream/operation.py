"""What the upstream calls of one operation share."""

from __future__ import annotations

import asyncio
import copy
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.model import Freshness, Hook, Timestamp
from gateway.upstream.trace import Trace

PART = "part:"
"""Begins the names of cached parts among the answers; no path does."""


class Operation:
    """One caller's operation: its deadline, and the calls made for it so far, by source.

    ``seconds`` is how long it may take, ``longest`` how long any operation may; both may be
    infinite. When it began, and the deadline, are in seconds of the event loop's clock. A call that
    several operations wait for counts for the one that started it. ``passed`` are the vendor
    credentials that the caller sent, by the header's name in lower case; ``request_id`` is what its
    request is known by, and ``trace`` what it is a part of, as all calls are told that it started,
    those behind its answer too.

    ``began_at`` is when it began, in Unix nanoseconds: what was asked for since is new enough for
    it, whatever age it allows. Nothing older than ``max_age`` seconds is taken from the cache, or
    than ``least_age`` has for the source where that is more. ``reads`` tells how fresh what each
    source said is, once it has been read.
    """

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
        self.began = asyncio.get_running_loop().time()
        self.deadline = self.began + seconds
        self.began_at = began_at
        self.calls: Counter[str] = Counter()
        self.reads: dict[str, list[Freshness]] = defaultdict(list)
        self.behind = False
        """Whether nobody waits for it, since the answer was given already."""
        self.incomplete = False
        """Whether something could not be read, though the answer is no error."""
        self.on_hooks: Callable[[Sequence[Hook]], None] | None = None
        """Called with each page of a source's hooks while others are still being read."""
        self.etags: Mapping[str, str] = {}
        """The ETags to send, by path and query."""
        self.answered: dict[str, str] = {}
        """What tells whether a value has changed that is made of the answers so far: the ETag of
        each (empty where it has none) by path and query, and a digest of each cached part."""
        self.made_of: Freshness | None = None
        """How fresh what was kept is, where the answer is taken from that."""
        self._longest = seconds if longest is None else longest
        self._max_age = max_age
        self._least_age = least_age or {}

    def max_age(self, source: str, wanted: float | None = None) -> float | None:
        """Give the age in seconds that nothing of a source may exceed, or None."""
        ages = [age for age in (self._max_age, wanted) if age is not None]
        return max(min(ages), self._least_age.get(source, 0.0)) if ages else None

    def tell_of_hooks(self, hooks: Sequence[Hook]) -> None:
        """Tell whoever waits for a list of hooks of those that were read so far."""
        if self.on_hooks is not None and hooks:
            self.on_hooks(hooks)

    def add_part(self, name: str, value: Any) -> None:
        """Note a cached value that the answer is made of, too."""
        encoded = msgspec.msgpack.encode(value)
        self.answered[PART + name] = hashlib.blake2b(encoded, digest_size=12).hexdigest()

    def has_other_parts_of(self, before: Mapping[str, str]) -> bool:
        """Return whether a part has changed since the answers were these."""
        return any(
            self.answered.get(name) != digest
            for name, digest in before.items()
            if name.startswith(PART)
        )

    def unhurried(self, most: float) -> Operation:
        """Give the same operation without what its caller lowered the deadline by.

        It takes no more than ``most`` seconds since it began, and counts with this one.
        """
        other = copy.copy(self)
        other.seconds = min(self._longest, most)
        other.deadline = self.began + other.seconds
        return other

    def apart(self, etags: Mapping[str, str], *, behind: bool) -> Operation:
        """Begin what may be shared with others, or go on behind the answer.

        Its deadline is its own; what it may take from the cache is this one's. Its calls count for
        this one, too, unless it is behind the answer.
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
        # One of several answers that is unchanged says nothing about what they make together.
        if len(answers) == 1 and etags[answers[0]]:
            other.etags = {answers[0]: etags[answers[0]]}
        other.behind = behind
        if not behind:
            other.calls = self.calls
            other.on_hooks = self.on_hooks
        return other
