"""Run ``python -m tests.benchmarks.soak``; it needs nginx, Redis, PostgreSQL and Linux.

In each cycle, vendors are slow, answer 503, 429 and HTML and cut connections; Redis and PostgreSQL
are killed and started; replicas restart; workers are replaced, get another configuration, refuse
one, and are killed. Meanwhile callers with several roles send requests of all kinds at a fixed
rate, and each response is checked. The plan says which failures a phase may cause.

Fails if another request fails, if an action that succeeded is not in the journal or was done twice,
if the log has a traceback, or if memory, descriptors or tasks grow: they are measured at the end of
each cycle, when the load rests. A process that is restarted is measured anew.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter

import httpx

from tests.benchmarks.soak.client import TIMEOUT, Client
from tests.benchmarks.soak.load import Load
from tests.benchmarks.soak.plan import Plan, StuckError
from tests.benchmarks.soak.report import Outcome, report
from tests.benchmarks.soak.requests import Requests
from tests.benchmarks.soak.site import MissingError, Site, started
from tests.benchmarks.soak.watch import Watch

RUSH, RUSH_CYCLE, RUSH_SECONDS, FILLING_SECONDS = 3.0, 2, 8.0, 50.0
"""The load after a cycle, as a multiple of the usual one, and how long it lasts with each vendor
slow, and then without a fault: no process shall need more memory or connections later than it then
has. It is the second cycle: only then have the workers that are left to run been given another
configuration."""
WARMING = 0.2
"""The part of the time whose measurements don't count for growth."""
COMPLAINTS = ("Traceback", "was destroyed but it is pending", "was never")
"""What the log of a gateway without defects never has."""


async def soak(
    site: Site, *, minutes: float, rate: float, seed: int, seconds: float, rest: float
) -> tuple[Outcome, str]:
    """Run cycles until the time is over, at least one; return what was found, and the report."""
    limits = httpx.Limits(max_keepalive_connections=20)
    async with httpx.AsyncClient(timeout=TIMEOUT, limits=limits) as http:
        client, plan, watch = Client(site, http), Plan(site, seed, seconds), Watch(site)
        requests = Requests(client, random.Random(seed))
        await requests.learn((await http.get(f"{site.vendor}/control/inventory")).json())
        attempts = await requests.attempts()
        client.measured.clear()
        load = Load(requests, plan, random.Random(seed), rate)
        broken: list[str] = []
        lasting: list[int] = []
        begun, cycle = time.monotonic(), 0
        try:
            while not cycle or time.monotonic() < begun + minutes * 60:
                cycle += 1
                async with load.running():
                    await plan.run(cycle, everything=cycle == 1 and minutes > 1)
                if cycle == 1:
                    lasting = site.replicas[0].workers()
                if cycle == RUSH_CYCLE and minutes > 1:
                    async with load.running(RUSH):
                        await plan.rush(cycle, RUSH_SECONDS)
                        await asyncio.sleep(FILLING_SECONDS)
                await asyncio.sleep(rest)
                await watch.measure()
        except StuckError as error:
            broken.append(str(error))
        measured = client.measured.copy()
        if not broken:
            done = await requests.attempts() - attempts
            outcomes = await requests.recorded()
            broken += check_actions(requests.retries, requests.succeeded, outcomes, done)
    if lasting and site.replicas[0].workers() != lasting:
        broken.append("The workers that were left to run were replaced.")
    for number, replica in enumerate(site.replicas, 1):
        for line in replica.log:
            if any(it in line for it in COMPLAINTS):
                broken.append(f"replica {number} logged: {line.strip()}")
    series = watch.series(begun + WARMING * (time.monotonic() - begun) if cycle > 1 else 0)
    outcome = Outcome(measured, load.failed, series, broken)
    head = f"{cycle} cycles, {load.started} requests in {time.monotonic() - begun:.0f} s,"
    head += f" started at most {load.lag * 1000:.0f} ms late.\n\n"
    return outcome, head + report(outcome, plan, begun)


def check_actions(
    asked: dict[str, str], succeeded: set[str], outcomes: dict[str, str], done: int
) -> list[str]:
    """Compare what callers asked for and were told, the journal, and what the vendor did.

    How many of the actions of unknown outcome the vendor did can't be known.
    """
    broken = [f"The journal has {key}, which nobody asked for" for key in outcomes.keys() - asked]
    broken += [
        f"A caller was told that {key} succeeded, and the journal says {outcomes.get(key)}"
        for key in sorted(succeeded)
        if outcomes.get(key) != "SUCCEEDED"
    ]
    counts = Counter(outcomes.values())
    least = counts["SUCCEEDED"]
    if not least <= done <= least + counts["UNKNOWN"] + counts["PENDING"]:
        broken.append(f"The vendor was told {done} retries, and the journal has {dict(counts)}")
    return broken


def main() -> bool:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.soak", description=(__doc__ or "").partition("\n\n")[2]
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--rate",
        type=float,
        default=12.0,
        help="requests per second; two cores can't answer many more in time while replicas start,"
        " for each process needs a core for seconds",
    )
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="of each replica")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="that each fault lasts")
    parser.add_argument("--rest", type=float, default=6.0, help="seconds before a measurement")
    options = vars(parser.parse_args())
    try:
        with started(options.pop("replicas"), options.pop("workers")) as site:
            outcome, text = asyncio.run(soak(site, **options))
    except MissingError as error:
        parser.exit(2, f"{error}\n")
    print(text)
    return outcome.is_good


if __name__ == "__main__":
    sys.exit(not main())
