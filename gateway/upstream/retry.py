"""Reading once more what may well be there at the next attempt."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import stamina
from stamina.instrumentation import set_on_retry_hooks

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.breaker import BreakerState
from gateway.upstream.limits import LONGEST_PAUSE

if TYPE_CHECKING:
    from gateway.upstream.guard import Lane

T = TypeVar("T")

ATTEMPTS = 3
"""How often a read is sent at most."""
PASSING = frozenset(
    {
        (ErrorCode.UPSTREAM_UNREACHABLE, None),
        (ErrorCode.UPSTREAM_RATE_LIMITED, 429),
        *((ErrorCode.UPSTREAM_ERROR, status) for status in (502, 503, 504)),
    }
)
"""What may well be gone at the next attempt, with its status."""
FIRST_WAIT = 0.1
"""How many seconds pass before the second attempt at least; twice that before the third."""
JITTER = 0.3
"""How many seconds may be added, so that those who failed together don't return together."""
LONGEST_WAIT = 2 * FIRST_WAIT + JITTER

_caller = stamina.AsyncRetryingCaller(
    attempts=ATTEMPTS,
    timeout=None,  # the deadline bounds the waits, too, which this would not
    wait_initial=FIRST_WAIT,
    wait_jitter=JITTER,
    wait_max=LONGEST_WAIT,
)

# By default it writes a line for each retry, which names no source.
set_on_retry_hooks(())


async def retried(attempt: Callable[[], Awaitable[T]], lane: Lane, deadline: float) -> T:
    """Give what an attempt gives, after others that failed in a way that may pass.

    The failure is raised at once where the wait, the vendor's own if it names one, would last
    until the ``deadline``, in seconds of the event loop's clock, or for more than five minutes, and
    when the breaker has opened.
    """

    def wait(error: Exception) -> bool | float:
        if not isinstance(error, UpstreamError) or (error.code, error.status) not in PASSING:
            return False
        if lane.breaker.state is not BreakerState.CLOSED:
            return False
        asked = max(error.retry_after or 0.0, lane.limit.seconds)
        seconds = asked + random.uniform(0, JITTER) if asked else LONGEST_WAIT  # noqa: S311
        if asked > LONGEST_PAUSE or asyncio.get_running_loop().time() + seconds >= deadline:
            return False
        return seconds if asked else True

    return await _caller(wait, attempt)
