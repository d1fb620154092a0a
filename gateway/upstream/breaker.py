"""A circuit breaker: calls to a failing vendor stop for a while, then one call probes it.

https://martinfowler.com/bliki/CircuitBreaker.html
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable

WINDOW = 30.0
"""Seconds of calls that are counted."""
MIN_CALLS = 10
"""Calls in the window before the breaker may open: a few failures prove nothing."""
FAILURE_SHARE = 0.5
"""Share of failed calls in the window at which the breaker opens."""
PROBE_INTERVAL = 5.0
"""Seconds without calls before and between probes. One call in that time is no burden for a vendor,
and a longer pause would delay recovery."""


class BreakerState(enum.Enum):
    """Whether calls to a source are sent."""

    CLOSED = "Calls are sent."
    OPEN = "The source failed too often: calls are refused at once, without being sent."
    HALF_OPEN = (
        "One call is sent to try the source; others wait for its answer for half a second, and are"
        " then refused."
    )


class Breaker:
    """Allows or refuses calls, based on the results of recent ones.

    ``clock`` is monotonic, in seconds. Each allowed call is begun and ended; a call that ends after
    the state has changed is ignored. ``changed`` is called with the state before and after each
    change; it is ``HALF_OPEN`` from the start of a probe.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        changed: Callable[[BreakerState, BreakerState], None] | None = None,
    ) -> None:
        self._clock = clock
        self._changed = changed or _ignore
        self._told = BreakerState.CLOSED
        self._calls: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._until: float | None = None
        self._probing = False
        self._generation = 0

    @property
    def state(self) -> BreakerState:
        """Whether calls are sent."""
        if self._until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._clock() < self._until else BreakerState.HALF_OPEN

    @property
    def probing(self) -> bool:
        """Whether a probe is in flight."""
        return self._probing

    @property
    def seconds(self) -> float:
        """Seconds for which calls are still refused; 0 if the next one is sent."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def begin(self) -> int | None:
        """Begin a call and return its number for ``end``; None if it must not be sent."""
        if self._until is not None:
            if self._probing or self._clock() < self._until:
                return None
            self._probing = True
            self._tell(BreakerState.HALF_OPEN)
        return self._generation

    def silence(self) -> None:
        """Tell of no further change."""
        self._changed = _ignore

    def allows(self, call: int) -> bool:
        """Return whether a begun call may still be sent after a wait."""
        return call == self._generation or self._until is None

    def end(self, call: int, *, failed: bool | None) -> None:
        """End a call; ``failed`` is None if it proves nothing, for example if it was cancelled."""
        if call != self._generation:
            return
        if self._until is not None:
            self._probing = False
            if failed:
                self._open()
            elif failed is not None:
                self._change(None)
        elif failed is not None:
            self._count(failed)
            # A success may complete the minimum, but shows that the vendor has recovered.
            if failed and self._fails:
                self._open()

    @property
    def _fails(self) -> bool:
        calls = len(self._calls)
        return calls >= MIN_CALLS and self._failures >= FAILURE_SHARE * calls

    def _count(self, failed: bool) -> None:  # noqa: FBT001
        now = self._clock()
        self._calls.append((now, failed))
        self._failures += failed
        while self._calls[0][0] <= now - WINDOW:
            self._failures -= self._calls.popleft()[1]

    def _open(self) -> None:
        self._change(self._clock() + PROBE_INTERVAL)

    def _change(self, until: float | None) -> None:
        self._until = until
        self._generation += 1
        self._calls.clear()
        self._failures = 0
        self._tell(BreakerState.CLOSED if until is None else BreakerState.OPEN)

    def _tell(self, state: BreakerState) -> None:
        if state is not self._told:
            before, self._told = self._told, state
            self._changed(before, state)


def _ignore(_before: BreakerState, _after: BreakerState) -> None:
    """Tell nobody of a change."""
