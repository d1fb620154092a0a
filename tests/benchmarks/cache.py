"""Costs and savings of the cache: run ``python -m tests.benchmarks.cache``.

Uses simulated vendors without latency over HTTP on loopback; with the memory and, if Redis is
installed, with a real Redis. Prints

- the cost of a first page of 25 logs of all sources, in the Gateway and as an HTTP response;
- the share of upstream calls that is saved for polling dashboards, on a simulated clock;
- the bounds of the memory with a million keys, and the real size of one of its megabytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvloop
from pydantic import SecretStr
from starlette.types import Message

from gateway.cache import cache as keeping
from gateway.cache.entry import Lifetime, new_entry
from gateway.cache.memory import MemoryStore
from gateway.callers import Authenticator
from gateway.cli.demo_configuration import write_configuration
from gateway.config import LimitSettings
from gateway.feed import cursor
from gateway.limits import Limits
from gateway.model import CacheStatus, Timestamp
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.service import Gateway
from gateway.settings import Settings, load
from gateway.vendors.pages import Criteria, Window
from gateway.web.view import GraphQLView
from tests.benchmarks.first_page import LIST
from tests.benchmarks.vendors import vendors
from tests.support.clock import SECOND, Clock
from tests.support.redis import find_program, running

RUNS = 50
MISSES = 15
CALLERS = 200
NOWHERE = "http://127.0.0.1:1"

Read = Callable[[Gateway], Awaitable[None]]


def settings_for(base: str, sandbox: Sandbox, **cache: Any) -> Settings:
    """Load the demo's configuration with another cache."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load(write_configuration(Path(folder), sandbox, base, port=0), {})
    return settings.model_copy(update={"cache": settings.cache.model_copy(update=cache)})


async def renewed(gateway: Gateway) -> None:
    """Wait for background refreshes."""
    while tasks := gateway._cache._flights._tasks:
        await asyncio.wait(tasks)
        await asyncio.sleep(0)


# Costs


async def logs(gateway: Gateway) -> None:
    page = await gateway.logs(gateway.operation(), first=25)
    assert not any(report.error for report in page.slice.reports)


def http(gateway: Gateway) -> Read:
    """Return a client that calls the endpoint without a network."""
    limits = Limits(LimitSettings.model_validate({"rate": "off", "operations": "off"}))
    view = GraphQLView(build_schema(), gateway, Authenticator(gateway.settings.auth), limits)
    body = msgspec.json.encode({"query": LIST, "variables": {"first": 25}})
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"accept", b"application/json")],
        "client": ("127.0.0.1", 1),
    }

    async def read(_: Gateway) -> None:
        sent: list[Message] = []
        asked: Iterator[Message] = iter([{"type": "http.request", "body": body}])

        async def receive() -> Message:
            for message in asked:
                return message
            stays: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            return await stays

        async def send(message: Message) -> None:
            sent.append(message)

        await view(dict(scope), receive, send)
        assert sent[0]["status"] == 200
        assert b'"errors"' not in sent[1]["body"][:20]

    return read


async def cost(settings: Settings, name: str) -> None:
    clock = Clock(time.time_ns())
    async with Gateway(settings, clock=clock) as gateway:
        counts = gateway._cache.counts
        tags = [f"source:{source}" for source in gateway.sources]

        async def one(read: Read, prepare: Callable[[], Awaitable[None]]) -> float:
            await prepare()
            began = time.perf_counter()
            await read(gateway)
            took = (time.perf_counter() - began) * 1000
            await renewed(gateway)
            return took

        async def nothing() -> None:
            """Do nothing, so that everything stays fresh."""

        async def older() -> None:
            clock.now += round((gateway.settings.cache.first_page + 1) * SECOND)

        async def dropped() -> None:
            await gateway.invalidate(tags)

        async def crowd(read: Read) -> None:
            await asyncio.gather(*(read(gateway) for _ in range(CALLERS)))

        for level, read in (("Gateway.logs", logs), ("HTTP answer", http(gateway))):
            await one(read, dropped)
            counts.clear()
            hit = statistics.median([await one(read, nothing) for _ in range(RUNS)])
            assert counts["hits"] == sum(counts.values()), counts
            counts.clear()
            stale = statistics.median([await one(read, older) for _ in range(RUNS)])
            assert counts["stale"] >= RUNS, counts
            miss = statistics.median([await one(read, dropped) for _ in range(MISSES)])
            counts.clear()
            await one(read, dropped)
            alone = counts["loads"]
            counts.clear()
            together = await one(lambda _, read=read: crowd(read), dropped)  # type: ignore[misc]
            print(
                f"{name:7} {level:13} {hit:7.2f} {stale:7.2f} {miss:7.1f}"
                f"   1 : {stale / hit:.2f} : {miss / hit:4.1f}"
                f" {together / CALLERS:10.2f} {counts['loads']:6}/{alone}"
            )


