"""The caller's trace, passed on with every vendor call, background refreshes included.

https://www.w3.org/TR/trace-context-2/
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence

import msgspec
from opentelemetry.trace import format_trace_id, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

MAX_STATE_LENGTH = 512
"""Maximum length of a tracestate that must be passed on; a longer one is dropped."""

_FLAGS = 0x03
"""The flags "sampled" and "random trace id"; unknown flags must not be passed on."""
_propagator = TraceContextTextMapPropagator()

# It would log each invalid header of a caller.
logging.getLogger("opentelemetry.trace.span").setLevel(logging.ERROR)


class Trace(msgspec.Struct, frozen=True):
    """The trace context of a caller."""

    id: str
    flags: int
    state: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers of one call, which is a span of its own."""
        parent = f"00-{self.id}-{secrets.token_hex(8)}-{self.flags:02x}"
        return {"traceparent": parent} | ({"tracestate": self.state} if self.state else {})


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
    )
