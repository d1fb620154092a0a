"""Stability of the gateway while a vendor fails.

Run ``python -m tests.benchmarks.failing_vendor SECONDS``.

Two gateways run at the same time, each in its own process, with 50 callers and its own simulated
vendors, over HTTP on loopback. In one of them, a share of the calls to one vendor fails at random;
the other is the reference, since the load of the machine slows both. Then the next vendor fails,
for the other gateway. Pages are fresh for one second, some callers bypass the cache, and logs
arrive, so that vendors are called all the time.

Fails if an error reaches a caller whose data was cached, or if another source gets slower by more
than a tenth. SECONDS is the time for each vendor.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import httpx
import uvloop

from gateway.callers import Authenticator
from gateway.config import LimitSettings
from gateway.limits import Limits
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.service import Gateway
from gateway.web.view import GraphQLView
from tests.benchmarks.cache import settings_for
from tests.benchmarks.vendors import vendors

SECONDS = 60.0
CALLERS = 50
SHARE = 0.3
PAUSE = 1.0
"""Seconds between two reads of a caller, so that the processor is not the bottleneck."""
DEMANDING = 10
"""One in this many reads bypasses the cache."""
ARRIVALS = 2.0
"""Logs per second, of all vendors together."""
WARMING = 5.0
"""Seconds before measurements start, and between the failures of two vendors."""
MOST = 0.1
"""Tolerated slowdown of another source, as a share."""
SOURCES = {
    "repo-cn": "codearts",
    "tracker": "yandex-tracker",
    "translations": "language-weaver",
    "shop": "elastic-path",
}
LIST = """query($source: String!) {{
  webhookLogs(first: {first}, filter: {{ source: {{ eq: $source }} }}) {{
    nodes {{ id {nodes} }} sourceReports {{ error {{ code }} }} }} }}"""
READS = {
    "page": LIST.format(first=25, nodes="event status triggeredAt failure { category }"),
    "two pages": LIST.format(first=100, nodes="event status triggeredAt"),
    "hooks of logs": LIST.format(first=25, nodes="hook { name url }"),
    "logs": "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on WebhookLog { status } } }",
    "bodies": "query($ids: [ID!]!) { nodes(ids: $ids) { ...Log } }"
    " fragment Log on WebhookLog { request { body } response { body } }",
    "source": "query($source: String!) { source(name: $source) { hooks { nodes { id } } } }",
}


class Read(NamedTuple):
    """One response: the Unix time of its request, and its latency in milliseconds.

    ``known`` is True if the same request has had a response without errors before.
    """

    at: float
    source: str
    asks: str
    demanding: bool
    took: float
    known: bool
    error: str | None


class Told(NamedTuple):
    """The responses for the callers of one gateway, and its processor seconds by Unix time."""

    reads: list[Read]
    work: list[tuple[float, float]]
    counts: dict[str, int]


# Callers, in a separate process


def call(url: str, seconds: float, told: Connection) -> None:
    """Run a gateway and its callers for the given time; return the measurements."""
    told.send(uvloop.run(calls(url, seconds)))


async def calls(url: str, seconds: float) -> Told:
    lifetimes = dict.fromkeys(("first_page", "page", "detail", "hooks"), 1.0)
    settings = settings_for(url, Sandbox(logs=100), **lifetimes)
    limits = Limits(LimitSettings.model_validate({"rate": "off"}))
    loop = asyncio.get_running_loop()
    reads: list[Read] = []
    work: list[tuple[float, float]] = []
    known: set[tuple[str, str]] = set()
    end = loop.time() + seconds

    async with Gateway(settings) as gateway, contextlib.AsyncExitStack() as stack:
        view = GraphQLView(build_schema(), gateway, Authenticator(settings.auth), limits)
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(view), base_url="http://127.0.0.1")
        )

        async def ask(asks: str, variables: dict[str, Any], demanding: bool) -> dict[str, Any]:
            response = await http.post(
                "/graphql",
                json={"query": READS[asks], "variables": variables},
                headers={"Cache-Control": "no-cache"} if demanding else {},
            )
            answer: dict[str, Any] = response.json()
            return answer

        first = {
            source: (await ask("page", {"source": source}, False))["data"]["webhookLogs"]["nodes"]
            for source in SOURCES
        }

        async def read(source: str, asks: str, demanding: bool) -> None:
            variables = {"source": source, "ids": [node["id"] for node in first[source][:5]]}
            at, began = time.time(), time.perf_counter()
            answer = await ask(asks, variables, demanding)
            took = (time.perf_counter() - began) * 1000
            error = error_in(answer)
            reads.append(Read(at, source, asks, demanding, took, (source, asks) in known, error))
            if error is None:
                known.add((source, asks))

        async def caller(number: int) -> None:
            await asyncio.sleep(PAUSE * number / CALLERS)
            reads_of_all = itertools.product(READS, SOURCES)
            for index, (asks, source) in enumerate(
                itertools.islice(itertools.cycle(reads_of_all), number, None)
            ):
                if loop.time() >= end:
                    return
                await read(source, asks, (index + number) % DEMANDING == 0)
                await asyncio.sleep(PAUSE)

        async def watch() -> None:
            while loop.time() < end:
                work.append((time.time(), time.process_time()))
                await asyncio.sleep(1)

        await asyncio.gather(watch(), *(caller(number) for number in range(CALLERS)))
        return Told(reads, work, dict(gateway._cache.counts))


def error_in(answer: dict[str, Any]) -> str | None:
    """Return the code of the first error in a response, wherever it is."""
    for error in answer.get("errors", ()):
        assert error["extensions"]["code"].startswith("UPSTREAM_"), error
        return str(error["extensions"]["code"])
    for report in ((answer["data"].get("webhookLogs") or {}).get("sourceReports")) or ():
        if report["error"] is not None:
            return str(report["error"]["code"])
    return None


# Failures


class Spell(NamedTuple):
    """A period in Unix time, and the vendor, gateway and rate of its failures."""

    vendor: str
    ill: int
    start: float
    end: float
    called: int
    failed: int

    def holds(self, at: float) -> bool:
        return self.start <= at < self.end


async def weather(urls: list[str], seconds: float) -> list[Spell]:
    spells = []
    async with httpx.AsyncClient() as http:
        for index, vendor in enumerate(SOURCES.values()):
            await asyncio.sleep(WARMING)
            control = f"{urls[index % 2]}/control"
            await http.delete(f"{control}/calls")
            fault = {"kind": "status", "status": 503, "share": SHARE}
            (await http.put(f"{control}/faults/{vendor}", json=fault)).raise_for_status()
            start = time.time()
            await asyncio.sleep(seconds)
            end = time.time()
            made = (await http.get(f"{control}/calls")).json()
            called = sum(made["counts"][vendor].values())
            spells.append(
                Spell(vendor, index % 2, start, end, called, made["suffered"].get(vendor, 0))
            )
            (await http.delete(f"{control}/faults/{vendor}")).raise_for_status()
    return spells


# Results


def report(spells: list[Spell], told: list[Told]) -> bool:
    """Print the results; return whether they are within the bounds."""
    good = True
    pairs: dict[str, list[tuple[list[Read], list[Read]]]] = {source: [] for source in SOURCES}
    for spell in spells:
        ill, well = (
            [read for read in told[index].reads if spell.holds(read.at)]
            for index in (spell.ill, 1 - spell.ill)
        )
        for source, vendor in SOURCES.items():
            bad, healthy = (
                [read for read in reads if read.source == source] for reads in (ill, well)
            )
            if vendor != spell.vendor:
                pairs[source].append((bad, healthy))
                continue
            print(f"{vendor}: {spell.failed} of {spell.called} calls failed, {len(bad)} reads")
            print(f"  {summary(bad)}   without {summary(healthy)}")
        reached, others = (
            Counter(
                f"{read.error} for {read.asks} of {read.source}"
                for read in ill
                if read.error is not None and read.known is known
            )
            for known in (True, False)
        )
        work = [busy(told[index].work, spell) for index in (spell.ill, 1 - spell.ill)]
        print(f"  errors though it was cached: {dict(reached)}, where it was not: {dict(others)}")
        print(f"  {work[0]:.1%} of a processor, without {work[1]:.1%}")
        good = good and not reached
    print("\nwhile another vendor failed:")
    for source, its_pairs in pairs.items():
        whole = [list(itertools.chain(*reads)) for reads in zip(*its_pairs, strict=True)]
        ratio, error = slowness(*whole)
        print(f"{source:13} {ratio - 1:+.1%} ± {error:.1%}")
        print(f"  {summary(whole[0])}   without {summary(whole[1])}")
        good = good and ratio <= 1 + MOST
    return good


def slowness(ill: list[Read], well: list[Read]) -> tuple[float, float]:
    """Return the ratio of the latencies of equal reads, and its standard error.

    It compares geometric means, since a few reads wait for a vendor and take a hundred times as
    long as the others.
    """
    weights = logarithm = variance = 0.0
    for asks, demanding in itertools.product(READS, (False, True)):
        bad, good = (
            [
                math.log(read.took)
                for read in reads
                if (read.asks, read.demanding) == (asks, demanding)
            ]
            for reads in (ill, well)
        )
        if min(len(bad), len(good)) > 1:
            weight = len(bad) + len(good)
            weights += weight
            logarithm += weight * (statistics.fmean(bad) - statistics.fmean(good))
            for values in (bad, good):
                variance += weight**2 * statistics.variance(values) / len(values)
    logarithm, variance = logarithm / weights, variance / weights**2
    return math.exp(logarithm), math.exp(logarithm) * math.sqrt(variance)


def summary(reads: list[Read]) -> str:
    took = sorted(read.took for read in reads)
    p99 = took[max(0, math.ceil(len(took) * 0.99) - 1)]
    return (
        f"median {statistics.median(took):.1f} ms, mean {statistics.fmean(took):.1f}, p99 {p99:.0f}"
    )


def busy(work: list[tuple[float, float]], spell: Spell) -> float:
    inside = [pair for pair in work if spell.holds(pair[0])]
    (began, before), (ended, after) = inside[0], inside[-1]
    return (after - before) / (ended - began)


def main(seconds: float) -> bool:
    with vendors(0.02, 0.06, ARRIVALS) as one, vendors(0.02, 0.06, ARRIVALS) as other:
        urls = [one, other]
        spawn = multiprocessing.get_context("spawn")
        pipes = [spawn.Pipe(duplex=False) for _ in urls]
        lasts = len(SOURCES) * (WARMING + seconds) + WARMING
        children = [
            spawn.Process(target=call, args=(url, lasts, sender))
            for url, (_, sender) in zip(urls, pipes, strict=True)
        ]
        for child in children:
            child.start()
        spells = asyncio.run(weather(urls, seconds))
        told = [receiver.recv() for receiver, _ in pipes]
        for child in children:
            child.join()
    good = report(spells, told)
    for each in told:
        print(f"\n{len(each.reads)} reads; the cache's counts: {each.counts}")
    return good


if __name__ == "__main__":
    sys.exit(not main(float(sys.argv[1]) if sys.argv[1:] else SECONDS))
