"""Records the spans of an application in memory, and shows them as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode

from gateway.telemetry.traces import OWN, Traces

if TYPE_CHECKING:
    from gateway.events import Events


ONE = """
query One {
  webhookLogs(first: 3, filter: { source: { eq: "translations" } }) { nodes { id } }
}
"""
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = ("traceparent", f"00-{TRACE}-{PARENT}-01")
UNSAMPLED = ("traceparent", f"00-{TRACE}-{PARENT}-00")


class Recorded:
    """The spans that were made of events; ``sample`` is that of ``Traces``."""

    def __init__(self, events: Events, sample: float = 1.0) -> None:
        self._exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(self._exporter)
        addresses = {"translations": "https://vendor.example:8443/api"}
        traces = Traces(processor, Resource({}), sample, addresses)
        traces.subscribe(events)
        self.samples = traces.samples

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans in the order in which they began, parents first."""
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def clear(self) -> None:
        self._exporter.clear()

    def tree(self) -> list[str]:
        """Return a line for each span: its outcome or error, indented below its parent."""
        return [line for root in self._children(None) for line in self._lines(root, "")]

    def _children(self, parent: ReadableSpan | None) -> list[ReadableSpan]:
        ids = {id_of(span) for span in self.spans}
        wanted = id_of(parent) if parent else None
        found = [
            span
            for span in self.spans
            if (span.parent.span_id if span.parent and span.parent.span_id in ids else None)
            == wanted
        ]
        return sorted(found, key=lambda span: (span.start_time or 0, span.name))

    def _lines(self, span: ReadableSpan, indent: str) -> list[str]:
        own = attributes(span)
        words = [span.name, own.get(f"{OWN}.cache"), own.get("error.type")]
        if span.status.status_code is StatusCode.ERROR:
            words.append("!")
        lines = [indent + " ".join(filter(None, words))]
        for child in self._children(span):
            lines += self._lines(child, f"{indent}  ")
        return lines


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def id_of(span: ReadableSpan) -> int:
    return context_of(span).span_id


def trace_of(span: ReadableSpan) -> int:
    return context_of(span).trace_id


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]
