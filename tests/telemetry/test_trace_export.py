"""Servers send their spans to a collector, and lose none of them when they are stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

if sys.platform != "linux":
    pytest.skip("needs /proc", allow_module_level=True)

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from gateway import __version__
from gateway.cli.telemetry import wants_traces
from gateway.errors import ConfigurationError
from gateway.settings import load
from tests.telemetry.test_workers import Scraped
from tests.web.test_workers import (
    PATIENCE,
    SOURCES,
    Server,
    configuration,
    controller,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

__all__ = ["configuration", "controller"]

pytestmark = pytest.mark.slow

NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}
"""Spans are only sent when a server stops."""
LIBRARIES = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "google.protobuf", "requests")
"""Redis's library imports another part of the SDK where that is installed."""
LOADED = f"""
import sys
from pathlib import Path
from gateway.cli import server
from gateway.settings import load

def serve(*_):
    print([name for name in sys.modules if name.startswith({LIBRARIES})])

server.serve = serve
server.run(lambda: load(Path(sys.argv[1]), {{}}), server.Options())
"""


class Sent(NamedTuple):
    """A span as the collector got it."""

    service: dict[str, Any]
    span: Any


class Collector:
    """An OTLP collector, which may hold its responses back."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.asked = threading.Event()
        self.requests: list[tuple[httpx.Headers, ExportTraceServiceRequest]] = []
        self.app = Starlette(routes=[Route("/v1/traces", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        sent = ExportTraceServiceRequest.FromString(await request.body())
        self.requests.append((httpx.Headers(request.headers.raw), sent))
        self.asked.set()
        await run_in_threadpool(self.free.wait, PATIENCE)
        return Response(media_type="application/x-protobuf")

    def spans(self) -> list[Sent]:
        return [
            Sent({each.key: each.value.string_value for each in of.resource.attributes}, span)
            for _, sent in self.requests
            for of in sent.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector(serve: Callable[[ASGIApp], str]) -> Iterator[tuple[Collector, str]]:
    made = Collector()
    yield made, serve(made.app)
    made.free.set()


def traced(configuration: Path, url: str, more: str = "") -> Path:
    text = configuration.read_text()
    configuration.write_text(f'{text}\n[traces]\nendpoint = "{url}"\nsample = 1.0\n{more}')
    return configuration


def ask(server: Server, workers: int) -> None:
    """Send an operation to each worker; ``caller`` sends another one before."""
    if workers == 1:
        for _ in range(2):
            assert httpx.post(server.url, json={"query": SOURCES}).status_code == 200
        return
    found = server.workers()
    assert len(found) == workers
    for worker in found:
        with server.caller(worker) as caller:
            caller.data(SOURCES)


@pytest.mark.parametrize("workers", [1, 2])
def test_stop_sends_what_is_left(
    configuration: Path, collector: tuple[Collector, str], workers: int
) -> None:
    made, url = collector
    environ = {
        **NEVER,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=tests",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-token=planted",
    }
    file = traced(configuration, url)
    with serving(file, "--workers", str(workers), **environ) as server:
        ask(server, workers)
        assert made.requests == []
    spans = made.spans()
    assert [sent.span.name for sent in spans] == ["query"] * 2 * workers
    assert len({sent.span.trace_id for sent in spans}) == 2 * workers
    for service, _ in spans:
        assert service["service.name"] == "webhook-log-gateway"
        assert service["service.version"] == __version__
        assert service["deployment.environment.name"] == "tests"
    # Each worker has a thread of its own.
    assert len(made.requests) == workers
    for headers, _ in made.requests:
        assert headers["content-type"] == "application/x-protobuf"
        assert headers["x-token"] == "planted"


def test_variables_are_enough(configuration: Path, collector: tuple[Collector, str]) -> None:
    made, url = collector
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_SERVICE_NAME": "logs"}
    with serving(configuration, GATEWAY_TRACES__SAMPLE="1.0", **NEVER, **environ) as server:
        ask(server, 1)
    assert [sent.service["service.name"] for sent in made.spans()] == ["logs"] * 2


@pytest.mark.parametrize("workers", [1, 2])
def test_collector_that_hangs_holds_nobody_up(
    configuration: Path, collector: tuple[Collector, str], workers: int
) -> None:
    made, url = collector
    made.free.clear()
    environ = {"OTEL_BSP_SCHEDULE_DELAY": "1"}
    with serving(traced(configuration, url), "--workers", str(workers), **environ) as server:
        ask(server, workers)
        assert made.asked.wait(PATIENCE)
        ask(server, workers)
    assert server.process.returncode == 0
    assert not made.free.is_set()


def test_collector_that_is_not_there_is_told_of_once(configuration: Path) -> None:
    environ = {"OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.1"}
    with serving(traced(configuration, "http://127.0.0.1:1"), **environ) as server:
        ask(server, 1)
        line = server.complaints.readline()
        ask(server, 1)
        server.signal(signal.SIGTERM)
        rest = server.complaints.read()
    assert "The collector of traces does not take them" in line
    assert rest == ""


@pytest.mark.parametrize("workers", [1, 2])
def test_metrics_name_traces(
    configuration: Path, collector: tuple[Collector, str], workers: int
) -> None:
    """Also those that several workers have counted, for which Prometheus's library has none."""
    made, url = collector
    file = traced(configuration, url, "[metrics]\nport = 0\n")
    with serving(file, "--workers", str(workers), **NEVER) as server:
        ask(server, workers)
        accept = {"accept": "application/openmetrics-text; version=1.0.0"}
        text = httpx.get(Scraped(server).url, headers=accept).text
    found = {
        (family.name, sample.exemplar.labels["trace_id"], sample.exemplar.labels["span_id"])
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar
    }
    assert {name for name, *_ in found} == {
        "graphql_server_request_duration_seconds",
        "http_server_request_duration_seconds",
    }
    sent = {(one.span.trace_id.hex(), one.span.span_id.hex()) for one in made.spans()}
    assert {tuple(ids) for _, *ids in found} <= sent


def test_library_is_loaded_only_for_a_collector(configuration: Path) -> None:
    def loaded() -> str:
        command = [sys.executable, "-c", LOADED, str(configuration)]
        return subprocess.check_output(command, text=True).splitlines()[0]  # noqa: S603

    assert loaded() == "[]"
    traced(configuration, "http://127.0.0.1:1")
    assert "opentelemetry.sdk.trace" in loaded()


def test_library_that_is_missing(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    settings = load(traced(configuration, "http://127.0.0.1:1"), {})
    with pytest.raises(ConfigurationError, match=r"webhook-log-gateway\[traces\]"):
        wants_traces(settings)
    monkeypatch.delitem(sys.modules, "opentelemetry.exporter.otlp.proto.http")
    assert wants_traces(settings)


@pytest.mark.parametrize(
    "address", ["collector:4318", "http://user:word@127.0.0.1", "http://127.0.0.1/?a=b", "ftp://a"]
)
def test_mistakes_in_the_address(configuration: Path, address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(traced(configuration, address), {})
    assert "traces.endpoint must be the address of a collector" in str(caught.value.problems)
    assert "word@" not in str(caught.value.problems)
