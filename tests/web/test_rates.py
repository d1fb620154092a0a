"""Rate limit and concurrency limit."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from gateway.callers import ANONYMOUS, Caller, Method
from gateway.cli.demo_configuration import write_configuration
from gateway.config import Limit, LimitSettings
from gateway.events import Events, LimitMet
from gateway.limits import Limits
from gateway.sandbox import Sandbox
from gateway.settings import load
from gateway.web import concurrency as places
from gateway.web.app import create_app
from gateway.web.concurrency import ConcurrencyLimit, OverloadedError
from gateway.web.rates import MemoryStore, RateLimitedError, RateLimiter, SharedStore
from tests.web.test_view import DATA, JSON, LOCAL, QUERY, client_of, made_app, post, sentence

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.support.redis import Redis

ALICE, BOB = (Caller(name, Method.API_KEYS, ()) for name in ("alice", "bob"))


def limits(**settings: Limit) -> Limits:
    return Limits(LimitSettings(**settings))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# Rate limit


async def test_event_names_the_caller_of_too_many_requests() -> None:
    """Whoever watches the limit wants to talk to somebody."""
    told: list[LimitMet] = []
    events = Events()
    events.subscribe(LimitMet, told.append)
    held = Limits(LimitSettings(rate=Limit(1, "warn")), events=events)
    limiter = RateLimiter(held, MemoryStore(Clock()))
    for caller in (ALICE, ANONYMOUS):
        await limiter.headers(caller, "192.0.2.1")
        assert told == []
        await limiter.headers(caller, "192.0.2.1")
        assert told.pop().caller == f"{caller.method.value}:{caller.name}"


async def test_bucket_refills_evenly() -> None:
    clock = Clock()
    memory = MemoryStore(clock)
    assert [await memory.take("a", 6) for _ in range(8)] == [5, 4, 3, 2, 1, 0, -1, -1]
    clock.now += 5
    assert await memory.take("a", 6) == -0.5
    clock.now += 5
    assert await memory.take("a", 6) == 0
    clock.now += 3600
    assert await memory.take("a", 6) == 5
    assert await memory.take("b", 6) == 5


async def test_number_of_remembered_callers_is_limited() -> None:
    memory = MemoryStore(Clock(), callers=2)
    for caller in "aab":
        await memory.take(caller, 10)
    assert await memory.take("a", 10) == 7
    assert await memory.take("c", 10) == 9  # b has been idle the longest
    assert await memory.take("a", 10) == 6
    assert await memory.take("b", 10) == 9
    assert len(memory._left) == 2


async def test_headers_hold_the_rest_and_the_wait() -> None:
    rates = RateLimiter(held := limits(rate=Limit(3)), MemoryStore(clock := Clock()))
    policy = {"RateLimit-Policy": '"requests";q=3;w=60'}
    for left, seconds in ((2, 20), (1, 40), (0, 60)):
        told = {"RateLimit": f'"requests";r={left};t={seconds}'}
        assert await rates.headers(ALICE, "") == {**policy, **told}
    clock.now += 10
    with pytest.raises(RateLimitedError, match=r"Wait 10 seconds\.$") as caught:
        await rates.headers(ALICE, "")
    assert caught.value.headers == {
        **policy,
        "RateLimit": '"requests";r=0;t=60',
        "Retry-After": "10",
    }
    assert held.exceeded == {"rate": 1}
    clock.now += 10
    assert (await rates.headers(ALICE, ""))["RateLimit"].startswith('"requests";r=0;')


async def test_callers_are_counted_separately() -> None:
    rates = RateLimiter(limits(rate=Limit(1)), MemoryStore(Clock()))
    token = Caller("alice", Method.JWT, ())
    for caller, address in [
        (ALICE, "192.0.2.1"),
        (BOB, "192.0.2.1"),
        (token, "192.0.2.1"),
        (ANONYMOUS, "192.0.2.1"),
        (ANONYMOUS, "192.0.2.2"),
        (ANONYMOUS, "2001:db8::1"),
    ]:
        assert await rates.headers(caller, address)
    for caller, address in [(ALICE, "192.0.2.9"), (ANONYMOUS, "2001:db8::2")]:
        with pytest.raises(RateLimitedError):
            await rates.headers(caller, address)


async def test_rate_limit_has_modes_warn_and_off() -> None:
    rates = RateLimiter(held := limits(rate=Limit(1, "warn")), MemoryStore(Clock()))
    for _ in range(3):
        assert "RateLimit" in await rates.headers(ALICE, "")
    assert held.exceeded == {"rate": 2}
    rates = RateLimiter(held := limits(rate=Limit(1, "off")), MemoryStore(Clock()))
    assert [await rates.headers(ALICE, "") for _ in range(3)] == [{}, {}, {}]
    assert held.exceeded == {}


async def test_rate_limit_over_http() -> None:
    async with client_of(made_app(limits={"rate": 2})) as client:
        good = await client.post("/graphql", json={"query": QUERY})
        assert good.json() == DATA
        assert good.headers["ratelimit-policy"] == '"requests";q=2;w=60'
        assert good.headers["ratelimit"].startswith('"requests";r=1;t=')
        refused = await post(client, b"{")
        assert refused.status_code == 400
        assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
        late = await client.post("/graphql", json={"query": QUERY})
        assert sentence(late, 429, "RATE_LIMITED").startswith("That is more than is taken from")
        assert 0 < int(late.headers["retry-after"]) <= 30
        # Health checks and the explorer's page do not count.
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/graphql", headers={"accept": "text/html"})).status_code == 200


class Replicas:
    """A shared store that can fail."""

    def __init__(self) -> None:
        self.there = True
        self.counted = MemoryStore(Clock())

    async def take(self, name: str, most: int, seconds: int) -> float | None:
        assert seconds == 60
        return await self.counted.take(name, most) if self.there else None


async def test_replicas_count_alone_while_the_shared_store_fails() -> None:
    replicas = Replicas()
    rates = [RateLimiter(limits(rate=Limit(2)), SharedStore(replicas.take)) for _ in range(2)]
    for one in rates:
        await one.headers(ALICE, "")
    for one in rates:
        with pytest.raises(RateLimitedError):
            await one.headers(ALICE, "")
    replicas.there = False
    for one in rates * 2:
        await one.headers(ALICE, "")
    for one in rates:
        with pytest.raises(RateLimitedError):
            await one.headers(ALICE, "")
    replicas.there = True
    with pytest.raises(RateLimitedError):
        await rates[0].headers(ALICE, "")


@pytest.mark.slow
async def test_replicas_share_the_rate_limit_through_redis(redis: Redis, tmp_path: Path) -> None:
    redis.flush()
    file = write_configuration(tmp_path, Sandbox(logs=1), LOCAL, port=0)
    tables = f'\n[cache]\nurl = "{redis.url}"\n\n[limits]\nrate = 3\n'
    file.write_text(file.read_text(encoding="utf-8") + tables, encoding="utf-8")
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            app = create_app(load(file, {}))
            await stack.enter_async_context(app.router.lifespan_context(app))
            clients.append(await stack.enter_async_context(client_of(app)))
        statuses = [
            (await client.post("/graphql", json={"query": QUERY})).status_code
            for client in clients * 3
        ]
        assert statuses == [200, 200, 200, 429, 429, 429]


# Concurrency limit


class Work:
    """Operations that end on demand."""

    def __init__(self, places: ConcurrencyLimit) -> None:
        self._places = places
        self.running = 0
        self.end = asyncio.Event()

    async def run(self) -> str:
        try:
            release = await self._places.take()
        except OverloadedError:
            return "refused"
        self.running += 1
        try:
            await self.end.wait()
        finally:
            self.running -= 1
            release()
        return "done"


async def settled(tasks: list[asyncio.Task[Any]]) -> None:
    """Let the tasks run until all of them wait."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert tasks


