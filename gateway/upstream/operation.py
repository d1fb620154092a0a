"""What the upstream calls of one operation share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping


class Operation:
    """One caller's operation: its deadline, and the calls made for it so far, by source.

    The deadline is in seconds of the event loop's clock. A call that several operations wait for
    counts for the one that started it. ``passed`` are the vendor credentials that the caller sent,
    by the header's name in lower case; ``request_id`` is what its request is known by.
    """

    def __init__(
        self,
        seconds: float,
        passed: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> None:
        self.passed = passed or {}
        self.request_id = request_id
        self.deadline = asyncio.get_running_loop().time() + seconds
        self.calls: Counter[str] = Counter()
