"""What processes and stores take, and whether that grows."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import asyncpg  # type: ignore[import-untyped]

from tests.benchmarks.soak.site import Site

MEASURES = (
    *("PSS MiB", "RSS MiB", "peak MiB", "heap MiB", "kiloblocks"),
    *("descriptors", "threads", "tasks"),
)
"""What is measured of a process. The peak is that of the RSS since the measurement before. The
memory in use is the heap, which is what malloc has for C, and the blocks by the thousand, which are
what Python has for objects: of those, the RSS keeps about the highest number that there ever was,
because Python gives back a MiB only when nothing is left in it."""
BOUNDS = {
    "PSS MiB": math.inf,
    "peak MiB": math.inf,
    "RSS MiB": 2.0,
    "heap MiB": 2.0,
    "Redis MiB": 2.0,
    "kiloblocks": 10.0,
}
"""The growth over the whole run that is still flat. PSS is only shown: it changes with the number
of processes that have the same pages. So are peaks, which are what the load of a cycle makes."""
COUNT = 2.0
"""The same for what is counted: fewer than one more in every second cycle of five."""
STEP = 5.0
"""The same for the difference between the first and the last third; it changes with the load."""
UNSTEADY = {"Redis MiB", "keys", "connections", "kiloblocks"}
"""What begins anew in each cycle, or depends on what was cached at the end of it."""
SHARE = 0.02
"""Memory that grows by less than this part of it in an hour is flat, too."""
NOISY = {"heap MiB", "kiloblocks"}
"""What the load that has just ended still changes: only a slope that is sure counts."""
SURE = 1.96
"""Standard deviations: of series without growth whose points are independent, one in forty seems
to have some. An hour shows a growth of a tenth in it nearly always, ten minutes hardly."""
FEWEST = 4
"""Points that a slope is computed from."""
FEWEST_THIRDS = 20
"""Points of which the first and the last third are compared; ten minutes are too short for it."""
ANSWERED = 2.0
"""Seconds that a process has to tell what it has."""


class Point(NamedTuple):
    """A measurement, at a time in seconds."""

    at: float
    value: float


class Series(NamedTuple):
    """The measurements of one thing at rest, one a cycle; a process has its number as ``pid``."""

    name: str
    pid: int
    measure: str
    points: list[Point]

    @property
    def slope(self) -> float:
        """Growth by the hour: the median of the slopes between any two points (Theil-Sen)."""
        return statistics.median(self._slopes()) if len(self.points) > 1 else 0.0

    @property
    def sure_slope(self) -> float:
        """The lower confidence limit of the slope (Sen, JASA 63, 1968)."""
        slopes, count = sorted(self._slopes()), len(self.points)
        deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
        rank = math.floor((len(slopes) - SURE * deviation) / 2)
        return slopes[max(1, rank) - 1]

    def _slopes(self) -> list[float]:
        return [
            (later.value - earlier.value) / (later.at - earlier.at) * 3600
            for index, earlier in enumerate(self.points)
            for later in self.points[index + 1 :]
        ]

    @property
    def growth(self) -> float:
        """What it grew by within the time that it was measured, by the slope."""
        return self.slope * (self.points[-1].at - self.points[0].at) / 3600

    @property
    def step(self) -> float:
        """How much higher the last third is than the first, by their medians.

        A slope does not show what grows late, or once.
        """
        values = [point.value for point in self.points]
        third = max(1, len(values) // 3)
        return statistics.median(values[-third:]) - statistics.median(values[:third])

    @property
    def is_flat(self) -> bool:
        """Whether it does not grow, as far as the points tell."""
        if len(self.points) < FEWEST:
            return True
        is_stepwise = len(self.points) >= FEWEST_THIRDS and self.measure not in UNSTEADY
        if is_stepwise and self.step >= BOUNDS.get(self.measure, STEP):
            return False
        if self.growth < BOUNDS.get(self.measure, COUNT):
            return True
        middle = statistics.median(point.value for point in self.points)
        slope = self.sure_slope if self.measure in NOISY else self.slope
        return ("MiB" in self.measure or self.measure in NOISY) and slope < SHARE * middle


class Watch:
    """Measures everything when the load rests."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._points: defaultdict[tuple[str, int, str], list[Point]] = defaultdict(list)

    def series(self, skipped: float = 0.0) -> list[Series]:
        """Return what was measured after a moment."""
        return [
            Series(*key, kept)
            for key, points in self._points.items()
            if (kept := [point for point in points if point.at >= skipped])
        ]

    async def measure(self) -> None:
        """Add one point to each series."""
        now = time.monotonic()
        for name, pid in self._processes():
            values = _of_process(pid) | await self._told(pid)
            for measure in MEASURES:
                if (value := values.get(measure)) is not None:
                    self._points[name, pid, measure].append(Point(now, value))
        with self._site.redis.client() as client:
            memory = client.info("memory")["used_memory"] / 2**20
            self._points["Redis", 0, "Redis MiB"].append(Point(now, memory))
            self._points["Redis", 0, "keys"].append(Point(now, client.dbsize()))
        connection = await asyncpg.connect(self._site.database)
        try:
            count = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()
        self._points["PostgreSQL", 0, "connections"].append(Point(now, count))

    def _processes(self) -> list[tuple[str, int]]:
        found = []
        for number, replica in enumerate(self._site.replicas, 1):
            found.append((f"replica {number}, supervisor", replica.pid))
            found += [(f"replica {number}, worker", pid) for pid in replica.workers()]
        return found

    async def _told(self, pid: int) -> dict[str, float]:
        """Return what only the process itself knows; see ``probe/sitecustomize.py``."""
        file = self._site.told / str(pid)
        if not file.exists():
            return {}
        file.write_text("")
        with contextlib.suppress(TimeoutError, ProcessLookupError):
            os.kill(pid, signal.SIGUSR2)
            async with asyncio.timeout(ANSWERED):
                while not (text := file.read_text()):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.01)
                tasks, blocks = map(float, text.split())
                return {"tasks": tasks, "kiloblocks": blocks / 1000}
        return {}


def _of_process(pid: int) -> dict[str, float]:
    """Return what Linux knows of a process; nothing if it has ended."""
    folder = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        sizes = {
            name: float(rest.split()[0]) / 1024
            for name, _, rest in (
                line.partition(":") for line in (folder / "smaps_rollup").read_text().splitlines()
            )
            if name in {"Pss", "Rss"}
        }
        _, _, heap = (folder / "smaps").read_text().partition("[heap]")
        heap = heap.partition("\nRss:")[2].partition("kB")[0]
        status = (folder / "status").read_text()
        threads, peak = (
            float(status.partition(f"\n{name}:")[2].split()[0]) for name in ("Threads", "VmHWM")
        )
        (folder / "clear_refs").write_text("5")  # begins a new peak, see proc(5)
        return {
            "PSS MiB": sizes["Pss"],
            "RSS MiB": sizes["Rss"],
            "peak MiB": peak / 1024,
            "heap MiB": float(heap or 0) / 1024,
            "descriptors": float(len(list((folder / "fd").iterdir()))),
            "threads": threads,
        }
    return {}