async def test_queue_is_as_long_as_the_limit() -> None:
    work = Work(ConcurrencyLimit(held := limits(operations=Limit(2))))
    tasks = [asyncio.create_task(work.run()) for _ in range(7)]
    await settled(tasks)
    assert work.running == 2
    assert [task.result() for task in tasks if task.done()] == ["refused"] * 3
    work.end.set()
    assert [await task for task in tasks] == ["done"] * 4 + ["refused"] * 3
    assert held.exceeded == {"operations": 3}
    assert await work.run() == "done"


async def test_queued_operation_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_WAIT", 0.01)
    work = Work(ConcurrencyLimit(limits(operations=Limit(1))))
    first = asyncio.create_task(work.run())
    await settled([first])
    assert await work.run() == "refused"
    work.end.set()
    assert await first == "done"
    assert await work.run() == "done"


async def test_cancelled_operation_frees_its_slot() -> None:
    work = Work(ConcurrencyLimit(limits(operations=Limit(1))))
    tasks = [asyncio.create_task(work.run()) for _ in range(2)]
    await settled(tasks)
    for task in tasks:
        task.cancel()
    assert await asyncio.gather(*tasks, return_exceptions=True)
    work.end.set()
    assert await work.run() == "done"


@pytest.mark.parametrize("mode", ["warn", "off"])
async def test_concurrency_limit_has_modes_warn_and_off(mode: Any) -> None:
    work = Work(ConcurrencyLimit(held := limits(operations=Limit(1, mode))))
    tasks = [asyncio.create_task(work.run()) for _ in range(3)]
    await settled(tasks)
    assert work.running == 3
    assert held.exceeded == ({"operations": 2} if mode == "warn" else {})
    work.end.set()
    assert [await task for task in tasks] == ["done"] * 3


async def test_overload_is_reported_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_WAIT", 0.01)
    begun, end = asyncio.Event(), asyncio.Event()

    async def wait(_: httpx.Request) -> httpx.Response:
        begun.set()
        await end.wait()
        return httpx.Response(403)

    async with client_of(made_app(limits={"operations": 1}, answer=wait)) as client:
        query = {"query": "{ webhookLogs { nodes { id } } }"}
        first = asyncio.create_task(client.post("/graphql", json=query))
        await begun.wait()
        late = await client.post("/graphql", json={"query": QUERY})
        assert "busy" in sentence(late, 503, "OVERLOADED")
        assert late.headers["retry-after"] == "1"
        end.set()
        assert (await first).headers["content-type"].startswith(JSON)
        assert (await client.post("/graphql", json={"query": QUERY})).json() == DATA
