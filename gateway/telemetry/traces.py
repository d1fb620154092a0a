"""The spans of operations, and of what was looked up, read and called for them.

They are made from events when the work has ended: the ids were given before. So nothing of
OpenTelemetry is between the caller and the vendor, and what is not recorded costs nothing.

Names and attributes are those of the conventions where there are any; for GraphQL, those of the
draft of https://github.com/graphql/otel-wg. There is no text of a document, no variable, no header,
no body and no URL: of a call there is the template of its path.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway import __version__
from gateway.events import (
    CANCELLED,
    AnswerReused,
    CacheLookedUp,
    OperationEnded,
    SourceRead,
    SourcesReplaced,
    Span,
    UpstreamCallEnded,
)
from gateway.telemetry.logs import DEFECT, MAX_NAME, is_outage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor

    from gateway.events import Events

    Value = str | bool | int | float | Sequence[str] | None

OWN = "webhook_gateway"
"""Prefix of the attributes that no convention has."""

_FLAGS = TraceFlags(TraceFlags.SAMPLED)
_SCOPE = InstrumentationScope("webhook-log-gateway", __version__)


class Traces:
    """Makes spans of events, and passes them to a processor.

    ``sample`` is the share of the operations without a caller's trace that are recorded.
    ``addresses`` are the base URLs of the sources that there are at first.
    """

    def __init__(
        self,
        processor: SpanProcessor,
        resource: Resource,
        sample: float,
        addresses: Mapping[str, str],
    ) -> None:
        self._processor = processor
        self._resource = resource
        self._sample = sample
        self._servers = {name: _server(url) for name, url in addresses.items()}

    def subscribe(self, events: Events) -> None:
        """Hear of all that ends and is recorded."""
        events.samples = self.samples
        events.subscribe(SourcesReplaced, self._sources_replaced)
        events.record(OperationEnded, self._operation)
        events.record(AnswerReused, self._reused)
        events.record(CacheLookedUp, self._looked_up)
        events.record(SourceRead, self._read)
        events.record(UpstreamCallEnded, self._called)

    def samples(self) -> bool:
        """Return whether to record an operation whose caller sends no trace."""
        return random.random() < self._sample  # noqa: S311 - no secret

    def _sources_replaced(self, event: SourcesReplaced) -> None:
        self._servers |= {name: _server(url) for name, url in event.made.items()}

    def _operation(self, event: OperationEnded, by: Span | None = None) -> None:
        kind, code = event.kind, event.codes[0] if event.codes else None
        name = event.name and event.name[:MAX_NAME]
        self._end(
            event.span,
            " ".join(filter(None, (kind, name))) if kind else "GraphQL Operation",
            SpanKind.SERVER,
            event.seconds,
            {
                "graphql.operation.type": kind,
                "graphql.operation.name": name,
                "graphql.document.hash": event.document and f"sha256:{event.document}",
                "error.type": code,
                f"{OWN}.errors": list(dict.fromkeys(event.codes)) or None,
                f"{OWN}.lost": list(dict.fromkeys(event.lost)) or None,
                f"{OWN}.cache": event.cache,
                f"{OWN}.lookups": event.lookups or None,
                f"{OWN}.calls": event.calls or None,
                f"{OWN}.rows.scanned": event.scanned or None,
                f"{OWN}.rows.returned": event.returned or None,
                f"{OWN}.request_id": event.request_id,
            },
            failed=DEFECT in event.codes or any(map(is_outage, event.codes)),
            link=by,
        )

    def _reused(self, event: AnswerReused) -> None:
        self._operation(event, event.by)

    def _looked_up(self, event: CacheLookedUp) -> None:
        self._end(
            event.span,
            f"look up {event.source}",
            SpanKind.INTERNAL,
            event.seconds,
            {f"{OWN}.source": event.source, f"{OWN}.cache": event.outcome},
            link=event.by,
        )

    def _read(self, event: SourceRead) -> None:
        self._end(
            event.span,
            f"read {event.source}",
            SpanKind.INTERNAL,
            event.seconds,
            {
                f"{OWN}.source": event.source,
                f"{OWN}.background": event.background or None,
                "error.type": event.code,
            },
            failed=event.code not in {None, CANCELLED},
        )

    def _called(self, event: UpstreamCallEnded) -> None:
        host, port = self._servers.get(event.source, (None, None))
        self._end(
            event.span,
            f"{event.method} {event.endpoint}",
            SpanKind.CLIENT,
            event.seconds,
            {
                "http.request.method": event.method,
                "url.template": event.endpoint,
                "server.address": host,
                "server.port": port,
                "http.response.status_code": event.status,
                "http.request.resend_count": event.attempt - 1 or None,
                "error.type": event.code,
                f"{OWN}.source": event.source,
                f"{OWN}.unsent": not event.sent or None,
                f"{OWN}.waited": round(event.waited, 6) or None,
            },
            failed=event.code not in {None, CANCELLED},
        )

    def _end(
        self,
        span: Span | None,
        name: str,
        kind: SpanKind,
        seconds: float,
        attributes: Mapping[str, Value],
        *,
        failed: bool = False,
        link: Span | None = None,
    ) -> None:
        """Pass on the span of work that ends now."""
        assert span is not None  # noqa: S101 - other events are not recorded
        end = time.time_ns()
        # The parent of an operation is the caller's span.
        parent, is_remote = span.parent_id, kind is SpanKind.SERVER
        self._processor.on_end(
            ReadableSpan(
                name,
                context=_context(span.trace_id, span.id),
                parent=_context(span.trace_id, parent, is_remote=is_remote) if parent else None,
                resource=self._resource,
                attributes={key: value for key, value in attributes.items() if value is not None},
                links=(_link(link),) if link else (),
                kind=kind,
                status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
                start_time=end - int(seconds * 1e9),
                end_time=end,
                instrumentation_scope=_SCOPE,
            )
        )


def _server(base_url: str) -> tuple[str, int | None]:
    parts = urlsplit(base_url)
    return parts.hostname or "", parts.port


def _context(trace_id: str, span_id: str, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, _FLAGS)


def _link(span: Span) -> Link:
    return Link(_context(span.trace_id, span.id), BoundedAttributes())
