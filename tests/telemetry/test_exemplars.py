"""Durations in the metrics name a trace as an example."""

from __future__ import annotations

import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

if sys.platform == "win32":
    pytest.skip("needs shared memory", allow_module_level=True)

from gateway.events import Events, RequestEnded, Span
from gateway.shared_memory import SharedMemory
from gateway.telemetry.exemplars import Exemplars
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.seen import SeenDeliveries
from tests.telemetry.test_metrics import call, operation

SPAN = Span("a" * 32, "b" * 16, None)
OTHER = Span("c" * 32, "d" * 16, "e" * 16)
IDS = {"trace_id": SPAN.trace_id, "span_id": SPAN.id}
NAME = "http_client_request_duration_seconds"
LABELS = {"source": "shop", "error_type": ""}


def test_metrics_of_one_process_have_exemplars() -> None:
    metrics, events = Metrics(["shop"], SeenDeliveries(0)), Events()
    metrics.subscribe(events)
    for span in (None, SPAN):
        events.emit(RequestEnded("POST", "/graphql", 200, 0.2, span))
        events.emit(operation(span=span))
        events.emit(call(span=span))
    text, _ = metrics.text("application/openmetrics-text; version=1.0.0")
    found = {
        family.name: (sample.labels["le"], sample.exemplar.labels, sample.exemplar.value)
        for family in text_string_to_metric_families(text.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar
    }
    assert found == {
        "http_server_request_duration_seconds": ("0.25", IDS, 0.2),
        "graphql_server_request_duration_seconds": ("0.25", IDS, 0.2),
        NAME: ("0.1", IDS, 0.1),
    }
    assert b"trace_id" not in metrics.text("")[0]


@pytest.mark.parametrize(("value", "bound"), [(0.0, "0.005"), (0.1, "0.1"), (11.0, "+Inf")])
def test_exemplar_is_found_by_its_bucket(value: float, bound: str) -> None:
    exemplars = Exemplars()
    exemplars.put(NAME, LABELS, value, OTHER)
    exemplars.put(NAME, LABELS, value, SPAN)
    found = exemplars.find(f"{NAME}_bucket", {"le": bound, **LABELS})
    assert found is not None
    assert (found.labels, found.value) == (IDS, value)
    for labels in ({**LABELS, "le": "0.5"}, {**LABELS, "le": bound, "source": "other"}):
        assert exemplars.find(f"{NAME}_bucket", labels) is None
    assert exemplars.find("other_bucket", {**LABELS, "le": bound}) is None


def test_exemplar_that_is_being_written_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SharedMemory(100_000)
    monkeypatch.setattr("gateway.telemetry.exemplars.PLACES", 1)
    exemplars = Exemplars(memory)
    exemplars.put(NAME, LABELS, 0.2, SPAN)
    assert exemplars.find(f"{NAME}_bucket", {**LABELS, "le": "0.25"})
    memory.data[10] ^= 1
    assert exemplars.find(f"{NAME}_bucket", {**LABELS, "le": "0.25"}) is None