async def costs(url: str) -> None:
    print(f"{'ms (medians)':21} {'hit':>7} {'stale':>7} {'miss':>7}   hit : stale : miss", end="")
    print(f"  each of {CALLERS}  calls/alone")
    sandbox = Sandbox(logs=100)
    await cost(settings_for(url, sandbox), "memory")
    program = find_program()
    if program is None:
        print("redis   is not installed")
        return
    with running(program) as redis:
        await cost(settings_for(url, sandbox, url=SecretStr(redis.url)), "redis")


# Savings

DASHBOARDS = 50
POLL_SECONDS = 5.0
MINUTES = 3
ARRIVALS_PER_SECOND = 1.0
PANELS: tuple[tuple[dict[str, Any] | None, int], ...] = (
    (None, 3),
    (None, 1),
    ({"status": {"eq": "FAILED"}}, 2),
    ({"triggeredAt": {"gte": "PT24H"}}, 2),
    ({"status": {"eq": "FAILED"}, "triggeredAt": {"gte": "PT24H"}}, 1),
    ({"source": {"eq": "shop"}}, 3),
    ({"source": {"in": ["repo-cn", "tracker"]}, "triggeredAt": {"gte": "PT1H"}}, 1),
)
"""Views of the dashboards: a filter, and the number of pages."""


@contextlib.asynccontextmanager
async def desk(clock: Clock[int], **cache: Any) -> AsyncIterator[Gateway]:
    """Return a gateway with vendors in the same process and a steady flow of deliveries."""
    sandbox = Sandbox(clock=clock.unix, arrivals_per_second=ARRIVALS_PER_SECOND)
    settings = settings_for(NOWHERE, sandbox, **cache)
    transport = httpx.ASGITransport(sandbox.app)
    async with Gateway(settings, transport=transport, clock=clock) as gateway:
        yield gateway


async def watch(minutes: float, **cache: Any) -> tuple[int, Counter[CacheStatus], int]:
    """Let dashboards poll; return the calls, the outcomes of reads, and the pages."""
    clock = Clock(time.time_ns())
    draw = random.Random(7)
    # Latency is not measured here.
    keeping.REFRESH_DELAY = 0.0
    async with desk(clock, **cache) as gateway:
        begin, calls, pages = clock.now, 0, 0
        statuses: Counter[CacheStatus] = Counter()
        polls = [(draw.uniform(0, POLL_SECONDS), number) for number in range(DASHBOARDS)]
        heapq.heapify(polls)
        made = _counted(gateway)
        while (due := polls[0][0]) < minutes * 60:
            number = polls[0][1]
            clock.now = begin + round(due * SECOND)
            wanted, depth = PANELS[number % len(PANELS)]
            after = None
            for _ in range(depth):
                operation = gateway.operation()
                page = await gateway.logs(operation, first=25, after=after, wanted=wanted)
                pages += 1
                for reads in operation.reads.values():
                    statuses.update(read.status for read in reads)
                if not page.slice.has_next:
                    break
                after = cursor.encode(page.slice.end)
            await renewed(gateway)
            # Browsers poll at different times.
            heapq.heapreplace(polls, (due + POLL_SECONDS * draw.uniform(0.95, 1.05), number))
        calls = len(made)
    return calls, statuses, pages


def _counted(gateway: Gateway) -> list[str]:
    """Return a list to which the URL of each upstream call is added, except for tokens."""
    made: list[str] = []

    async def note(request: httpx.Request) -> None:
        made.append(str(request.url))

    for source in gateway.sources.values():
        source.client._http.event_hooks = {"request": [note]}
    return made


