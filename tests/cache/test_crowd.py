"""Many concurrent callers do not overload Redis, nor count as its failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from gateway.cache.entry import Lifetime, new_entry
from gateway.model import Timestamp

if TYPE_CHECKING:
    from gateway.cache.redis import RedisStore
    from tests.support.redis import Redis

KEYS = [f"key {number}" for number in range(20)]
CROWD = 200


@pytest.fixture
async def store(redis: Redis) -> AsyncIterator[RedisStore]:
    from gateway.cache.redis import RedisStore  # noqa: PLC0415 - an extra

    redis.flush()
    made = RedisStore(redis.url, clock=time.time_ns)
    yield made
    await made.close()


async def keep(store: RedisStore, key: str) -> None:
    now = Timestamp(time.time_ns())
    life = Lifetime(3600, 0, 0)
    entry = new_entry(key, life, asked_at=now, stored_at=now, tags=("source:a",), etags={})
    _, era = await store.read(key, str)
    await store.write(key, entry, era)


def commands(redis: Redis, name: str) -> int:
    with redis.client() as client:
        told: dict[str, Any] = client.info("commandstats")
    return int(told.get(f"cmdstat_{name}", {"calls": 0})["calls"])


async def test_concurrent_reads_share_one_command(redis: Redis, store: RedisStore) -> None:
    for key in KEYS:
        await keep(store, key)
    before = commands(redis, "mget")
    reads = [store.read(key, str) for _ in range(CROWD) for key in (*KEYS, "nothing")]
    entries = [entry for entry, _ in await asyncio.gather(*reads)]
    assert [entry and entry.value for entry in entries] == [*KEYS, None] * CROWD
    assert len(set(map(id, entries))) == len(KEYS) + 1
    assert commands(redis, "mget") == before + 1
    assert store.failures == 0


async def test_read_in_flight_is_not_joined(redis: Redis, store: RedisStore) -> None:
    """The read in flight may return an entry that was evicted before the new call."""
    await keep(store, "key")
    with redis.paused():
        early = asyncio.create_task(store.read("key", str))
        await asyncio.sleep(0)
        assert store._batch is not None
        await asyncio.sleep(0)
        assert store._batch is None
        assert not early.done()
    entry, _ = await early
    assert entry is not None
