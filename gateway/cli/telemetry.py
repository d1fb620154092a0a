"""Sets up the log, the metrics and the traces of a server, which hear of events.

The metrics have a port of their own. It is served by a thread of the process that was started,
which is the supervisor if there are several workers.
"""

# ruff: noqa: PLC0415 - without metrics or traces, their library is not imported

from __future__ import annotations

import contextlib
import importlib.util
import os
import tempfile
import threading
from typing import TYPE_CHECKING, NamedTuple

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from gateway.cli.listening import listen, serving, url
from gateway.config import is_loopback
from gateway.errors import ConfigurationError
from gateway.events import Events
from gateway.telemetry.log_output import set_up
from gateway.telemetry.logs import Logs
from gateway.web.host import LoopbackHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from gateway.cli.worker import Worker
    from gateway.settings import Settings
    from gateway.telemetry.exemplars import Exemplars
    from gateway.telemetry.processes import Process
    from gateway.telemetry.seen import SeenDeliveries

_NOT_INSTALLED = (
    "traces: they need packages that are not installed. Install them with"
    ' pip install "webhook-log-gateway[traces]", or set no endpoint'
)
GRACE = 1.0
"""Seconds for a response with metrics to end when the server stops."""


class Counts(NamedTuple):
    """Where a worker counts: a folder, the slot of its files, and what all workers share."""

    folder: str
    slot: int
    seen: SeenDeliveries
    exemplars: Exemplars


class Telemetry(NamedTuple):
    """The events of a server with one worker, and the URL of its metrics, if it has any."""

    events: Events
    url: str | None


class WorkersTelemetry(NamedTuple):
    """The events of a supervisor, the slots for its workers' counts, and the URL of the metrics."""

    events: Events
    slots: Slots | None
    url: str | None


def log_of(settings: Settings) -> Events:
    """Return new events, to which the log of this process has subscribed."""
    events = Events()
    Logs(set_up(settings.log), settings.log).subscribe(events)
    return events


@contextlib.contextmanager
def telemetry_of_worker(settings: Settings, counts: Counts | None) -> Iterator[Events]:
    """Log, count and trace in the process of a worker, until the context ends."""
    events = log_of(settings)
    if counts is not None:
        from gateway.telemetry.metrics import Metrics, count_in

        count_in(counts.folder, counts.slot)
        names = [source.name for source in settings.sources]
        Metrics(names, counts.seen, counts.exemplars).subscribe(events)
    with _traced(settings, events):
        yield events


def wants_traces(settings: Settings) -> bool:
    """Return whether there is a collector; ConfigurationError if its library is missing."""
    variables = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    if not (settings.traces.endpoint or any(map(os.environ.get, variables))):
        return False
    try:
        found = importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigurationError([_NOT_INSTALLED])
    return True


@contextlib.contextmanager
def _traced(settings: Settings, events: Events) -> Iterator[None]:
    """Record what the events tell, if there is a collector; send the rest at the end."""
    if not wants_traces(settings):
        yield
        return
    from gateway.telemetry.span_export import Export, resource
    from gateway.telemetry.traces import Traces

    addresses = {source.name: source.base_url for source in settings.sources}
    export = Export(settings.traces.endpoint)
    Traces(export.processor, resource(), settings.traces.sample, addresses).subscribe(events)
    try:
        yield
    finally:
        export.close()


@contextlib.contextmanager
def telemetry_of(settings: Settings) -> Iterator[Telemetry]:
    """Log, count and trace in this process, and serve the metrics, until the context ends."""
    events = log_of(settings)
    with _traced(settings, events):
        if settings.metrics.port is None:
            yield Telemetry(events, None)
            return
        from gateway.telemetry.metrics import Metrics, ReloadMetrics
        from gateway.telemetry.processes import Process, ProcessMetrics
        from gateway.telemetry.seen import SeenDeliveries

        metrics = Metrics([source.name for source in settings.sources], SeenDeliveries())
        metrics.collect_also(ProcessMetrics(lambda: [Process("0", os.getpid(), serves=True)]))
        metrics.subscribe(events)
        ReloadMetrics(metrics.registry).subscribe(events)
        with _served(settings, metrics.text) as url:
            yield Telemetry(events, url)


class Slots:
    """Gives each worker a slot for its counts; one whose worker has ended is given again."""

    def __init__(self, folder: str, seen: SeenDeliveries, exemplars: Exemplars) -> None:
        self._folder = folder
        self._shared = seen, exemplars
        self._workers: dict[int, Worker] = {}
        # The thread with the metrics looks at them, too.
        self._lock = threading.Lock()

    def start(self, start: Callable[[Counts], Worker]) -> Worker:
        """Start a worker with a slot."""
        with self._lock:
            self._end()
            slot = next(slot for slot in range(1000) if slot not in self._workers)
            worker = self._workers[slot] = start(Counts(self._folder, slot, *self._shared))
        return worker

    def processes(self) -> list[Process]:
        """Return the workers that live, by their slots, and the supervisor."""
        from gateway.telemetry.processes import Process

        with self._lock:
            return [
                Process("supervisor", os.getpid(), serves=False),
                *(
                    Process(str(slot), worker.pid, worker.serves)
                    for slot, worker in self._workers.items()
                    if worker.pid is not None and not worker.ended.is_set()
                ),
            ]

    def end(self) -> None:
        """Forget the gauges of workers that have ended."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        from gateway.telemetry.metrics import end_slot

        for slot, worker in list(self._workers.items()):
            if worker.ended.is_set():
                end_slot(self._folder, slot)
                del self._workers[slot]


@contextlib.contextmanager
def telemetry_of_workers(settings: Settings) -> Iterator[WorkersTelemetry]:
    """Log in this process, the supervisor, and serve the metrics of all workers, if wanted."""
    events = log_of(settings)
    wants_traces(settings)
    if settings.metrics.port is None:
        yield WorkersTelemetry(events, None, None)
        return
    from gateway.telemetry.exemplars import Exemplars
    from gateway.telemetry.metrics import ReloadMetrics, added_up, text_of
    from gateway.telemetry.processes import ProcessMetrics
    from gateway.telemetry.seen import SeenDeliveries

    exemplars = Exemplars()
    with tempfile.TemporaryDirectory(prefix="webhook-log-gateway-metrics-") as folder:
        slots = Slots(folder, SeenDeliveries(), exemplars)
        registry = added_up(folder, exemplars)
        ReloadMetrics(registry).subscribe(events)
        registry.register(ProcessMetrics(slots.processes))

        def text(accept: str) -> tuple[bytes, str]:
            slots.end()
            return text_of(registry, accept)

        with _served(settings, text) as url:
            yield WorkersTelemetry(events, slots, url)


@contextlib.contextmanager
def _served(settings: Settings, text: Callable[[str], tuple[bytes, str]]) -> Iterator[str]:
    def metrics(request: Request) -> Response:
        content, media_type = text(request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    host, port = settings.metrics.host, settings.metrics.port
    assert port is not None  # noqa: S101 - it was looked at
    app = Starlette(
        routes=[Route("/metrics", metrics)],
        middleware=[Middleware(LoopbackHost)] if is_loopback(host) else [],
    )
    with listen(host, port, "[metrics] port") as listener, serving(app, listener, GRACE):
        yield f"{url(listener)}/metrics"
