"""Metrics for Prometheus, which count events.

With several workers, each counts in files that the process that supervises them adds up:
https://prometheus.github.io/client_python/multiprocess/. A worker counts in the files of its slot,
and one that takes the place of another goes on with its numbers, so that there are no more files
than workers at a time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    multiprocess,
    values,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.events import (
    REFUSED,
    STORE_FAILURES,
    TAKEN,
    UNCHANGED,
    ActionRecorded,
    AnswerReused,
    BreakerChanged,
    CacheLookedUp,
    CacheStoreFailed,
    ConfigurationReloaded,
    LimitMet,
    OperationBegan,
    OperationEnded,
    PageRefreshed,
    RequestBegan,
    RequestEnded,
    SourcesReplaced,
    UpstreamCallEnded,
)
from gateway.model import FailureCategory
from gateway.telemetry import instruments
from gateway.telemetry.instruments import BUCKETS, COUNTED, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.registry import Collector

    from gateway.events import Events, Span
    from gateway.telemetry.exemplars import Exemplars
    from gateway.telemetry.seen import SeenDeliveries

METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that have a name of their own in labels."""
OTHER = "_OTHER"
STATES = ("CLOSED", "OPEN", "HALF_OPEN")
ACTIONS = ("RETRY", "DELETE")
OUTCOMES = ("SUCCEEDED", "REJECTED", "FAILED", "UNKNOWN")


class Metrics:
    """Counts events.

    ``sources`` are the names of the configured ones. ``exemplars`` is for those of a worker.
    """

    def __init__(
        self, sources: Iterable[str], seen: SeenDeliveries, exemplars: Exemplars | None = None
    ) -> None:
        self._seen = seen
        self._exemplars = exemplars
        self.registry = CollectorRegistry()
        self._made = {each: _made(each, self.registry) for each in COUNTED}
        self._of(instruments.BUILD, __version__).set(1)
        self._begin_at_zero(sources)

    def _begin_at_zero(self, sources: Iterable[str]) -> None:
        """Show counters that alerts look at before they count.

        To Prometheus, a counter that first appears at 1 has not increased.
        """
        for reason in STORE_FAILURES:
            self._of(instruments.STORE_FAILURES, reason)
        for kind in ("query", "mutation"):
            self._of(instruments.OPERATIONS, kind, "JOURNAL_UNAVAILABLE")
        for source in sources:
            self._begin(source)

    def _begin(self, source: str) -> None:
        for state in STATES:
            self._of(instruments.BREAKERS, source, state).set(state == "CLOSED")
            self._of(instruments.TRANSITIONS, source, state)
        for action in ACTIONS:
            for outcome in OUTCOMES:
                self._of(instruments.ACTIONS, source, action, outcome)
        self._of(instruments.DELIVERIES, source, "SUCCEEDED", "")
        for failure in FailureCategory:
            self._of(instruments.DELIVERIES, source, "FAILED", failure.name)

    def collect_also(self, collector: Collector) -> None:
        """Show what another collector finds, too."""
        self.registry.register(collector)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return what this process has counted; see ``text_of``."""
        return text_of(self.registry, accept)

    def _of(self, instrument: Instrument, *labels: str) -> Any:
        metric = self._made[instrument]
        return metric.labels(*labels) if labels else metric

    def _observe(
        self, instrument: Instrument, seconds: float, span: Span | None, *labels: str
    ) -> None:
        metric = self._of(instrument, *labels)
        if span is None:
            metric.observe(seconds)
            return
        metric.observe(seconds, {"trace_id": span.trace_id, "span_id": span.id})
        if self._exemplars is not None:
            named = dict(zip(instrument.labels, labels, strict=True))
            self._exemplars.put(instrument.name, named, seconds, span)

    def subscribe(self, events: Events) -> None:
        """Hear of all events."""
        events.subscribe(RequestBegan, self._request_began)
        events.subscribe(RequestEnded, self._request_ended)
        events.subscribe(OperationBegan, self._operation_began)
        events.subscribe(OperationEnded, self._operation_ended)
        events.subscribe(AnswerReused, self._answer_reused)
        events.subscribe(UpstreamCallEnded, self._call_ended)
        events.subscribe(CacheLookedUp, self._cache_looked_up)
        events.subscribe(CacheStoreFailed, self._cache_store_failed)
        events.subscribe(PageRefreshed, self._page_refreshed)
        events.subscribe(BreakerChanged, self._breaker_changed)
        events.subscribe(LimitMet, self._limit_met)
        events.subscribe(ActionRecorded, self._action_recorded)
        events.subscribe(SourcesReplaced, self._sources_replaced)

    def _request_began(self, _: RequestBegan) -> None:
        self._of(instruments.ACTIVE_REQUESTS).inc()

    def _request_ended(self, event: RequestEnded) -> None:
        self._of(instruments.ACTIVE_REQUESTS).dec()
        method = event.method if event.method in METHODS else OTHER
        status = "" if event.status is None else str(event.status)
        labels = method, event.route, status
        self._observe(instruments.REQUESTS, event.seconds, event.span, *labels)

    def _operation_began(self, _: OperationBegan) -> None:
        self._of(instruments.ACTIVE_OPERATIONS).inc()

    def _operation_ended(self, event: OperationEnded) -> None:
        self._of(instruments.ACTIVE_OPERATIONS).dec()
        self._count(event)

    def _answer_reused(self, event: AnswerReused) -> None:
        self._of(instruments.REUSED, event.cache or "").inc()
        self._count(event)

    def _count(self, event: OperationEnded) -> None:
        code = event.codes[0] if event.codes else ""
        labels = event.kind or "", code
        self._observe(instruments.OPERATIONS, event.seconds, event.span, *labels)
        self._of(instruments.SCANNED).inc(event.scanned)
        self._of(instruments.RETURNED).inc(event.returned)
        for lost in event.lost:
            self._of(instruments.INCOMPLETE, lost).inc()

    def _call_ended(self, event: UpstreamCallEnded) -> None:
        source, code = event.source, event.code or ""
        self._of(instruments.WAITS, source, event.endpoint).observe(event.waited)
        if not event.sent:
            self._of(instruments.UNSENT, source, code).inc()
            return
        self._of(instruments.RETRIES, source, event.endpoint).inc(event.attempt > 1)
        status = "" if event.status is None else str(event.status)
        labels = source, event.method, event.endpoint, status, code
        self._observe(instruments.CALLS, event.seconds, event.span, *labels)

    def _cache_looked_up(self, event: CacheLookedUp) -> None:
        self._of(instruments.LOOKUPS, event.source, event.outcome).inc()

    def _cache_store_failed(self, event: CacheStoreFailed) -> None:
        self._of(instruments.STORE_FAILURES, event.reason).inc()

    def _page_refreshed(self, event: PageRefreshed) -> None:
        for log in event.logs:
            if self._seen.add(log):
                failure = log.failure.category.name if log.failure else ""
                self._of(instruments.DELIVERIES, event.source, log.status.name, failure).inc()

    def _breaker_changed(self, event: BreakerChanged) -> None:
        self._of(instruments.TRANSITIONS, event.source, event.after).inc()
        # Of the breakers of callers there is no number, and they are forgotten without an event.
        if not event.personal:
            self._of(instruments.BREAKERS, event.source, event.before).set(0)
            self._of(instruments.BREAKERS, event.source, event.after).set(1)

    def _limit_met(self, event: LimitMet) -> None:
        self._of(instruments.LIMITS, event.name, event.mode).inc()

    def _action_recorded(self, event: ActionRecorded) -> None:
        self._of(instruments.ACTIONS, event.source, event.kind, event.outcome).inc()

    def _sources_replaced(self, event: SourcesReplaced) -> None:
        for source in event.made:
            self._begin(source)
        for source in event.dropped:
            for state in STATES:
                self._of(instruments.BREAKERS, source, state).set(0)


class ReloadMetrics:
    """Counts reloads of the configuration, in the registry of the process that reads it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reloads = _made(instruments.RELOADS, registry)
        for outcome in (TAKEN, REFUSED, UNCHANGED):
            self._reloads.labels(outcome)
        self._last = _made(instruments.LAST_RELOAD, registry)
        self._last.set_to_current_time()

    def subscribe(self, events: Events) -> None:
        """Hear of reloads."""
        events.subscribe(ConfigurationReloaded, self._reloaded)

    def _reloaded(self, event: ConfigurationReloaded) -> None:
        self._reloads.labels(event.outcome).inc()
        if event.outcome != REFUSED:
            self._last.set_to_current_time()


