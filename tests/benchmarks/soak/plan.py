"""The plan: what fails and restarts, when, and which requests that may cost."""

from __future__ import annotations

import asyncio
import fnmatch
import functools
import itertools
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.benchmarks.soak.site import SOURCES, Site
from tests.replicas.cluster import Replica
from tests.web.test_workers import PATIENCE, until

FAULTS: dict[str, dict[str, object]] = {
    "slow vendor": {"kind": "latency", "seconds": 1.0},
    "vendor answers 503": {"kind": "status", "status": 503},
    "vendor answers 429": {"kind": "rate-limit", "retry_after": 1},
    "vendor answers HTML": {"kind": "html"},
    "vendor cuts connections": {"kind": "reset"},
}
"""Faults of the simulated vendors, by the name of the phase."""
VENDOR = (
    *("UPSTREAM_*", "ALL_SOURCES_FAILED", "OUTCOME_UNKNOWN"),
    *("not complete", "no request", "no event", "logs left out"),
)
"""What a failing vendor may cause, for its own source only."""
RECOVERY = 10.0
"""Seconds after a vendor is well again until breakers have noticed, which try every five, and what
was cached meanwhile has expired."""
LONG = 3 * PATIENCE
"""Seconds until a changed configuration must be in force."""
KILLED = ("connection: *", "status: 502", "*: OUTCOME_UNKNOWN")
"""What may come of a request that a killed worker was executing."""


class StuckError(Exception):
    """A phase did not come to its end."""


class Phase(NamedTuple):
    """A phase of the plan; ``may_cause`` are patterns of failures, also ``grace`` seconds later."""

    name: str
    act: Callable[[], Awaitable[None]]
    may_cause: tuple[str, ...] = ()
    grace: float = 0.0


class Span(NamedTuple):
    """When a phase was, on the clock of ``time.monotonic``.

    ``busy`` is the part of all processors' time that was used meanwhile, by whichever process.
    """

    phase: Phase
    cycle: int
    start: float
    end: float = float("inf")
    busy: float = 0.0


