"""Retries of reads after temporary failures."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import stamina
from stamina.instrumentation import set_on_retry_hooks

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.breaker import BreakerState
from gateway.upstream.waits import MAX_PAUSE

if TYPE_CHECKING:
    from gateway.upstream.guard import UpstreamGuard

T = TypeVar("T")

ATTEMPTS = 3
"""Maximum number of attempts, including the first."""
PASSING = frozenset(
    {
        (ErrorCode.UPSTREAM_UNREACHABLE, None),
        (ErrorCode.UPSTREAM_RATE_LIMITED, 403),
        (ErrorCode.UPSTREAM_RATE_LIMITED, 429),
        *((ErrorCode.UPSTREAM_ERROR, status) for status in (502, 503, 504)),
    }
)
"""Temporary failures, by code and status."""
FIRST_WAIT = 0.1
"""Minimum seconds before the second attempt; twice that before the third."""
JITTER = 0.3
"""Maximum random delay in seconds, so that calls that failed together are not retried together."""
MAX_WAIT = 2 * FIRST_WAIT + JITTER

_caller = stamina.AsyncRetryingCaller(
    attempts=ATTEMPTS,
    timeout=None,  # would not bound the waits, as the deadline does
    wait_initial=FIRST_WAIT,
    wait_jitter=JITTER,
    wait_max=MAX_WAIT,
)

# By default it logs each retry, without the source.
set_on_retry_hooks(())


async def with_retries(
    attempt: Callable[[], Awaitable[T]], guard: UpstreamGuard, deadline: float
) -> T:
    """Return the result of an attempt, with retries after temporary failures.

    The failure is raised without a retry if the breaker has opened, or if the wait (the vendor's
    own, if it names one) would exceed ``MAX_PAUSE`` or the ``deadline``, in seconds of the
    event loop's clock.
    """

    def wait(error: Exception) -> bool | float:
        if not isinstance(error, UpstreamError) or (error.code, error.status) not in PASSING:
            return False
        if guard.breaker.state is not BreakerState.CLOSED:
            return False
        vendor_wait = max(error.retry_after or 0.0, guard.limit.seconds)
        seconds = vendor_wait + random.uniform(0, JITTER) if vendor_wait else MAX_WAIT  # noqa: S311
        if vendor_wait > MAX_PAUSE or asyncio.get_running_loop().time() + seconds >= deadline:
            return False
        return seconds if vendor_wait else True

    failure: UpstreamError | None = None
    try:
        return await attempt()
    except UpstreamError as error:
        failure = error

    async def again() -> T:
        # stamina is slow to begin; its first attempt is the one that has failed.
        nonlocal failure
        if failure is None:
            return await attempt()
        first, failure = failure, None
        raise first

    return await _caller(wait, again)
