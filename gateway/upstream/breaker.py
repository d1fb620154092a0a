"""A circuit breaker: a vendor that fails is left alone for a while, then tried with one call."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable

WINDOW = 30.0
"""How many seconds back calls are looked at."""
FEWEST = 10
"""How many calls that takes: a few failures tell nothing."""
SHARE = 0.5
"""The share of them that has to fail."""
REST = 5.0
"""How many seconds the vendor is left alone for, before and between probes. One call in that time
burdens no vendor, and longer would hide that it is back."""


class BreakerState(enum.Enum):
    """Whether calls to a source are sent."""

    CLOSED = "Calls are sent."
    OPEN = "The source failed too often: calls are refused at once, without being sent."
    HALF_OPEN = "One call is sent to try the source; until it is answered, others are refused."


class Breaker:
    """Tells whether a call may be sent, by how the latest ones went.

    ``clock`` is monotonic, in seconds. Each call that may be sent is begun and ended; what ends
    after the breaker has changed its mind tells nothing any more.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._until: float | None = None
        self._probing = False
        self._era = 0

    @property
    def state(self) -> BreakerState:
        """Tell whether calls are sent."""
        if self._until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._clock() < self._until else BreakerState.HALF_OPEN

    @property
    def probing(self) -> bool:
        """Whether the call that tries the vendor is under way."""
        return self._probing

    @property
    def seconds(self) -> float:
        """How long calls are still refused; 0 when the next one is sent."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def begin(self) -> int | None:
        """Begin a call, to be ended by what this gives; None when it must not be sent."""
        if self._until is not None:
            if self._probing or self._clock() < self._until:
                return None
            self._probing = True
        return self._era

    def admits(self, call: int) -> bool:
        """Tell whether a call that was begun, and has waited since, may still be sent."""
        return call == self._era or self._until is None

    def end(self, call: int, *, failed: bool | None) -> None:
        """End a call; None when it showed nothing of the vendor, as when it was cancelled."""
        if call != self._era:
            return
        if self._until is not None:
            self._probing = False
            if failed:
                self._open()
            elif failed is not None:
                self._begin_era(None)
        elif failed is not None:
            self._count(failed)
            if len(self._calls) >= FEWEST and self._failures >= SHARE * len(self._calls):
                self._open()

    def _count(self, failed: bool) -> None:  # noqa: FBT001
        now = self._clock()
        self._calls.append((now, failed))
        self._failures += failed
        while self._calls[0][0] <= now - WINDOW:
            self._failures -= self._calls.popleft()[1]

    def _open(self) -> None:
        self._begin_era(self._clock() + REST)

    def _begin_era(self, until: float | None) -> None:
        self._until = until
        self._era += 1
        self._calls.clear()
        self._failures = 0