class Plan:
    """The phases of each cycle, in an order that the seed decides.

    Unless ``everything`` restarts, the processes of the first replica are left alone, so that they
    show whether they grow. ``seconds`` is how long a fault lasts.
    """

    def __init__(self, site: Site, seed: int, seconds: float) -> None:
        self.spans: list[Span] = []
        self._site = site
        self._chance = random.Random(seed)
        self._seconds = seconds
        self._markers = itertools.count(1)
        self._reloads_in_place = False

    def causes(self, what: str, since: float, until: float) -> str | None:
        """Return the phase that may cause a failure of a request that was sent and failed then.

        Sources may fail for different phases, of which it is the one of the last source.
        """
        cause = None
        for part in what.split("; "):
            sources, _, code = part.partition(": ")
            for source in sources.split("+"):
                failure = f"{source}: {code}" if code else part
                if (cause := self._cause(failure, since, until)) is None:
                    return None
        return cause

    def _cause(self, failure: str, since: float, until: float) -> str | None:
        for span in reversed(self.spans):
            if span.start > until or span.end + span.phase.grace < since:
                continue
            if any(fnmatch.fnmatchcase(failure, one) for one in span.phase.may_cause):
                return span.phase.name
        return None

    def at(self, moment: float) -> str:
        """Return the name of the phase at a moment."""
        for span in self.spans:
            if span.start <= moment < span.end:
                return span.phase.name
        return "between phases"

    async def run(self, cycle: int, *, everything: bool) -> None:
        """Run the phases of a cycle."""
        phases = list(self._phases(cycle, everything))
        self._chance.shuffle(phases)
        for phase in phases:
            await self._run(phase, cycle)

    async def rush(self, cycle: int, seconds: float) -> None:
        """Let one vendor after the other be slow, each for some seconds.

        A request that waits for it has read the logs of the others, so that this takes the most
        memory.
        """

        for source in SOURCES:
            act = functools.partial(self._fault, source, FAULTS["slow vendor"], seconds)
            patterns = tuple(f"{source}: {code}" for code in VENDOR)
            await self._run(Phase("rush", act, patterns, RECOVERY), cycle)

    async def _run(self, phase: Phase, cycle: int) -> None:
        now, before = time.monotonic(), _processors()
        self.spans.append(Span(phase, cycle, now))
        print(f"{now - self.spans[0].start:.0f} s, cycle {cycle}: {phase.name}", file=sys.stderr)
        try:
            await phase.act()
        except (AssertionError, TimeoutError, httpx.TransportError) as error:
            said = [line for replica in self._site.replicas for line in replica.log[-5:]]
            raise StuckError(f"{phase.name}: {error!r}; {said}") from error
        finally:
            used, whole = (late - early for late, early in zip(_processors(), before, strict=True))
            busy = used / whole if whole else 0.0
            self.spans[-1] = self.spans[-1]._replace(end=time.monotonic(), busy=busy)

    def _phases(self, cycle: int, everything: bool) -> Iterator[Phase]:
        yield Phase("nothing", self._wait)
        for name, fault in FAULTS.items():
            source = self._chance.choice(list(SOURCES))
            patterns = tuple(f"{source}: {code}" for code in VENDOR)
            act = functools.partial(self._fault, source, fault)
            yield Phase(name, act, patterns, RECOVERY)
        yield Phase("Redis is killed", self._kill_redis)
        yield Phase("PostgreSQL is killed", self._kill_postgres, ("*: JOURNAL_UNAVAILABLE",), 2.0)
        replicas = self._site.replicas[0 if everything else 1 :]
        # They take the longest, and come in turn after the first cycle.
        if cycle == 1 or cycle % 2:
            yield Phase("replicas restart", lambda: self._restart(replicas))
        if cycle == 1 or not cycle % 2:
            yield Phase("SIGHUP, nothing changed", lambda: self._hang_up(replicas))
        yield Phase("SIGHUP, configuration changed", lambda: self._change(everything))
        yield Phase("SIGHUP, configuration refused", self._refuse)
        victims = replicas or self._site.replicas
        yield Phase("worker is killed", lambda: self._kill_worker(victims), KILLED, 2.0)

    async def _wait(self) -> None:
        await asyncio.sleep(self._seconds)

    async def _fault(
        self, source: str, fault: dict[str, object], seconds: float | None = None
    ) -> None:
        url = f"{self._site.vendor}/control/faults/{SOURCES[source]}"
        async with httpx.AsyncClient() as http:
            (await http.put(url, json=fault)).raise_for_status()
            await asyncio.sleep(self._seconds if seconds is None else seconds)
            (await http.delete(url)).raise_for_status()

    async def _kill_redis(self) -> None:
        self._site.redis.kill()
        await self._wait()
        await asyncio.to_thread(self._site.redis.restart)

    async def _kill_postgres(self) -> None:
        await asyncio.to_thread(self._site.postgres.kill)
        await self._wait()
        await asyncio.to_thread(self._site.postgres.restart)

    async def _restart(self, replicas: list[Replica]) -> None:
        for replica in replicas:
            await asyncio.to_thread(replica.stop)
            replica.launch()
            await asyncio.to_thread(replica.wait)

    async def _hang_up(self, replicas: list[Replica]) -> None:
        for replica in replicas:
            await asyncio.to_thread(replica.hang_up)

    async def _change(self, everything: bool) -> None:
        """Change the name of a caller, until all workers know it."""
        name = f"marker-{next(self._markers)}"
        self._site.configure(name)
        first, *others = self._site.replicas
        workers = first.workers()
        # If that replaces workers, the first replica would never have any that grow old.
        changed = others if not everything and not self._reloads_in_place else [first, *others]
        for replica in changed:
            replica.send_signal(signal.SIGHUP)
            await self._known_as(name, replica)
        self._reloads_in_place |= first in changed and first.workers() == workers

    async def _known_as(self, name: str, replica: Replica) -> None:
        """Wait until each worker, as far as chance tells, has the new configuration."""
        headers = {"Authorization": f"Bearer {self._site.marker}"}
        url, seen = f"http://127.0.0.1:{replica.port}/graphql", 0
        async with asyncio.timeout(LONG):
            while seen < 5 * len(replica.workers()):
                async with httpx.AsyncClient(headers=headers, timeout=PATIENCE) as http:
                    answer = await http.post(url, json={"query": "{ viewer { name } }"})
                seen = seen + 1 if answer.json()["data"]["viewer"]["name"] == name else 0
                await asyncio.sleep(0.05)

    async def _refuse(self) -> None:
        """Offer a configuration with a mistake; it has to be refused, and no worker to end."""
        text = self._site.file.read_text()
        self._site.spoil()
        try:
            for replica in self._site.replicas:
                workers, said = replica.workers(), len(replica.log)
                replica.send_signal(signal.SIGHUP)
                await asyncio.to_thread(
                    until,
                    lambda: any("first_page" in line for line in replica.log[said:]),  # noqa: B023
                )
                assert replica.workers() == workers, "workers have ended"
        finally:
            self._site.file.write_text(text)

    async def _kill_worker(self, replicas: list[Replica]) -> None:
        replica = self._chance.choice(replicas)
        old = replica.workers()
        victim = self._chance.choice(old)
        os.kill(victim, signal.SIGKILL)
        await asyncio.to_thread(
            until, lambda: victim not in replica.workers() and len(replica.workers()) == len(old)
        )
        await self._wait()


def _processors() -> tuple[float, float]:
    """Return the time that all processors were busy, and that there was, in ticks; see proc(5)."""
    first, _, _ = Path("/proc/stat").read_text().partition("\n")
    times = [float(time) for time in first.split()[1:9]]
    return sum(times) - sum(times[3:5]), sum(times)
