"""Sets up the log and the metrics of a server, which hear of events.

The metrics have a port of their own. It is served by a thread of the process that was started,
which is the supervisor if there are several workers.
"""

# ruff: noqa: PLC0415 - without metrics, their library is not imported

from __future__ import annotations

import contextlib
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
from gateway.events import Events
from gateway.telemetry.log_output import set_up
from gateway.telemetry.logs import Logs
from gateway.web.host import LoopbackHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from gateway.cli.worker import Worker
    from gateway.settings import Settings
    from gateway.telemetry.processes import Process
    from gateway.telemetry.seen import SeenDeliveries

GRACE = 1.0
"""Seconds for a response with metrics to end when the server stops."""


class Counts(NamedTuple):
    """Where a worker counts: a folder, the slot of its files, and the deliveries seen."""

    folder: str
    slot: int
    seen: SeenDeliveries


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


def events_of_worker(settings: Settings, counts: Counts | None) -> Events:
    """Return the events of a worker, which it logs and counts."""
    events = log_of(settings)
    if counts is not None:
        from gateway.telemetry.metrics import Metrics, count_in

        count_in(counts.folder, counts.slot)
        names = [source.name for source in settings.sources]
        Metrics(names, counts.seen).subscribe(events)
    return events


@contextlib.contextmanager
def telemetry_of(settings: Settings) -> Iterator[Telemetry]:
    """Log and count in this process, and serve the metrics, until the context ends."""
    events = log_of(settings)
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

    def __init__(self, folder: str, seen: SeenDeliveries) -> None:
        self._folder = folder
        self._seen = seen
        self._workers: dict[int, Worker] = {}
        # The thread with the metrics looks at them, too.
        self._lock = threading.Lock()

    def start(self, start: Callable[[Counts], Worker]) -> Worker:
        """Start a worker with a slot."""
        with self._lock:
            self._end()
            slot = next(slot for slot in range(1000) if slot not in self._workers)
            worker = self._workers[slot] = start(Counts(self._folder, slot, self._seen))
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
    if settings.metrics.port is None:
        yield WorkersTelemetry(events, None, None)
        return
    from gateway.telemetry.metrics import ReloadMetrics, added_up, text_of
    from gateway.telemetry.processes import ProcessMetrics
    from gateway.telemetry.seen import SeenDeliveries

    with tempfile.TemporaryDirectory(prefix="webhook-log-gateway-metrics-") as folder:
        slots, registry = Slots(folder, SeenDeliveries()), added_up(folder)
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
