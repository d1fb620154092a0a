"""Rate limit and circuit breaker of one source and credential."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from cachetools import LRUCache

from gateway.errors import ErrorCode, UpstreamError
from gateway.events import BreakerChanged, Events
from gateway.upstream.breaker import Breaker, BreakerState
from gateway.upstream.limits import RateLimit, Take

if TYPE_CHECKING:
    from gateway.upstream.call_counts import CallCount

FAILURES = frozenset(
    {
        ErrorCode.UPSTREAM_ERROR,
        ErrorCode.UPSTREAM_RATE_LIMITED,
        ErrorCode.UPSTREAM_TIMEOUT,
        ErrorCode.UPSTREAM_UNREACHABLE,
    }
)
"""Failures that open the breaker. Refusals do not count: the vendor is working."""

PROBE_TIMEOUT = 0.5
"""Seconds that a call waits for the probe of the breaker: a vendor that has recovered answers it,
and without this the first page with several calls would fail. A hanging one costs no more."""
MAX_GUARDS = 1000
"""Maximum number of callers' credentials whose rate limits and breakers are remembered."""


class UpstreamGuard:
    """A rate limit and a breaker for calls that share a credential.

    ``rate_limit`` is in calls per second; ``clock`` is monotonic, in seconds. ``shared`` counts the
    calls of all workers, and ``take`` those of all replicas. ``events`` are told of changes of the
    breaker, which is ``personal`` if the credential is a caller's own.
    """

    def __init__(
        self,
        source: str,
        rate_limit: float,
        clock: Callable[[], float],
        shared: CallCount | None = None,
        take: Take | None = None,
        *,
        events: Events,
        personal: bool = False,
    ) -> None:
        self.limit = RateLimit(source, rate_limit, clock=clock, shared=shared, take=take)

        def changed(before: BreakerState, after: BreakerState) -> None:
            if events.wants(BreakerChanged):
                code = self._last_code.name if after is BreakerState.OPEN else None
                events.emit(BreakerChanged(source, before.name, after.name, personal, code))

        self.breaker = Breaker(clock, changed)
        self._source = source
        self._last_failure = ""
        self._last_code = ErrorCode.UPSTREAM_TIMEOUT
        self._probed = asyncio.Event()

    async def wait_for_probe(self, deadline: float, *, background: bool) -> None:
        """Wait for the probe in flight, if any, for ``PROBE_TIMEOUT`` seconds at most.

        In the background, wait until the deadline, on the clock of the event loop, and raise
        TimeoutError then: if the vendor has recovered, everything stale is refreshed at once, not
        at the second try.
        """
        soon = asyncio.get_running_loop().time() + PROBE_TIMEOUT
        try:
            async with asyncio.timeout_at(deadline if background else min(soon, deadline)):
                while self.breaker.probing:
                    await self._probed.wait()
        except TimeoutError:
            if background:
                raise

    @contextlib.contextmanager
    def tracked(self, slow: float) -> Iterator[Callable[[], None]]:
        """Report a call's outcome to the breaker; UpstreamError if the breaker refuses it.

        Call the returned function just before sending, which may still refuse the call. From then
        on, no response within ``slow`` seconds counts as a failure. A call that is cancelled before
        that, or never sent, is not counted.
        """
        call = self.breaker.begin()
        if call is None:
            raise self._refusal()
        if self.breaker.probing:
            self._probed.clear()
        time = asyncio.get_running_loop().time
        late_at = math.inf

        def start() -> None:
            nonlocal late_at
            if not self.breaker.allows(call):
                raise self._refusal()
            late_at = time() + slow

        failed: bool | None = None
        why = f"Source {self._source} did not answer within {slow:.3g} seconds."
        code = ErrorCode.UPSTREAM_TIMEOUT
        try:
            yield start
            failed = time() >= late_at
        except UpstreamError as error:
            if not is_refusal(error):
                failed = error.code in FAILURES or time() >= late_at
                why, code = str(error), error.code
            raise
        except TimeoutError:
            failed = True if time() >= late_at else None
            raise
        finally:
            if failed:
                self._last_failure, self._last_code = why, code
            self.breaker.end(call, failed=failed)
            if not self.breaker.probing:
                self._probed.set()

    def _refusal(self) -> UpstreamError:
        # A probe in flight may end the refusals at any moment.
        seconds = max(self.breaker.seconds, 1.0)
        return UpstreamError(
            ErrorCode.UPSTREAM_CIRCUIT_OPEN,
            f"Source {self._source} failed so often that it is left alone for another"
            f" {seconds:.3g} seconds. Try again after that. Its last failure:"
            f" {self._last_failure}",
            source=self._source,
            retry_after=seconds,
            sent=False,
        )


class PrivateGuards:
    """The guards of credentials that callers send, those used last; found by their headers."""

    def __init__(self, make: Callable[[], UpstreamGuard]) -> None:
        self._make = make
        self._guards: LRUCache[bytes, UpstreamGuard] = LRUCache(MAX_GUARDS)

    def of(self, headers: Mapping[str, str]) -> UpstreamGuard:
        """Return the guard of the credential in the headers."""
        key = hashlib.sha256(repr(sorted(headers.items())).encode()).digest()
        guard = self._guards.get(key)
        if guard is None:
            guard = self._guards[key] = self._make()
        return guard


def is_refusal(error: UpstreamError) -> bool:
    """Return whether the guard refused the call before it reached the vendor."""
    if error.code is ErrorCode.UPSTREAM_RATE_LIMITED:
        return error.status is None
    return error.code is ErrorCode.UPSTREAM_CIRCUIT_OPEN
