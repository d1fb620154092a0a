"""How a source has done lately."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from gateway.errors import UpstreamError
from gateway.upstream.breaker import BreakerState

WINDOW = 300.0
"""Seconds of calls that are counted."""
MAX_CALLS = 200
"""Calls that are counted, the latest ones."""


class RecentCalls(msgspec.Struct, frozen=True):
    """The calls of the last minutes: the ``count`` of those that have ended, at least one.

    ``p95`` is that of their durations in seconds, failures included, by nearest rank.
    ``first_at`` is when the first of them ended, in Unix nanoseconds.
    """

    count: int
    error_ratio: float
    p95: float
    first_at: int


class Health(msgspec.Struct, frozen=True):
    """The results of a source's latest calls; times are Unix times in nanoseconds.

    ``retry_at`` is when an open breaker lets a probe through. ``recent`` is None if no call has
    ended lately.
    """

    last_success_at: int | None = None
    last_failure_at: int | None = None
    last_error: UpstreamError | None = None
    breaker: BreakerState = BreakerState.CLOSED
    retry_at: int | None = None
    recent: RecentCalls | None = None


class _Ended(NamedTuple):
    at: int
    seconds: float
    failed: bool


class CallSample:
    """Remembers the latest calls that were sent; ``clock`` is in Unix nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._calls: deque[_Ended] = deque(maxlen=MAX_CALLS)

    def add(self, seconds: float, *, failed: bool) -> None:
        """Add a call that ends now."""
        self._calls.append(_Ended(self._clock(), seconds, failed))

    def recent(self) -> RecentCalls | None:
        """Return the calls of the window; None if there are none."""
        begin = self._clock() - int(WINDOW * 1e9)
        while self._calls and self._calls[0].at < begin:
            self._calls.popleft()
        count = len(self._calls)
        if not count:
            return None
        return RecentCalls(
            count=count,
            error_ratio=sum(call.failed for call in self._calls) / count,
            p95=sorted(call.seconds for call in self._calls)[math.ceil(count * 95 / 100) - 1],
            first_at=self._calls[0].at,
        )
