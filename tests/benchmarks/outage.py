"""How steady the gateway is when a vendor is not: run ``python -m tests.benchmarks.soak``.

Against the sandbox over real HTTP on loopback, which answers in 20 to 60 ms. First a vendor fails
altogether and comes back, then callers read for a minute while some of its calls fail at random.
The number of seconds is the first argument.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import sys
import time
from collections import Counter, defaultdict
from typing import Any

import httpx
import uvloop

from gateway.config import Settings
from gateway.errors import AllSourcesFailedError
from gateway.feed import Report
from gateway.model import CacheStatus
from gateway.sandbox import Sandbox
from gateway.service import Gateway
from tests.benchmarks.cache import SECOND, Clock, renewed, settings_for
from tests.benchmarks.vendors import vendors

SECONDS = 60.0
CALLERS = 50
SHARE = 0.3
VENDOR, SOURCE = "language-weaver", "translations"
TURN = 7.0
"""Seconds after which the vendor is healed, or fails again: what slows the machine slows both.
Pages are fresh for another time, so that no turn has all the renewals."""
RUNS = 300
PAUSE = 0.4
"""Seconds between two reads of a caller, about, so that a processor is not all that is measured."""


class Vendors:
    """The control of the sandbox."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/control/faults")

    async def fault(self, **fault: Any) -> None:
        (await self._http.put(f"/{VENDOR}", json=fault)).raise_for_status()

    async def heal(self) -> None:
        (await self._http.delete(f"/{VENDOR}")).raise_for_status()

    async def close(self) -> None:
        await self._http.aclose()


def p99(values: list[float]) -> float:
    return sorted(values)[max(0, math.ceil(len(values) * 0.99) - 1)]


async def report_of(gateway: Gateway, source: str) -> tuple[Report, float]:
    """Read a first page of a source; give its report, and the milliseconds that it took."""
    operation = gateway.operation()
    began = time.perf_counter()
    page = await gateway.logs(operation, first=25, wanted={"source": {"eq": source}})
    return page.slice.reports[0], (time.perf_counter() - began) * 1000


# Failing altogether


async def outage(settings: Settings, control: Vendors) -> None:
    still, clock = Clock(), Clock()
    # The breaker goes by the same clock, or it would still be open when the vendor is back.
    failing = Gateway(settings, clock=clock, monotonic=lambda: clock() / SECOND)
    async with Gateway(settings, clock=still) as calm, failing as gateway:
        lifetimes = gateway.settings.cache
        await report_of(calm, SOURCE)
        await report_of(gateway, SOURCE)

        async def measure(asked: Gateway, status: CacheStatus) -> float:
            report, took = await report_of(asked, SOURCE)
            assert report.error is None, report.error
            assert report.freshness is not None
            assert report.freshness.status is status, report.freshness
            await renewed(asked)
            return took

        await control.fault(kind="status", status=503)
        clock.now += round((lifetimes.first_page + lifetimes.stale_while_revalidate) * SECOND)
        first = await measure(gateway, CacheStatus.STALE)
        fresh: list[float] = []
        stale: list[float] = []
        for number in range(RUNS):
            fresh.append(await measure(calm, CacheStatus.HIT))
            # Every third time the vendor is asked again behind the answer.
            clock.now += 0 if number % 3 else 2 * SECOND
            stale.append(await measure(gateway, CacheStatus.STALE))
        await control.heal()
        status, reads = CacheStatus.STALE, 0
        while status is CacheStatus.STALE:
            clock.now += 2 * SECOND
            report, _ = await report_of(gateway, SOURCE)
            await renewed(gateway)
            assert report.freshness is not None
            status, reads = report.freshness.status, reads + 1
    print(f"outage of {SOURCE}, a first page of it, {RUNS} reads each")
    for name, values in (("fresh", fresh), ("stale", stale)):
        print(f"  {name}: median {statistics.median(values):.2f} ms, p99 {p99(values):.2f} ms")
    print(
        f"  stale : fresh {statistics.median(stale) / statistics.median(fresh):.2f} (median),"
        f" {p99(stale) / p99(fresh):.2f} (p99)"
    )
    print(f"  the read that met the failure first: {first:.1f} ms")
    print(f"  after it came back: {status.name} with read {reads}, so after {reads - 1} renewal")


# Failing now and then


