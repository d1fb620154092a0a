"""The trace of an operation, passed on with every vendor call, background refreshes included.

It is the caller's. If traces are recorded, an operation without one may begin a trace, and its work
has a span for each part, whose id is known before the part is done: so that a vendor, or a part of
the part, can name it as its parent.

https://www.w3.org/TR/trace-context-2/
"""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace
from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.events import Span

MAX_STATE_LENGTH = 512
"""Maximum length of a tracestate that must be passed on; a longer one is dropped."""

_FLAGS = 0x03
"""The flags "sampled" and "random trace id"; unknown flags must not be passed on."""
_SAMPLED = 0x01
_propagator = TraceContextTextMapPropagator()
# It is seeded by the system, and several times as fast as ``secrets``.
_random = random.Random()  # noqa: S311 - ids are no secrets

# It would log each invalid header of a caller.
logging.getLogger("opentelemetry.trace.span").setLevel(logging.ERROR)


class Trace(msgspec.Struct, frozen=True):
    """A trace context; ``parent`` is the id of the caller's span.

    ``span`` is the part of the work that it is passed to; None if the work is not recorded.
    """

    id: str
    flags: int
    state: str = ""
    parent: str | None = None
    span: Span | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers of one call, which is a span of its own."""
        span_id = self.span.id if self.span else secrets.token_hex(8)
        parent = f"00-{self.id}-{span_id}-{self.flags:02x}"
        return {"traceparent": parent} | ({"tracestate": self.state} if self.state else {})

    def part(self) -> Trace:
        """Return the context of a part of the work; the same if it is not recorded."""
        if self.span is None:
            return self
        return replace(self, span=Span(self.id, _span_id(), self.span.id))


def begin(trace: Trace | None, samples: Callable[[], bool]) -> Trace | None:
    """Return the context of an operation whose caller may have sent one.

    It is recorded if the caller's trace is sampled; if there is none, ``samples`` decides.
    """
    if trace is None:
        if not samples():
            return None
        trace = Trace(f"{_random.getrandbits(128) or 1:032x}", _FLAGS)
    elif not trace.flags & _SAMPLED:
        return trace
    return replace(trace, span=Span(trace.id, _span_id(), trace.parent))


def _span_id() -> str:
    # Zeros alone are no id.
    return f"{_random.getrandbits(64) or 1:016x}"


def read(parents: Sequence[str], states: Sequence[str]) -> Trace | None:
    """Parse the lines of ``traceparent`` and ``tracestate``; None if they are not valid.

    An invalid state is dropped, and so are the fields that a later version adds to the parent.
    """
    if len(parents) != 1 or parents[0] != parents[0].strip():
        return None
    context = _propagator.extract({"traceparent": parents, "tracestate": states})
    span = get_current_span(context).get_span_context()
    if not span.is_valid:
        return None
    state = span.trace_state.to_header()
    return Trace(
        format_trace_id(span.trace_id),
        span.trace_flags & _FLAGS,
        state if len(state) <= MAX_STATE_LENGTH else "",
        format_span_id(span.span_id),
    )
