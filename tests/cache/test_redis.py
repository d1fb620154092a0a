from __future__ import annotations

import asyncio
import logging
import math
import sys
from typing import TYPE_CHECKING

import pytest
from redis.asyncio.connection import parse_url
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.cache import Cache, FreshnessRequirement, make_store
from gateway.cache.redis import RedisStore
from gateway.cache.scripts import ENTRY, LEASE, RATE, TAG, TAKEN
from gateway.cache.store import Lease
from gateway.errors import ConfigurationError, ErrorCode
from gateway.model import CacheStatus, Timestamp
from tests.cache.vendor import SECOND, Clock, Vendor, settle

if TYPE_CHECKING:
    from tests.support.redis import Redis

HIT, MISS = CacheStatus.HIT, CacheStatus.MISS


async def ask(cache: Cache, vendor: Vendor) -> tuple[int, CacheStatus]:
    kept = await cache.get("key", int, vendor)
    return kept.value, kept.freshness.status


async def test_replicas_see_the_same(replicas: list[Cache], vendor: Vendor) -> None:
    one, other = replicas
    assert await ask(one, vendor) == (1, MISS)
    assert await ask(other, vendor) == (1, HIT)
    assert await other.evict(["source:it"]) == 1
    assert await ask(one, vendor) == (2, MISS)


async def test_replicas_make_one_call(replicas: list[Cache], vendor: Vendor) -> None:
    vendor.answers.clear()
    callers = [asyncio.create_task(ask(cache, vendor)) for cache in replicas * 100]
    while not vendor.asked:
        await settle()
    vendor.answers.set()
    assert {value for value, _ in await asyncio.gather(*callers)} == {1}
    assert vendor.asked == 1


async def test_not_before_does_not_take_what_a_replica_asked_for_before(
    server: Redis, clock: Clock[int], vendor: Vendor
) -> None:
    """Nor does it look for it again and again, where that replica's clock is ahead."""
    clocks = (clock, lambda: clock() - SECOND)
    one, other = (
        Cache(make_store(server.url, max_entries=1, max_bytes=1, clock=clock), clock)
        for clock in clocks
    )
    vendor.answers.clear()
    early = asyncio.create_task(one.get("key", int, vendor))
    while not vendor.asked:
        await settle()
    clock.seconds = 2
    demand = FreshnessRequirement(not_before=Timestamp(clock()))
    late = asyncio.create_task(other.get("key", int, vendor, demand))
    await settle()
    vendor.answers.set()
    async with asyncio.timeout(30):
        assert [(await early).value, (await late).value] == [1, 2]
    await one.close()
    await other.close()


async def test_a_replica_whose_clock_is_ahead_makes_nothing_fresh_for_longer(
    server: Redis, clock: Clock[int], vendor: Vendor
) -> None:
    """Where each replaces what the other kept, there is one call for each read at the most."""
    clocks = (clock, lambda: clock() + 3600 * SECOND)
    one, ahead = (
        Cache(make_store(server.url, max_entries=1, max_bytes=1, clock=clock), clock)
        for clock in clocks
    )
    assert await ask(ahead, vendor) == (1, MISS)
    assert [await ask(one, vendor) for _ in range(2)] == [(2, MISS), (2, HIT)]
    assert [await ask(ahead, vendor) for _ in range(2)] == [(3, MISS), (3, HIT)]
    # Who waits for what the other asks for does not wait for what it will not take.
    vendor.answers.clear()
    early = asyncio.create_task(ahead.get("other", int, vendor))
    while vendor.asked < 4:
        await settle()
    late = asyncio.create_task(one.get("other", int, vendor))
    await settle()
    vendor.answers.set()
    async with asyncio.timeout(30):
        assert [(await early).value, (await late).value] == [4, 5]
    await one.close()
    await ahead.close()


