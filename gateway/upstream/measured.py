"""Measures the calls to vendors, and tells of each when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.errors import UpstreamError
from gateway.events import CANCELLED, Events, UpstreamCallEnded

if TYPE_CHECKING:
    from gateway.upstream.health import CallSample
    from gateway.upstream.operation import Operation
    from gateway.upstream.trace import Trace


class Timing:
    """The times of a call, and the status of its response; ``trace`` is what it is sent with.

    The event loop's own clock may stand still for a millisecond.
    """

    def __init__(self, trace: Trace | None) -> None:
        self.status: int | None = None
        self.trace = trace
        self._queued_at: float | None = None
        self._sent_at: float | None = None

    def queue(self) -> None:
        """Record that the call waits for the rate limit and for a connection."""
        self._queued_at = time.perf_counter()

    def send(self) -> None:
        """Record that the wait has ended, and that the call is being sent."""
        self._sent_at = time.perf_counter()

    @property
    def sent(self) -> bool:
        """Whether the call is being sent."""
        return self._sent_at is not None

    def waited(self, now: float) -> float:
        """Return the seconds before it was sent."""
        if self._queued_at is None:
            return 0.0
        return (now if self._sent_at is None else self._sent_at) - self._queued_at

    def seconds(self, now: float) -> float:
        """Return the seconds since it was sent."""
        return 0.0 if self._sent_at is None else now - self._sent_at


@contextlib.contextmanager
def measured(
    events: Events,
    source: str,
    method: str,
    endpoint: str,
    operation: Operation | None = None,
    attempt: int = 1,
    *,
    sample: CallSample | None = None,
) -> Iterator[Timing]:
    """Measure an attempt of a call; the operation, if it is for one, counts how long it took.

    If it was sent, and not cancelled, it is added to the sample.
    """
    trace = operation.trace.part() if operation and operation.trace else None
    timing, code = Timing(trace), None
    try:
        yield timing
    except UpstreamError as error:
        code = error.code.name
        timing.status = error.status
        raise
    except asyncio.CancelledError:
        code = CANCELLED
        raise
    finally:
        now = time.perf_counter()
        if operation is not None:
            operation.calls.seconds += timing.seconds(now)
        if sample is not None and timing.sent and code != CANCELLED:
            sample.add(timing.seconds(now), failed=code is not None)
        span = trace.span if trace else None
        if span is not None or events.wants(UpstreamCallEnded):
            events.emit(
                UpstreamCallEnded(
                    source=source,
                    method=method,
                    endpoint=endpoint,
                    status=timing.status,
                    code=code,
                    seconds=timing.seconds(now),
                    waited=timing.waited(now),
                    attempt=attempt,
                    sent=timing.sent,
                    background=operation is not None and operation.background,
                    request_id=operation.request_id if operation else None,
                    trace_id=trace.id if trace else None,
                    span=span,
                )
            )
