"""What the upstream calls of one operation share."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping

from gateway.model import Freshness


class Operation:
    """One caller's operation: its deadline, and the calls made for it so far, by source.

    The deadline is in seconds of the event loop's clock, ``seconds`` after the start. A call that
    several operations wait for counts for the one that started it. ``passed`` are the vendor
    credentials that the caller sent, by the header's name in lower case; ``request_id`` is what
    its request is known by. Nothing older than ``max_age`` seconds is to be taken from the cache,
    as far as the caller may say so. ``reads`` tells how fresh what each source said is, once it
    has been read.
    """

    def __init__(
        self,
        seconds: float,
        passed: Mapping[str, str] | None = None,
        request_id: str | None = None,
        *,
        max_age: float | None = None,
    ) -> None:
        self.passed = passed or {}
        self.request_id = request_id
        self.max_age = max_age
        self.seconds = seconds
        self.deadline = asyncio.get_running_loop().time() + seconds
        self.calls: Counter[str] = Counter()
        self.reads: dict[str, list[Freshness]] = defaultdict(list)
        self.etags: Mapping[str, str] = {}
        """What a vendor said to tell by whether its answers changed, by path and query."""
        self.answered: dict[str, str] = {}
        """The same of the answers that came."""

    def apart(self, seconds: float, etags: Mapping[str, str], *, counted: bool) -> Operation:
        """Begin what goes on when the caller has gone; its calls may still count for the caller."""
        other = Operation(seconds, self.passed, self.request_id)
        other.etags = etags
        if counted:
            other.calls = self.calls
        return other
