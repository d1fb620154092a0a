from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from gateway.cache import Cache, Store, make_store
from tests.cache.vendor import Clock, Vendor, ticking_clock

if TYPE_CHECKING:
    from tests.support.redis import Redis


@pytest.fixture
def clock() -> Clock[int]:
    return ticking_clock()


@pytest.fixture
def vendor(clock: Clock[int]) -> Vendor:
    return Vendor(clock)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def store(request: pytest.FixtureRequest, clock: Clock[int]) -> AsyncIterator[Store]:
    """An empty store: memory, or a Redis server."""
    url = "memory://"
    if request.param == "redis":
        server = request.getfixturevalue("redis")
        server.flush()
        url = server.url
    store = make_store(url, max_entries=100, max_bytes=100_000, clock=clock)
    yield store
    await store.close()


@pytest.fixture
async def cache(store: Store, clock: Clock[int]) -> AsyncIterator[Cache]:
    cache = Cache(store, clock)
    yield cache
    await cache.close()


@pytest.fixture
def server(redis: Redis) -> Redis:
    """An empty Redis."""
    redis.flush()
    return redis


@pytest.fixture
async def replicas(server: Redis, clock: Clock[int]) -> AsyncIterator[list[Cache]]:
    """The caches of two gateways that share a Redis."""
    stores = [make_store(server.url, max_entries=1, max_bytes=1, clock=clock) for _ in range(2)]
    caches = [Cache(store, clock) for store in stores]
    yield caches
    for cache in caches:
        await cache.close()