class Turn:
    """What callers met in a turn, or in all turns of one condition."""

    def __init__(self) -> None:
        self.latencies: defaultdict[str, list[float]] = defaultdict(list)
        self.statuses: Counter[str] = Counter()
        self.errors = 0
        self.errors_uncached = 0

    @staticmethod
    def of(turns: list[Turn]) -> Turn:
        """Put turns together."""
        whole = Turn()
        for turn in turns:
            for source, values in turn.latencies.items():
                whole.latencies[source] += values
            whole.statuses += turn.statuses
            whole.errors += turn.errors
            whole.errors_uncached += turn.errors_uncached
        return whole

    def others(self) -> list[float]:
        """Give how long the reads of the sources took whose vendors are well."""
        return [
            took for name, values in self.latencies.items() if name != SOURCE for took in values
        ]


async def soak(settings: Settings, control: Vendors, seconds: float) -> None:
    turns: tuple[list[Turn], list[Turn]] = ([], [])
    now = [Turn()]
    cached: set[str] = set()
    async with Gateway(settings) as gateway:
        names = list(gateway.sources)
        loop = asyncio.get_running_loop()
        pairs = math.ceil(seconds / TURN)
        end = loop.time() + 2 * pairs * TURN

        async def read(source: str) -> None:
            turn = now[0]
            known = source in cached
            try:
                report, took = await report_of(gateway, source)
                error = report.error
            except AllSourcesFailedError as failure:
                error, took, report = failure.errors[0], 0.0, None
            if error is None:
                assert report is not None
                assert report.freshness is not None
                cached.add(source)
                turn.latencies[source].append(took)
                turn.statuses[f"{source} {report.freshness.status.name}"] += 1
            elif known:
                turn.errors += 1
            else:
                turn.errors_uncached += 1

        async def caller(number: int) -> None:
            await asyncio.sleep(PAUSE * number / CALLERS)
            for index in itertools.count(number):
                if loop.time() >= end:
                    return
                await read(names[index % len(names)])
                await asyncio.sleep(PAUSE)

        async def weather() -> None:
            for index in range(2 * pairs):
                # Well, ill, ill, well: a drift is no advantage of either.
                ill = index % 4 in {1, 2}
                if ill:
                    await control.fault(kind="status", status=503, share=SHARE)
                else:
                    await control.heal()
                now[0] = Turn()
                turns[ill].append(now[0])
                await asyncio.sleep(TURN)

        await asyncio.gather(weather(), *(caller(number) for number in range(CALLERS)))
        await control.heal()
        counts = dict(gateway._cache.counts)
    print(
        f"\n{CALLERS} callers, {pairs * TURN:g} s with {SHARE:.0%} of the calls to {SOURCE} failing"
        f" and {pairs * TURN:g} s without, in turns of {TURN:g} s"
    )
    tell(names, *turns)
    print(f"  the cache's counts: {counts}")


def tell(names: list[str], well: list[Turn], ill: list[Turn]) -> None:
    healthy, failing = Turn.of(well), Turn.of(ill)
    for turn, name in ((healthy, "without"), (failing, "failing")):
        reads = sum(map(len, turn.latencies.values()))
        print(
            f"  {name}: {reads} reads; errors though it was cached: {turn.errors};"
            f" errors where nothing was cached yet: {turn.errors_uncached}"
        )
    print(f"  {'ms':14} {'without':>16} {'failing':>16} {'ratio':>14}   (median, p99, mean)")
    for source in names:
        told = [
            (statistics.median(values), p99(values), statistics.fmean(values))
            for values in (healthy.latencies[source], failing.latencies[source])
        ]
        ratios = [bad / good for good, bad in zip(*told, strict=True)]
        columns = ("  ".join(f"{value:.2f}" for value in values) for values in (*told, ratios))
        print(f"  {source:14} " + "   ".join(columns))
    pairs = [
        statistics.median(bad.others()) / statistics.median(good.others()) - 1
        for good, bad in zip(well, ill, strict=True)
    ]
    print(
        f"  the other sources, medians of {len(pairs)} pairs of turns:"
        f" {statistics.median(pairs):+.1%}, from {min(pairs):+.1%} to {max(pairs):+.1%}"
    )
    print(f"  {SOURCE} while it failed: {_statuses(failing)}; without: {_statuses(healthy)}")


def _statuses(turn: Turn) -> str:
    kinds = (CacheStatus.HIT, CacheStatus.STALE, CacheStatus.MISS)
    return ", ".join(f"{kind.name} {turn.statuses[f'{SOURCE} {kind.name}']}" for kind in kinds)


async def main(seconds: float) -> None:
    with vendors(0.02, 0.06) as url:
        control = Vendors(url)
        settings = settings_for(url, Sandbox(logs=100))
        try:
            await outage(settings, control)
            await soak(settings, control, seconds)
        finally:
            await control.close()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if sys.argv[1:] else SECONDS))
