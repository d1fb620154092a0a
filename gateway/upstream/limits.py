"""How often a vendor is called: no more than was configured, nor than it says it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.waits import LONGEST_PAUSE, used_up


class RateLimit:
    """A token bucket: ``rate`` calls a second on the average, as many at once after a rest.

    ``clock`` is monotonic and, like what ``sleep`` takes, in seconds. Who waits stands in line,
    and holds nothing that a call under way needs.
    """

    def __init__(
        self,
        source: str,
        rate: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._rate = rate
        self._most = max(1.0, rate)
        self._clock = clock
        self._sleep = sleep
        self._free = self._most
        self._counted_at = clock()
        self._paused_until = self._counted_at
        # Whether the vendor has said nothing since it asked for a pause.
        self._unanswered = False
        self._line = asyncio.Lock()
        self._waiting = 0

    @property
    def seconds(self) -> float:
        """How long a call that comes now would have to wait."""
        return self._wait(self._waiting + 1)

    async def enter(self, places: asyncio.Semaphore, seconds: float) -> None:
        """Wait for the turn of a call and for its place, which the caller gives back.

        Raises UpstreamError at once when the turn does not come within ``seconds``; the wait for
        the place is the caller's to end.
        """
        until = self._clock() + seconds
        self._check(self.seconds, until)
        self._waiting += 1
        try:
            async with self._line:
                await self._turn(until)
                await places.acquire()
                while self._wait(1) > 0:  # the vendor asked for a pause meanwhile
                    places.release()
                    await self._turn(until)
                    await places.acquire()
                self.take()
        finally:
            self._waiting -= 1

    def take(self) -> None:
        """Count a call, though its turn may not have come: the next ones wait the longer."""
        self._count()
        self._free -= 1

    def pause(self, seconds: float) -> None:
        """Begin no call for a while; what is under way is not touched."""
        self._unanswered = True
        until = self._clock() + min(seconds, LONGEST_PAUSE)
        self._paused_until = max(self._paused_until, until)

    def learn(self, headers: Mapping[str, str], now: int) -> None:
        """Pause when an answer's headers say that no call is left; ``now`` is Unix nanoseconds."""
        for seconds in used_up(headers, now):
            self.pause(seconds)

    def answered(self) -> None:
        """Learn that the vendor has answered a call, whatever it asked for before."""
        self._unanswered = False

    def lateness(self, seconds: float) -> UpstreamError | None:
        """Make the error for who has waited for ``seconds`` in vain, if that is for a pause.

        That is one which lasts, or was the last that the vendor said and left less than half of
        the time for an answer.
        """
        left = self._paused_until - self._clock()
        if left > 0:
            return self._refusal(left)
        if not self._unanswered or -left > seconds / 2:
            return None
        return UpstreamError(
            ErrorCode.UPSTREAM_RATE_LIMITED,
            f"Source {self._source} asked for a pause, after which too little time was left."
            " Ask again later, or lower its rate_limit.",
            source=self._source,
            sent=False,
        )

    async def _turn(self, until: float) -> None:
        while (seconds := self._wait(1)) > 0:
            self._check(seconds, until)
            await self._sleep(seconds)

    def _wait(self, calls: int) -> float:
        self._count()
        missing = (calls - self._free) / self._rate
        seconds = max(missing, self._paused_until - self._counted_at)
        # Less is a clock's rounding, and can't be slept.
        return seconds if seconds > 1e-6 else 0.0

    def _count(self) -> None:
        now = self._clock()
        self._free = min(self._most, self._free + (now - self._counted_at) * self._rate)
        self._counted_at = now

    def _check(self, seconds: float, until: float) -> None:
        now = self._clock()
        if seconds and now + seconds > until:
            raise self._refusal(seconds)

    def _refusal(self, seconds: float) -> UpstreamError:
        if self._paused_until > self._clock():
            why = f"asked for a pause of another {seconds:.3g} seconds. Ask again after that"
        else:
            why = (
                f"is asked as often as its rate_limit allows, and the next turn is in"
                f" {seconds:.3g} seconds. Ask again later, or raise rate_limit if the vendor"
                " takes more"
            )
        return UpstreamError(
            ErrorCode.UPSTREAM_RATE_LIMITED,
            f"Source {self._source} {why}.",
            source=self._source,
            retry_after=seconds,
            sent=False,
        )
