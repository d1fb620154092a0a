from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.cache import Cache, Store, make_store
from tests.cache.vendor import Clock, Vendor


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vendor(clock: Clock) -> Vendor:
    return Vendor(clock)


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Store]:
    """Give an empty store; of Redis that of a server."""
    url = "memory://"
    if request.param == "redis":
        server = request.getfixturevalue("redis")
        server.flush()
        url = server.url
    store = make_store(url, max_entries=100, max_bytes=100_000, clock=clock)
    yield store
    await store.close()


@pytest.fixture
async def cache(store: Store, clock: Clock) -> AsyncIterator[Cache]:
    cache = Cache(store, clock)
    yield cache
    await cache.close()