async def test_a_failing_leader_gives_way_to_the_next(
    replicas: list[Cache], vendor: Vendor
) -> None:
    vendor.answers.clear()
    vendor.code = ErrorCode.UPSTREAM_ERROR
    callers = [asyncio.create_task(ask(cache, vendor)) for cache in replicas * 100]
    while not vendor.asked:
        await settle()
    vendor.answers.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(result, Exception) for result in results)
    # Each replica has tried once, one after the other.
    assert vendor.asked == 2


async def test_a_drop_by_another_replica_is_heard_by_reads_under_way(
    replicas: list[Cache], vendor: Vendor
) -> None:
    one, other = replicas
    vendor.answers.clear()
    early = asyncio.create_task(ask(one, vendor))
    while not vendor.asked:
        await settle()
    await other.evict(["source:it"])
    late = asyncio.create_task(ask(one, vendor))
    await settle()
    vendor.answers.set()
    assert (await early)[0] == 1
    assert (await late)[0] == 2
    assert await ask(other, vendor) == (2, HIT)


async def test_a_lease_outlasts_a_slow_vendor_and_ends_with_its_process(
    server: Redis, replicas: list[Cache], vendor: Vendor, clock: Clock[int]
) -> None:
    vendor.answers.clear()
    slow = asyncio.create_task(ask(replicas[0], vendor))
    while not vendor.asked:
        await settle()
    with server.client() as client:
        (lease,) = client.keys(TAKEN + "key@*")
        assert 0 < client.pttl(lease) <= LEASE * 1000
        # As if most of its time had gone by.
        client.pexpire(lease, 800)
        while client.pttl(lease) <= 800:
            await settle()
    vendor.answers.set()
    assert await slow == (1, MISS)
    with server.client() as client:
        assert not client.exists(lease)
        # Left by a process that died: it ends by itself.
        client.set(lease.replace(b"key", b"other"), "someone", px=30)
    assert (await replicas[0].get("other", int, Vendor(clock))).value == 1


async def test_entries_end_and_tags_do_not_pile_up(
    server: Redis, replicas: list[Cache], vendor: Vendor
) -> None:
    for number in range(20):
        await replicas[0].get(f"key {number}", int, vendor)
    with server.client() as client:
        assert 0 < client.pttl(ENTRY + "key 0") <= 110_000
        assert client.zcard(TAG + "source:it") == 20
        assert 0 < client.pttl(TAG + "source:it") <= 110_000
        for number in range(20):
            client.zadd(TAG + "source:it", {f"key {number}": 1})
        await replicas[0].get("last", int, vendor)
        assert client.zrange(TAG + "source:it", 0, -1) == [b"last"]
        assert await replicas[0].evict(["source:it"]) == 1
        assert not client.exists(TAG + "source:it")


async def test_what_can_not_be_read_is_asked_for_anew(
    server: Redis, replicas: list[Cache], vendor: Vendor
) -> None:
    await ask(replicas[0], vendor)
    with server.client() as client:
        client.set(ENTRY + "key", b"0" * 16 + b'{"value": "text"}')
    assert await ask(replicas[0], vendor) == (2, MISS)
    assert (await replicas[0].state()).store_failures > 0


