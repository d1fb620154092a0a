"""Metrics of the processes: their memory, processor time and descriptors, and how many serve.

prometheus-client finds those of one process, and none where several processes count.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.telemetry.instruments import PROCESSES, WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client.core import Metric


class Process(NamedTuple):
    """A process; ``name`` is the number of a worker, or ``supervisor``."""

    name: str
    pid: int
    serves: bool


class ProcessMetrics(Collector):
    """Looks at the processes that there are when it is asked."""

    def __init__(self, processes: Callable[[], Sequence[Process]]) -> None:
        self._processes = processes

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not look at the processes."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return what the system knows of the processes; those that end meanwhile are left out."""
        processes = self._processes()
        yield GaugeMetricFamily(
            WORKERS.name, WORKERS.meaning, sum(process.serves for process in processes)
        )
        families = {
            each.name: (CounterMetricFamily if each.kind == "counter" else GaugeMetricFamily)(
                each.name, each.meaning, labels=each.labels
            )
            for each in PROCESSES
        }
        for process in processes:
            one = ProcessCollector(pid=functools.partial(int, process.pid), registry=None)
            for metric in one.collect():
                for sample in metric.samples:
                    if sample.name in families:
                        families[sample.name].add_metric([process.name], sample.value)
        yield from families.values()
