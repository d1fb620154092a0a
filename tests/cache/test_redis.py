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
from gateway.cache.wait_budget import TICK
from gateway.errors import ConfigurationError, ErrorCode
from gateway.model import CacheStatus, Timestamp
from tests.cache.vendor import SECOND, Clock, Vendor, settle

if TYPE_CHECKING:
    from tests.support.redis import Redis

HIT, MISS = CacheStatus.HIT, CacheStatus.MISS


async def ask(cache: Cache, vendor: Vendor) -> tuple[int, CacheStatus]:
    kept = await cache.get("key", int, vendor)
    return kept.value, kept.freshness.status


async def test_replicas_share_entries_and_evictions(replicas: list[Cache], vendor: Vendor) -> None:
    one, other = replicas
    assert await ask(one, vendor) == (1, MISS)
    assert await ask(other, vendor) == (1, HIT)
    assert await other.evict(["source:it"]) == 1
    assert await ask(one, vendor) == (2, MISS)


async def test_replicas_share_one_call(replicas: list[Cache], vendor: Vendor) -> None:
    vendor.answers.clear()
    callers = [asyncio.create_task(ask(cache, vendor)) for cache in replicas * 100]
    while not vendor.asked:
        await settle()
    vendor.answers.set()
    assert {value for value, _ in await asyncio.gather(*callers)} == {1}
    assert vendor.asked == 1


async def test_not_before_excludes_earlier_requests_of_a_replica(
    server: Redis, clock: Clock[int], vendor: Vendor
) -> None:
    """Nor does it retry endlessly if that replica's clock is ahead."""
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


async def test_replica_with_a_fast_clock_does_not_extend_freshness(
    server: Redis, clock: Clock[int], vendor: Vendor
) -> None:
    """If the replicas replace each other's entries, there is at most one call per read."""
    clocks = (clock, lambda: clock() + 3600 * SECOND)
    one, ahead = (
        Cache(make_store(server.url, max_entries=1, max_bytes=1, clock=clock), clock)
        for clock in clocks
    )
    assert await ask(ahead, vendor) == (1, MISS)
    assert [await ask(one, vendor) for _ in range(2)] == [(2, MISS), (2, HIT)]
    assert [await ask(ahead, vendor) for _ in range(2)] == [(3, MISS), (3, HIT)]
    # A replica does not keep waiting for an answer that it will reject.
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


