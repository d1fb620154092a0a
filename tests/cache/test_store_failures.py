"""Failures of Redis are told, so that its operator hears of them."""

from __future__ import annotations

import time

from gateway.cache import make_store
from gateway.cache.scripts import ENTRY
from gateway.events import INVALID, REFUSED, UNREACHABLE, CacheStoreFailed, Events
from tests.support.redis import Redis


async def test_failures_are_told_with_their_reason(redis: Redis) -> None:
    events = Events()
    told: list[str] = []
    events.subscribe(CacheStoreFailed, lambda event: told.append(event.reason))
    redis.flush()
    store = make_store(redis.url, max_entries=1, max_bytes=1, clock=time.time_ns, events=events)
    try:
        await store.read("key", int)
        assert told == []
        with redis.client() as client:
            client.set(ENTRY + "key", b"damaged")
        await store.read("key", int)
        assert told == [INVALID]
        redis.limit_memory(1)
        await store.lease("key")
        assert told == [INVALID, REFUSED]
        redis.kill()
        await store.read("key", int)
        assert told == [INVALID, REFUSED, UNREACHABLE]
    finally:
        redis.restart()
        await store.close()
    assert store.failures == len(told)
