"""The way of spans to a collector: a queue, and a thread that sends them in batches by OTLP.

A request never waits for it. What does not fit into the queue is lost, as is what the collector
does not take. The variables of OpenTelemetry, which begin with OTEL_, are read by its SDK.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from gateway import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

log = logging.getLogger(__name__)

FLUSH = 3.0
"""Seconds to send what is left when the server stops."""
_PATH = "/v1/traces"


def resource() -> Resource:
    """Return what the variables say of this service, and its name and version."""
    own = Resource.create({"service.name": "webhook-log-gateway", "service.version": __version__})
    # Resource.create lets what it is given win over the variables.
    return own.merge(OTELResourceDetector().detect())


class Export:
    """A processor for spans, whose thread sends them to a collector until ``close``.

    Without an ``endpoint``, that of the variables is used.
    """

    def __init__(self, endpoint: str | None) -> None:
        # It would log each batch that can't be sent, and each of its tries.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(endpoint=endpoint and endpoint + _PATH)
        self._exporter = TellingExporter(exporter)
        self.processor = BatchSpanProcessor(self._exporter)

    def close(self) -> None:
        """Send what is left, as long as that does not take too long."""
        # The library may wait for half a minute.
        thread = threading.Thread(target=self.processor.shutdown, daemon=True)
        thread.start()
        thread.join(FLUSH)


class TellingExporter(SpanExporter):
    """An exporter that logs once that it fails, and once that it does so no more."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._fails = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - of several libraries
            result = SpanExportResult.FAILURE
            reason = type(error).__name__
        else:
            reason = ""
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._fails:
            log.warning(
                "The collector of traces does not take them%s. Spans are lost until it does.",
                f" ({reason})" if reason else "",
            )
        if self._fails and not failed:
            log.warning("The collector takes traces again.")
        self._fails = failed
        return result

    def shutdown(self) -> None:
        """End a try that waits."""
        self._exporter.shutdown()