async def test_failing_leader_is_followed_by_the_next(
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
    # Each replica tried once, one after the other.
    assert vendor.asked == 2


async def test_eviction_by_another_replica_affects_loads_in_flight(
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


@pytest.mark.slow
async def test_lease_is_extended_for_a_slow_vendor_and_expires_with_its_process(
    server: Redis, replicas: list[Cache], vendor: Vendor, clock: Clock[int]
) -> None:
    vendor.answers.clear()
    slow = asyncio.create_task(ask(replicas[0], vendor))
    while not vendor.asked:
        await settle()
    with server.client() as client:
        (lease,) = client.keys(TAKEN + "key@*")
        assert 0 < client.pttl(lease) <= LEASE * 1000
        # As if the lease had almost expired.
        client.pexpire(lease, 800)
        while client.pttl(lease) <= 800:
            await settle()
    vendor.answers.set()
    assert await slow == (1, MISS)
    with server.client() as client:
        assert not client.exists(lease)
        # The lease of a dead process expires by itself.
        client.set(lease.replace(b"key", b"other"), "someone", px=30)
    assert (await replicas[0].get("other", int, Vendor(clock))).value == 1


async def test_entries_expire_and_tags_are_cleaned_up(
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


async def test_undecodable_entry_is_loaded_again(
    server: Redis, replicas: list[Cache], vendor: Vendor
) -> None:
    await ask(replicas[0], vendor)
    with server.client() as client:
        client.set(ENTRY + "key", b"0" * 16 + b'{"value": "text"}')
    assert await ask(replicas[0], vendor) == (2, MISS)
    assert (await replicas[0].state()).store_failures > 0


@pytest.mark.slow
async def test_vendor_is_called_while_redis_is_down(
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
        # Concurrent callers still share a call.
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
async def test_clock_set_back_does_not_prolong_the_pause_after_a_failure(
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


async def test_pending_evictions_are_applied_before_any_read(
    server: Redis, replicas: list[Cache], vendor: Vendor, clock: Clock[int]
) -> None:
    cache = replicas[0]
    await ask(cache, vendor)
    with server.paused():
        assert await cache.evict(["source:it"]) == 0
        assert await ask(cache, vendor) == (2, MISS)
    # During the pause after a failure, its entries must not be used.
    assert await ask(cache, vendor) == (3, MISS)
    clock.seconds += 2
    assert await ask(cache, vendor) == (4, MISS)
    assert await ask(cache, vendor) == (4, HIT)


@pytest.mark.slow
async def test_pending_evictions_are_applied_without_any_read(
    server: Redis, replicas: list[Cache], vendor: Vendor, clock: Clock[int]
) -> None:
    """Another process would go on to use the entry."""
    one, other = replicas
    server.kill()
    try:
        assert await one.evict(["source:it"]) == 0
    finally:
        server.restart()
    assert await ask(other, vendor) == (1, MISS)
    clock.seconds += 2
    while await ask(other, vendor) == (1, HIT):
        await settle()
    assert await ask(other, vendor) == (2, HIT)


@pytest.mark.slow
async def test_load_from_before_a_pending_eviction_is_not_stored(
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


async def test_slow_redis_is_bypassed(server: Redis, replicas: list[Cache], vendor: Vendor) -> None:
    cache = replicas[0]
    await ask(cache, vendor)
    with server.paused():
        for asked in range(2, 30):
            assert await ask(cache, vendor) == (asked, MISS)
    assert (await cache.state()).store_failures >= 28


@pytest.mark.slow
async def test_calls_that_fail_together_do_not_cancel_one_another(
    server: Redis, clock: Clock[int]
) -> None:
    """They drop the same idle connections, which here can't be closed before they are flushed."""
    store = RedisStore(server.url, clock=clock)
    await asyncio.gather(*(store.lease(f"key {number}") for number in range(3)))
    idle = store._redis.connection_pool._available_connections
    assert len(idle) == 3
    with server.paused():
        for connection in idle:
            connection._writer.write(b" " * 10_000_000)
        calls = [asyncio.create_task(store.lease("another key"))]
        await asyncio.sleep(TICK / 2)
        calls.append(asyncio.create_task(store.lease("and another")))
        leases = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(lease, Lease) for lease in leases), leases
    assert not store.available
    await store.close()


@pytest.mark.slow
async def test_redis_that_hangs_does_not_hinder_a_close(server: Redis, clock: Clock[int]) -> None:
    store = RedisStore(server.url, clock=clock)
    await store.lease("key")
    (idle,) = store._redis.connection_pool._available_connections
    writer = idle._writer
    with server.paused():
        writer.write(b" " * 10_000_000)
        await store.close()
    writer.transport.abort()
    await settle()


async def test_call_that_is_cancelled_while_it_is_sent_ends(
    server: Redis, clock: Clock[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it went on, the deadline of its operation would have no effect."""
    store = RedisStore(server.url, clock=clock)
    await store.take("name", 1, 1)
    drain = asyncio.StreamWriter.drain

    async def drain_late(writer: asyncio.StreamWriter) -> None:
        await drain(writer)
        call.cancel()

    with monkeypatch.context() as late:
        late.setattr(asyncio.StreamWriter, "drain", drain_late)
        call = asyncio.create_task(store.take("name", 1, 1))
        with pytest.raises(asyncio.CancelledError):
            await call
    await store.close()


async def test_one_call_probes_redis_and_the_others_do_not_wait(
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
        """Start many calls one after the other."""
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


async def test_full_redis_stores_nothing_but_still_evicts(
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


async def test_repeated_lack_of_memory_is_logged_once(
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


# The shared rate limit


async def take(cache: Cache, name: str = "alice", most: int = 3) -> float:
    left = await cache.take(name, most, 60)
    assert left is not None
    return left


async def test_replicas_share_a_bucket(replicas: list[Cache]) -> None:
    one, other = replicas
    left = [await take(cache) for cache in (one, other, one, other, one)]
    assert [math.floor(each) for each in left] == [2, 1, 0, -1, -1]
    assert await take(other, "bob") == 2
    assert await take(other, "carol", 1) == 0


async def test_bucket_refills_evenly(server: Redis, replicas: list[Cache]) -> None:
    await take(replicas[0])
    with server.client() as client:
        (key,) = client.keys(RATE + "*")
        assert b"alice" not in key
        assert 0 < client.pttl(key) <= 20_000  # after that the bucket is full again
        seconds, microseconds = client.time()
        for later, left in ((30, 0.5), (50, -0.5), (0, 2), (-30, 2)):
            client.set(key, (seconds + later) * 10**6 + microseconds, keepttl=True)
            assert await take(replicas[0]) == pytest.approx(left, abs=0.1)
        # As if Redis's clock had been set back.
        client.set(key, (seconds + 3600) * 10**6, keepttl=True)
        assert await take(replicas[0]) == -1


@pytest.mark.slow
async def test_uses_left_are_unknown_without_redis(
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
    assert math.floor(await take(replicas[0])) in {0, 1}  # the previous command may have arrived
    server.limit_memory(1)
    try:
        assert await replicas[0].take("bob", 3, 60) is None
    finally:
        server.limit_memory(0)
    assert await take(replicas[0], "bob") == 2


async def test_url_holds_all_connection_settings(clock: Clock[int]) -> None:
    url = "rediss://user:pass%40word@example.test:7000/3"
    store = RedisStore(url, clock=clock)
    known = store._redis.connection_pool.connection_kwargs
    told = {name: known[name] for name in ("host", "port", "db", "username", "password")}
    assert told == {name: value for name, value in parse_url(url).items() if name in told}
    assert told["password"] == "pass@word"
    assert "SSL" in store._redis.connection_pool.connection_class.__name__
    await store.close()


async def test_missing_package_is_reported_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, clock: Clock[int]
) -> None:
    monkeypatch.setitem(sys.modules, "gateway.cache.redis", None)
    with pytest.raises(ConfigurationError, match=r"the extra redis, as in webhook-log-gateway"):
        make_store("redis://127.0.0.1", max_entries=1, max_bytes=1, clock=clock)
