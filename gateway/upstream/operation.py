"""What the upstream calls of one operation share."""

from __future__ import annotations

import asyncio
from collections import Counter


class Operation:
    """One caller's operation: its deadline, and the calls made for it so far, by source.

    The deadline is in seconds of the event loop's clock. A call that several operations wait for
    counts for the one that started it.
    """

    def __init__(self, seconds: float) -> None:
        self.deadline = asyncio.get_running_loop().time() + seconds
        self.calls: Counter[str] = Counter()
