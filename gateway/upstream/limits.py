"""A rate limit, from the configuration and from the rate limit headers of the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.waits import MAX_PAUSE, exhausted

Take = Callable[[str, float, float], Awaitable[float | None]]
"""Takes one of the uses of a name, so many in so many seconds, across replicas; returns how many
are left, negative if there was none, and None if replicas can't count together now."""
LEAST_WAIT = 0.001
"""Seconds between two attempts to take a token."""
SHARE = 0.05
"""Seconds of calls that are taken across replicas at once, so that this is not asked for each."""
KEPT = 1.0
"""Seconds after which those that were not needed are given up."""

if TYPE_CHECKING:
    from gateway.upstream.call_counts import CallCount


class RateLimit:
    """A token bucket: ``rate`` calls per second on average, with bursts of the same size.

    ``clock`` is monotonic and in seconds, as are the waits of ``sleep``. Waiting calls queue
    without holding a slot. ``shared`` counts the calls of all workers, which share the bucket.
    With ``take``, calls also need a token of a bucket that replicas share, while there is one. For
    a high rate several are taken at once, by which each replica may exceed it for a moment.
    """

    def __init__(
        self,
        source: str,
        rate: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        shared: CallCount | None = None,
        take: Take | None = None,
    ) -> None:
        self._source = source
        self._take_together = take
        self._at_once = max(1, int(rate * SHARE))
        self._taken = 0
        self._taken_at = 0.0
        self._rate = rate
        self._most = max(1.0, rate)
        self._clock = clock
        self._sleep = sleep
        self._shared = shared
        self._free = self._most
        self._counted_at = clock()
        self._paused_until = self._counted_at
        # True if the vendor has not responded since it asked for a pause.
        self._unanswered = False
        self._line = asyncio.Lock()
        self._waiting = 0

    @property
    def seconds(self) -> float:
        """Seconds that a call starting now would have to wait."""
        return self._wait(self._waiting + 1)

    async def enter(self, slots: asyncio.Semaphore, seconds: float) -> None:
        """Wait for a call's turn and acquire a slot, which the caller releases.

        Raises UpstreamError at once if the turn does not come within ``seconds``; the caller bounds
        the wait for the slot.
        """
        until = self._clock() + seconds
        self._check(self.seconds, until)
        self._waiting += 1
        try:
            async with self._line:
                await self._turn(until)
                await self._turn_of_all(until)
                await slots.acquire()
                while self._wait(1) > 0:  # the vendor has asked for a pause in the meantime
                    slots.release()
                    await self._turn(until)
                    await slots.acquire()
                self.take()
        finally:
            self._waiting -= 1

    def take(self) -> None:
        """Count a call without waiting for its turn, so that the next ones wait longer."""
        self._count()
        self._free -= 1
        if self._shared is not None:
            self._shared.add()

    def pause(self, seconds: float) -> None:
        """Start no calls for a while; those in flight continue."""
        self._unanswered = True
        until = self._clock() + min(seconds, MAX_PAUSE)
        self._paused_until = max(self._paused_until, until)

    def read_headers(self, headers: Mapping[str, str], now: int) -> None:
        """Pause if a response's headers say that no calls are left; ``now`` is in nanoseconds."""
        for seconds in exhausted(headers, now):
            self.pause(seconds)

    def answered(self) -> None:
        """Record that the vendor has responded since it last asked for a pause."""
        self._unanswered = False

    def pause_error(self, seconds: float) -> UpstreamError | None:
        """Return the error for a call that waited ``seconds`` in vain, if a pause is to blame.

        A pause is to blame if it still lasts, or if no response has followed it and it left less
        than half of the time for one.
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

    async def _turn_of_all(self, until: float) -> None:
        """Take a token of the bucket that replicas share."""
        if self._taken and self._clock() - self._taken_at < KEPT:
            self._taken -= 1
            return
        while self._take_together is not None:
            # One use of the name stands for as many calls.
            window, uses = self._most / self._rate, self._most / self._at_once
            left = await self._take_together(f"calls:{self._source}", uses, window)
            if left is None:
                return
            if left >= 0:
                self._taken, self._taken_at = self._at_once - 1, self._clock()
                return
            seconds = max(-left * self._at_once / self._rate, LEAST_WAIT)
            self._check(seconds, until)
            await self._sleep(seconds)

    def _wait(self, calls: int) -> float:
        self._count()
        missing = (calls - self._free) / self._rate
        seconds = max(missing, self._paused_until - self._counted_at)
        # Less is a rounding error of the clock.
        return seconds if seconds > 1e-6 else 0.0

    def _count(self) -> None:
        now = self._clock()
        free = self._free + (now - self._counted_at) * self._rate
        if self._shared is not None:
            # They were made meanwhile, out of what came free meanwhile.
            free -= self._shared.by_others()
        self._free = min(self._most, free)
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