@pytest.mark.slow
async def test_without_redis_the_vendor_is_asked(
    server: Redis,
    replicas: list[Cache],
    vendor: Vendor,
    clock: Clock[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = replicas[0]
    await ask(cache, vendor)
    server.kill()
    try:
        for asked in range(2, 12):
            assert await ask(cache, vendor) == (asked, MISS)
        assert not (await cache.state()).available
        # Callers at the same time still share a call.
        vendor.answers.clear()
        callers = [asyncio.create_task(ask(cache, vendor)) for _ in range(20)]
        await settle()
        vendor.answers.set()
        assert {value for value, _ in await asyncio.gather(*callers)} == {12}
        assert (await cache.state()).store_failures > 10
        clock.seconds += 2
        assert await ask(cache, vendor) == (13, MISS)
    finally:
        server.restart()
    clock.seconds += 2
    assert await ask(cache, vendor) == (14, MISS)
    assert await ask(cache, vendor) == (14, HIT)
    assert (await cache.state()).available
    assert [record.getMessage() for record in caplog.records] == [
        "The cache's Redis is out of reach (ConnectionError). Until it is back, nothing is cached,"
        " and each process counts callers on its own.",
        "The cache's Redis is back.",
    ]


@pytest.mark.slow
async def test_a_redis_that_failed_is_not_left_alone_until_a_clock_is_as_far_again(
    server: Redis, replicas: list[Cache], vendor: Vendor, clock: Clock[int]
) -> None:
    clock.seconds = 3600
    server.kill()
    try:
        assert await ask(replicas[0], vendor) == (1, MISS)
    finally:
        server.restart()
    clock.seconds = 0
    assert [await ask(replicas[0], vendor) for _ in range(2)] == [(2, MISS), (2, HIT)]


async def test_what_could_not_be_dropped_is_dropped_before_anything_is_read(
    server: Redis, replicas: list[Cache], vendor: Vendor, clock: Clock[int]
) -> None:
    cache = replicas[0]
    await ask(cache, vendor)
    with server.paused():
        assert await cache.evict(["source:it"]) == 0
        assert await ask(cache, vendor) == (2, MISS)
    # It is left alone for a moment, in which what it has is not to be trusted.
    assert await ask(cache, vendor) == (3, MISS)
    clock.seconds += 2
    assert await ask(cache, vendor) == (4, MISS)
    assert await ask(cache, vendor) == (4, HIT)


async def test_what_was_read_before_a_drop_that_redis_missed_is_not_kept(
    server: Redis, replicas: list[Cache], vendor: Vendor, clock: Clock[int]
) -> None:
    one, other = replicas
    vendor.answers.clear()
    early = asyncio.create_task(ask(one, vendor))
    while not vendor.asked:
        await settle()
    with server.paused():
        assert await one.evict(["source:it"]) == 0
    clock.seconds += 2
    vendor.answers.set()
    assert await early == (1, MISS)
    assert await ask(other, vendor) == (2, MISS)


async def test_a_slow_redis_is_left_alone(
    server: Redis, replicas: list[Cache], vendor: Vendor
) -> None:
    cache = replicas[0]
    await ask(cache, vendor)
    with server.paused():
        for asked in range(2, 30):
            assert await ask(cache, vendor) == (asked, MISS)
    assert (await cache.state()).store_failures >= 28


async def test_one_finds_out_whether_redis_is_back_and_nobody_else_waits(
    server: Redis, clock: Clock[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisStore(server.url, clock=clock)
    asked = 0
    ends = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        nonlocal asked
        asked += 1
        await ends.wait()
        raise RedisTimeoutError

    async def use() -> list[asyncio.Task[Lease | None]]:
        """Have many come one after the other."""
        tasks = [asyncio.create_task(store.lease(f"key {number}")) for number in range(20)]
        while asked < expected:
            await settle()
        return tasks

    with monkeypatch.context() as broken:
        broken.setattr(store._redis, "evalsha", hang)
        expected = 20
        early = await use()
        ends.set()
        await asyncio.wait(early)
        assert not store.available
        ends.clear()
        clock.seconds += 2
        expected = 21
        late = await use()
        ends.set()
        await asyncio.wait(late)
        assert asked == 21
    clock.seconds += 2
    await store.lease("key")
    assert store.available
    await store.close()


async def test_a_full_redis_keeps_nothing_and_still_drops(
    server: Redis,
    replicas: list[Cache],
    vendor: Vendor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = replicas[0]
    await ask(cache, vendor)
    server.limit_memory(1)
    try:
        assert await ask(cache, vendor) == (1, HIT)
        assert await cache.evict(["source:it"]) == 1
        for asked in range(2, 6):
            assert await ask(cache, vendor) == (asked, MISS)
    finally:
        server.limit_memory(0)
    assert await ask(cache, vendor) == (6, MISS)
    assert await ask(cache, vendor) == (6, HIT)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("The cache's Redis refuses to store: ")
    assert (await cache.state()).available


async def test_a_redis_that_is_full_now_and_then_is_told_of_once(
    server: Redis,
    replicas: list[Cache],
    vendor: Vendor,
    clock: Clock[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = replicas[0]
    for told, waited in ((1, 0), (1, 30), (1, 30), (2, 61)):
        clock.seconds += waited
        server.limit_memory(1)
        await cache.get("key", int, vendor, FreshnessRequirement(max_age=0))
        server.limit_memory(0)
        await cache.get("key", int, vendor, FreshnessRequirement(max_age=0))
        assert len(caplog.records) == told


# How much is left to a name


async def take(cache: Cache, name: str = "alice", most: int = 3) -> float:
    left = await cache.take(name, most, 60)
    assert left is not None
    return left


async def test_replicas_take_from_the_same(replicas: list[Cache]) -> None:
    one, other = replicas
    left = [await take(cache) for cache in (one, other, one, other, one)]
    assert [math.floor(each) for each in left] == [2, 1, 0, -1, -1]
    assert await take(other, "bob") == 2
    assert await take(other, "carol", 1) == 0


async def test_what_was_taken_comes_back_evenly(server: Redis, replicas: list[Cache]) -> None:
    await take(replicas[0])
    with server.client() as client:
        (key,) = client.keys(RATE + "*")
        assert b"alice" not in key
        assert 0 < client.pttl(key) <= 20_000  # then it is as if nothing had been taken
        seconds, microseconds = client.time()
        for later, left in ((30, 0.5), (50, -0.5), (0, 2), (-30, 2)):
            client.set(key, (seconds + later) * 10**6 + microseconds, keepttl=True)
            assert await take(replicas[0]) == pytest.approx(left, abs=0.1)
        # As if the clock had been set back.
        client.set(key, (seconds + 3600) * 10**6, keepttl=True)
        assert await take(replicas[0]) == -1


async def test_nothing_is_told_of_what_is_left_without_redis(
    server: Redis, replicas: list[Cache], clock: Clock[int]
) -> None:
    await take(replicas[0])
    server.kill()
    try:
        assert [await replicas[0].take("alice", 3, 60) for _ in range(3)] == [None] * 3
    finally:
        server.restart()
    clock.seconds += 2
    assert await take(replicas[0]) == 2
    with server.paused():
        assert await replicas[0].take("alice", 3, 60) is None
    clock.seconds += 2
    assert math.floor(await take(replicas[0])) in {0, 1}  # it may have heard the one before
    server.limit_memory(1)
    try:
        assert await replicas[0].take("bob", 3, 60) is None
    finally:
        server.limit_memory(0)
    assert await take(replicas[0], "bob") == 2


async def test_the_address_tells_everything(clock: Clock[int]) -> None:
    url = "rediss://user:pass%40word@example.test:7000/3"
    store = RedisStore(url, clock=clock)
    known = store._redis.connection_pool.connection_kwargs
    told = {name: known[name] for name in ("host", "port", "db", "username", "password")}
    assert told == {name: value for name, value in parse_url(url).items() if name in told}
    assert told["password"] == "pass@word"
    assert "SSL" in store._redis.connection_pool.connection_class.__name__
    await store.close()


async def test_without_the_package_it_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, clock: Clock[int]
) -> None:
    monkeypatch.setitem(sys.modules, "gateway.cache.redis", None)
    with pytest.raises(ConfigurationError, match=r"the extra redis, as in webhook-log-gateway"):
        make_store("redis://127.0.0.1", max_entries=1, max_bytes=1, clock=clock)
