"""The state that the upstream calls of one operation share."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter, defaultdict
from collections.abc import Mapping

from gateway.model import Freshness
from gateway.upstream.trace import Trace


class Operation:
    """One caller's operation: its deadline, and the calls made for it so far, by source.

    ``seconds`` bounds it, ``longest`` bounds any operation; both may be infinite. ``began`` and
    ``deadline`` are in seconds of the event loop's clock. A call that several operations wait for
    counts for the one that started it.

    ``passed`` are the vendor credentials that the caller sent, by lower-case header name.
    ``request_id`` identifies its request. ``trace`` is the W3C trace context sent with every vendor
    call, background refreshes included. No cache entry older than ``max_age`` seconds is used, or
    than the source's ``least_age`` if that is more. ``reads`` is the freshness of each answer, by
    source.
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
    ) -> None:
        self.passed = passed or {}
        self.request_id = request_id
        self.trace = trace
        self.seconds = seconds
        self.began = asyncio.get_running_loop().time()
        self.deadline = self.began + seconds
        self.calls: Counter[str] = Counter()
        self.reads: dict[str, list[Freshness]] = defaultdict(list)
        self.behind = False
        """Whether it is a background refresh, after the caller has been answered."""
        self.incomplete = False
        """Whether something could not be read, though the response is no error."""
        self.etags: Mapping[str, str] = {}
        """The validators of cached answers, by path and query (RFC 9110, 8.8.3)."""
        self.answered: dict[str, str] = {}
        """The validators of the answers received, by path and query."""
        self.made_of: Freshness | None = None
        """The freshness of the cache entries that the result was made of, if it was."""
        self._longest = seconds if longest is None else longest
        self._max_age = max_age
        self._least_age = least_age or {}

    def max_age(self, source: str, wanted: float | None = None) -> float | None:
        """Return the age in seconds that no cache entry of a source may exceed, or None."""
        ages = [age for age in (self._max_age, wanted) if age is not None]
        return max(min(ages), self._least_age.get(source, 0.0)) if ages else None

    def unhurried(self, most: float) -> Operation:
        """Return the same operation with the longest deadline, not the one its caller chose.

        It ends ``most`` seconds after it began at the latest, and its calls count for this one.
        """
        other = copy.copy(self)
        other.seconds = min(self._longest, most)
        other.deadline = self.began + other.seconds
        return other

    def apart(self, etags: Mapping[str, str], *, behind: bool) -> Operation:
        """Return an operation for work that others may share, or for a background refresh.

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
        )
        other.etags = etags
        other.behind = behind
        if not behind:
            other.calls = self.calls
        return other
