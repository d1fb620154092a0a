"""Memory, processor time and descriptors are shown for each process."""

from __future__ import annotations

import os
import sys

import pytest

from gateway.telemetry.instruments import PROCESSES
from gateway.telemetry.processes import Process, ProcessMetrics

NOBODY = 2**22 + 1
"""A number that no process has, since it is above the system's maximum."""


def found(*processes: Process) -> dict[tuple[str, str], float]:
    """Return the values by name and process."""
    return {
        (sample.name, sample.labels.get("process", "")): sample.value
        for metric in ProcessMetrics(lambda: processes).collect()
        for sample in metric.samples
    }


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_each_process_has_its_own() -> None:
    values = found(
        Process("supervisor", os.getppid(), serves=False), Process("0", os.getpid(), serves=True)
    )
    assert values.pop(("webhook_gateway_workers", "")) == 1
    assert {name for name, process in values if process == "0"} == {it.name for it in PROCESSES}
    assert values[("process_resident_memory_bytes", "0")] > 2**20
    assert values[("process_open_fds", "0")] < values[("process_max_fds", "0")]


def test_process_that_has_ended_is_left_out() -> None:
    """It may end between the look at the workers and the look at the system."""
    values = found(Process("0", NOBODY, serves=False))
    assert values == {("webhook_gateway_workers", ""): 0}
