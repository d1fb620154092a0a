"""What the upstream calls of one operation share."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter, defaultdict
from collections.abc import Mapping

from gateway.model import Freshness
from gateway.upstream.trace import Trace


class Operation:
    """One caller's operation: its deadline, and the calls made for it so far, by source.

    ``seconds`` is how long it may take, ``longest`` how long any operation may; both may be
    infinite. When it began, and the deadline, are in seconds of the event loop's clock. A call that
    several operations wait for counts for the one that started it. ``passed`` are the vendor
    credentials that the caller sent, by the header's name in lower case; ``request_id`` is what its
    request is known by, and ``trace`` what it is a part of, as all calls are told that it started,
    those behind its answer too.

    Nothing older than ``max_age`` seconds is to be taken from the cache, or than ``least_age`` has
    for the source where that is more. ``reads`` tells how fresh what each source said is, once it
    has been read.
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
        """Whether nobody waits for it, since the answer was given already."""
        self.incomplete = False
        """Whether something could not be read, though the answer is no error."""
        self.etags: Mapping[str, str] = {}
        """What a vendor said to tell by whether its answers changed, by path and query."""
        self.answered: dict[str, str] = {}
        """The same of the answers that came."""
        self.made_of: Freshness | None = None
        """How fresh what was kept is, where the answer is taken from that."""
        self._longest = seconds if longest is None else longest
        self._max_age = max_age
        self._least_age = least_age or {}

    def max_age(self, source: str, wanted: float | None = None) -> float | None:
        """Give the age in seconds that nothing of a source may exceed, or None."""
        ages = [age for age in (self._max_age, wanted) if age is not None]
        return max(min(ages), self._least_age.get(source, 0.0)) if ages else None

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
        )
        other.etags = etags
        other.behind = behind
        if not behind:
            other.calls = self.calls
        return other