async def savings() -> None:
    print(
        f"\n{DASHBOARDS} dashboards poll every {POLL_SECONDS:g} s for {MINUTES} min,"
        f" {ARRIVALS_PER_SECOND:g} delivery/s arrives"
    )
    off = dict.fromkeys(
        ("first_page", "page", "detail", "negative", "stale_while_revalidate", "stale_if_error"),
        0.0,
    )
    calls, statuses, pages = await watch(MINUTES)
    bare, _, bare_pages = await watch(MINUTES / 10, **off)
    each, without = calls / pages, bare / bare_pages
    print(
        f"  calls a page with the cache {each:.2f}, without it {without:.2f} (hooks kept in both)"
    )
    print(f"  saved: {1 - each / without:.1%} of the upstream calls")
    total = sum(statuses.values())
    shares = (f"{status.name} {count / total:.1%}" for status, count in statuses.most_common())
    print(f"  {pages} pages of {total} reads: {', '.join(shares)}")


# Memory


def resident() -> float:
    """Return the memory of this process in MiB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def bounds(keys: int = 1_000_000) -> None:
    store = MemoryStore(max_entries=10_000, max_bytes=2**20)
    lifetime = Lifetime(5, 30, 3600)
    print(f"\nbounds: {store._max_entries} entries, {store._max_bytes} B of JSON")
    most = Counter[str]()
    began = time.perf_counter()
    for number in range(keys + 1):
        log, now = f"log:{number}", Timestamp(number)
        _, era = await store.read(str(number), str)
        entry = new_entry(
            "v" * (number % 7),
            lifetime,
            asked_at=now,
            stored_at=now,
            tags=("source:a", log),
            etags={},
        )
        await store.write(str(number), entry, era)
        if number % 50 == 0:
            await store.evict([log])
        for name in ("_sizes", "_tags", "_keys", "_dropped"):
            most[name] = max(most[name], len(getattr(store, name)))
        most["bytes"] = max(most["bytes"], store._size)
        if number and number % (keys // 5) == 0:
            usage = await store.usage()
            each = (time.perf_counter() - began) / number * 1e6
            print(
                f"  {number:9,} keys: {usage.entries} entries, {usage.size} B,"
                f" {resident():.0f} MiB resident, {each:.0f} us a key"
            )
    print("  at most: " + ", ".join(f"{name} {count}" for name, count in most.items()))
    assert most["bytes"] <= store._max_bytes
    assert most["_sizes"] == most["_tags"] <= store._max_entries


async def weight(url: str, megabytes: int = 32) -> None:
    """Store pages of simulated logs until they have the given size in MiB of JSON."""
    settings = settings_for(url, Sandbox(logs=100), max_megabytes=1000)
    print("\nwhat pages take, in MiB:    JSON  resident  times")
    whole = [0.0, 0.0]
    async with Gateway(settings) as gateway:

        async def json() -> int:
            return (await gateway._cache.state()).size or 0

        for name, source in gateway.sources.items():
            found = await source.find_streams(gateway.operation())
            before, began = resident(), await json()
            # Each key has its own copies of the logs.
            for limit, number in itertools.product(range(100, 50, -1), range(5)):
                for stream in found.streams:
                    window = Window(limit=limit, offset=number * limit)
                    await source.page(stream, window, Criteria(), gateway.operation())
                if await json() - began > megabytes / len(gateway.sources) * 2**20:
                    break
            kept, taken = (await json() - began) / 2**20, resident() - before
            whole[0] += kept
            whole[1] += taken
            print(f"  {name:22} {kept:8.1f} {taken:9.1f} {taken / kept:6.1f}")
    print(f"  {'all':22} {whole[0]:8.1f} {whole[1]:9.1f} {whole[1] / whole[0]:6.1f}")


async def main(parts: list[str]) -> None:
    with vendors() as url:
        if not parts or "weight" in parts:
            await weight(url)
        if not parts or "cost" in parts:
            await costs(url)
    if not parts or "savings" in parts:
        await savings()
    if not parts or "bounds" in parts:
        await bounds()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
