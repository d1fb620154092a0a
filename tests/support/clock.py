"""A clock that only a test moves."""

from __future__ import annotations

from typing import Generic, TypeVar

SECOND = 10**9

Time = TypeVar("Time", bound=float)


class Clock(Generic[Time]):
    """A clock that stands still until a test moves it.

    As in the time module, a float is in seconds and an int in nanoseconds. With a ``tick``, each
    reading is that much later than the one before, so that no two are equal.
    """

    def __init__(self, now: Time, *, tick: int = 0) -> None:
        self.now = now
        self._start = now
        self._second = SECOND if type(now) is int else 1
        self._tick = tick
        self._ticks = 0

    def __call__(self) -> Time:
        self._ticks += self._tick
        return self._plus(self.now, self._ticks)

    @property
    def seconds(self) -> float:
        """Seconds since the clock was made."""
        return (self.now - self._start) / self._second

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self.now = self._plus(self._start, seconds * self._second)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now = self._plus(self.now, seconds * self._second)

    def unix(self) -> float:
        """Return the time in seconds, whatever the unit of the clock."""
        return self.now / self._second

    @staticmethod
    def _plus(time: Time, units: float) -> Time:
        return time + type(time)(units)  # type: ignore[return-value]
