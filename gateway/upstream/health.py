"""How a source has done lately."""

from __future__ import annotations

import msgspec

from gateway.errors import UpstreamError
from gateway.upstream.breaker import BreakerState


class Health(msgspec.Struct, frozen=True):
    """The results of a source's latest calls; times are Unix times in nanoseconds.

    ``retry_at`` is when an open breaker lets a probe through.
    """

    last_success_at: int | None = None
    last_failure_at: int | None = None
    last_error: UpstreamError | None = None
    breaker: BreakerState = BreakerState.CLOSED
    retry_at: int | None = None
