"""Retries of reads after temporary failures."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

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

sleep = asyncio.sleep
"""Waits before a retry; tests replace it."""


async def with_retries(
    attempt: Callable[[int], Awaitable[T]], guard: UpstreamGuard, deadline: float
) -> T:
    """Return the result of an attempt, which is called with its number, from 1.

    It is retried after temporary failures. The failure is raised without a retry if the breaker has
    opened, or if the wait (the vendor's own, if it names one) would exceed ``MAX_PAUSE`` or the
    ``deadline``, in seconds of the event loop's clock.
    """
    number = 1
    while True:
        try:
            return await attempt(number)
        except UpstreamError as error:
            seconds = _wait(error, number, guard, deadline)
            if seconds is None:
                raise
        await sleep(seconds)
        number += 1


def _wait(error: UpstreamError, number: int, guard: UpstreamGuard, deadline: float) -> float | None:
    """Return the seconds until the next attempt; None if there is none."""
    if number == ATTEMPTS or (error.code, error.status) not in PASSING:
        return None
    if guard.breaker.state is not BreakerState.CLOSED:
        return None
    vendor_wait = max(error.retry_after or 0.0, guard.limit.seconds)
    jitter = random.uniform(0, JITTER)  # noqa: S311
    seconds = vendor_wait + jitter if vendor_wait else MAX_WAIT
    if vendor_wait > MAX_PAUSE or asyncio.get_running_loop().time() + seconds >= deadline:
        return None
    return seconds if vendor_wait else FIRST_WAIT * 2 ** (number - 1) + jitter