def _made(instrument: Instrument, registry: CollectorRegistry) -> Any:
    name, meaning, labels = instrument.name, instrument.meaning, instrument.labels
    match instrument.kind:
        case "counter":
            return Counter(name, meaning, labels, registry=registry)
        case "gauge":
            # There is one version, however many workers have it.
            mode: Any = "livemax" if instrument is instruments.BUILD else "livesum"
            return Gauge(name, meaning, labels, registry=registry, multiprocess_mode=mode)
        case _:
            return Histogram(name, meaning, labels, registry=registry, buckets=BUCKETS)


def count_in(folder: str, slot: int) -> None:
    """Count what this process counts in the files of a slot of a folder."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def end_slot(folder: str, slot: int) -> None:
    """Forget the gauges of a slot whose worker has ended; its counters stay."""
    multiprocess.mark_process_dead(slot, folder)  # type: ignore[no-untyped-call]


class _AddedUp(Collector):
    """Adds up what is counted in a folder, with exemplars, which those files have not."""

    def __init__(self, folder: str, exemplars: Exemplars) -> None:
        self._counts = multiprocess.MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]
        self._exemplars = exemplars

    def collect(self) -> Iterator[Metric]:
        for metric in self._counts.collect():  # type: ignore[no-untyped-call]
            if metric.type == "histogram":
                metric.samples = [
                    one._replace(exemplar=self._exemplars.find(one.name, one.labels))
                    if one.name.endswith("_bucket")
                    else one
                    for one in metric.samples
                ]
            yield metric


def added_up(folder: str, exemplars: Exemplars) -> CollectorRegistry:
    """Return a registry that adds up what is counted in a folder."""
    registry = CollectorRegistry()
    registry.register(_AddedUp(folder, exemplars))
    return registry


def text_of(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return the text of all metrics, in a format that Prometheus accepts, and its media type."""
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type
