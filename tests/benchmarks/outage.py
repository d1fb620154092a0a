"""Costs of an outage for callers: run ``python -m tests.benchmarks.outage``.

Uses simulated vendors with a latency of 20 to 60 ms over HTTP on loopback. On a simulated clock,
one of them fails completely and recovers. Prints the latency of its stale pages compared with
fresh ones from the cache, and the number of refreshes until its pages are fresh again. Then prints
the share of reads that come back complete during an outage of each vendor, with stale pages
continued after a refreshed one (``gateway.sources.stale_pages``) and without.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from unittest.mock import AsyncMock, patch

import httpx
import uvloop

from gateway.errors import AllSourcesFailedError
from gateway.feed import cursor
from gateway.feed.feed import Report
from gateway.model import CacheStatus
from gateway.sandbox import Sandbox
from gateway.service import Gateway
from tests.benchmarks.cache import renewed, settings_for
from tests.benchmarks.vendors import vendors
from tests.support.clock import SECOND, Clock

SOURCE = "translations"
FAULTS = "/control/faults/language-weaver"
READS = 300
SOURCES = {
    "codearts": "repo-cn",
    "yandex-tracker": "tracker",
    "language-weaver": "translations",
    "elastic-path": "shop",
}
ROUNDS = 12
"""Rounds before an outage, and during it, half a minute each."""


async def report_of(gateway: Gateway) -> tuple[Report, float]:
    """Read a first page; return its report and its latency in milliseconds."""
    operation = gateway.operation()
    began = time.perf_counter()
    page = await gateway.logs(operation, first=25, wanted={"source": {"eq": SOURCE}})
    return page.slice.reports[0], (time.perf_counter() - began) * 1000


async def measure(gateway: Gateway, status: CacheStatus) -> float:
    """Read a first page of the given freshness, and wait for its refresh."""
    report, took = await report_of(gateway)
    assert report.error is None, report.error
    assert report.freshness is not None
    assert report.freshness.status is status, report.freshness
    await renewed(gateway)
    return took


def p99(values: list[float]) -> float:
    return sorted(values)[max(0, math.ceil(len(values) * 0.99) - 1)]


async def shares(url: str, *, continued: bool) -> dict[str, tuple[float, float]]:
    """Return by vendor the shares of complete reads: ``first: 100``, and second pages by cursor.

    The newest page is read every half minute, and every third time the pages behind it.
    """
    settings = settings_for(url, Sandbox(logs=100))
    nothing = AsyncMock(return_value=None)
    name = "gateway.feed.stream_pages.continue_stale"
    found: dict[str, tuple[float, float]] = {}
    with contextlib.nullcontext() if continued else patch(name, nothing):
        for vendor, source in SOURCES.items():
            clock = Clock(time.time_ns())
            complete: dict[str, list[bool]] = {"first": [], "second": []}
            async with (
                httpx.AsyncClient(base_url=url) as sandbox,
                Gateway(settings, clock=clock, monotonic=clock.unix) as gateway,
            ):

                async def read(first: int, after: str | None = None) -> tuple[bool, str]:
                    page = await gateway.logs(
                        gateway.operation(),
                        first=first,
                        after=after,
                        wanted={"source": {"eq": source}},  # noqa: B023
                    )
                    await renewed(gateway)
                    text = cursor.encode(page.slice.end)
                    return page.slice.reports[0].error is None, text

                for number in range(2 * ROUNDS):
                    clock.now += 30 * SECOND
                    if number == ROUNDS:
                        fault = {"kind": "status"}
                        (
                            await sandbox.put(f"/control/faults/{vendor}", json=fault)
                        ).raise_for_status()
                    elif number < ROUNDS:
                        await sandbox.post("/control/arrive", json={"count": 8})
                    _, end = await read(25)
                    if number < ROUNDS and number % 3:
                        continue
                    for kind, asked in (("first", (100, None)), ("second", (25, end))):
                        try:
                            is_complete, _ = await read(*asked)
                        except AllSourcesFailedError:
                            is_complete = False
                        if number >= ROUNDS:
                            complete[kind].append(is_complete)
                await sandbox.delete(f"/control/faults/{vendor}")
            found[vendor] = (
                statistics.mean(complete["first"]),
                statistics.mean(complete["second"]),
            )
    return found


async def main() -> None:
    with vendors() as url:
        for continued in (True, False):
            print(f"complete reads in an outage, {'with' if continued else 'without'} stale_pages")
            for vendor, (first, second) in (await shares(url, continued=continued)).items():
                print(f"  {vendor}: first 100: {first:.0%}, second page: {second:.0%}")
    with vendors(0.02, 0.06) as url:
        settings = settings_for(url, Sandbox(logs=100))
        still, clock = (Clock(time.time_ns()) for _ in range(2))
        failing = Gateway(settings, clock=clock, monotonic=clock.unix)
        async with (
            httpx.AsyncClient(base_url=url) as sandbox,
            Gateway(settings, clock=still) as calm,
            failing as gateway,
        ):
            await report_of(calm)
            await report_of(gateway)
            (await sandbox.put(FAULTS, json={"kind": "status"})).raise_for_status()
            kept = gateway.settings.cache
            clock.now += round((kept.first_page + kept.stale_while_revalidate) * SECOND)
            first = await measure(gateway, CacheStatus.STALE)
            fresh: list[float] = []
            stale: list[float] = []
            for number in range(READS):
                fresh.append(await measure(calm, CacheStatus.HIT))
                # Every third page is old enough for a background refresh.
                clock.now += 0 if number % 3 else 5 * SECOND
                stale.append(await measure(gateway, CacheStatus.STALE))

            (await sandbox.delete(FAULTS)).raise_for_status()
            before, moment = gateway._cache.counts["loads"], clock.now
            status = CacheStatus.STALE
            while status is CacheStatus.STALE:
                clock.now += SECOND
                report, _ = await report_of(gateway)
                await renewed(gateway)
                assert report.freshness is not None
                status = report.freshness.status
            renewals = gateway._cache.counts["loads"] - before

    print(f"outage of {SOURCE}, a first page of it, {READS} reads each")
    for name, values in (("fresh", fresh), ("stale", stale)):
        print(f"  {name}: median {statistics.median(values):.2f} ms, p99 {p99(values):.2f} ms")
    print(
        f"  stale : fresh {statistics.median(stale) / statistics.median(fresh):.2f} (median),"
        f" {p99(stale) / p99(fresh):.2f} (p99)"
    )
    print(f"  the read that met the failure first: {first:.1f} ms")
    print(
        f"  read once a second after it came back: {status.name} after"
        f" {(clock.now - moment) / SECOND:g} s, with {renewals} renewal(s) tried"
    )


if __name__ == "__main__":
    uvloop.run(main())
