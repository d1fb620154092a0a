"""Evicted entries never return, whichever keys Redis evicts by itself.

Values are counts: the number of evictions of their tags before their load began.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.cache import Cache, FreshnessRequirement, Store, make_store
from gateway.cache.entry import Lifetime, new_entry
from gateway.cache.scripts import ENTRY, KNOWN_EVICTIONS, LAST, ORDER, PREFIX, TAG, TAKEN
from gateway.cache.store import Generation
from gateway.model import Timestamp
from tests.cache.vendor import Clock, Vendor, settle, ticking_clock

if TYPE_CHECKING:
    from tests.support.redis import Redis

KINDS = {
    "entries": ENTRY + "*",
    "tags": TAG + "*",
    "order": ORDER,
    "last drop": LAST,
    "leases": TAKEN + "*",
    "everything": PREFIX + "*",
}
TAGS = {"one": ("a:",), "other": ("b:",), "both": ("a:", "b:")}
"""The tags of the entry under each key."""

some_store = st.integers(0, 1)
some_key = st.sampled_from(sorted(TAGS))
some_tags = st.sampled_from([["a:"], ["b:"], ["a:", "b:"]])


def evict(redis: Redis, pattern: str) -> None:
    with redis.client() as client:
        for key in client.keys(pattern):
            client.delete(key)


async def value(cache: Cache, vendor: Vendor, max_age: float | None = None) -> int:
    return (await cache.get("key", int, vendor, FreshnessRequirement(max_age=max_age))).value


STEPS = ("begun", "kept", "read", "dropped", "written", "asked")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", KINDS)
async def test_load_from_before_an_eviction_is_not_returned_after_it(
    server: Redis, replicas: list[Cache], vendor: Vendor, kind: str, step: str
) -> None:
    one, other = replicas

    def after(name: str) -> None:
        if name == step:
            evict(server, KINDS[kind])

    assert await one.evict(["source:else"]) == 0
    after("begun")
    assert await value(one, vendor) == 1
    after("kept")
    vendor.answers.clear()
    early = asyncio.create_task(value(one, vendor, max_age=0))
    while vendor.asked < 2:
        await settle()
    after("read")
    await other.evict(["source:it"])
    after("dropped")
    vendor.answers.set()
    assert await early == 2
    after("written")
    assert await value(other, vendor) == 3
    after("asked")
    assert await value(one, vendor) >= 3
    assert await value(other, vendor) >= 3


@pytest.mark.parametrize("drop", [["source:it"], []])
async def test_invalid_load_is_not_stored(
    server: Redis, replicas: list[Cache], vendor: Vendor, drop: list[str]
) -> None:
    vendor.answers.clear()
    early = asyncio.create_task(value(replicas[0], vendor))
    while not vendor.asked:
        await settle()
    if not drop:
        evict(server, ORDER)
    await replicas[1].evict(drop)
    vendor.answers.set()
    await early
    with server.client() as client:
        assert not client.exists(ENTRY + "key")


async def test_lost_eviction_order_is_detected_before_the_next_eviction(
    server: Redis, replicas: list[Cache], vendor: Vendor
) -> None:
    await value(replicas[0], vendor)
    evict(server, ORDER)
    await value(replicas[0], vendor, max_age=0)
    await value(replicas[0], vendor, max_age=0)
    assert await value(replicas[1], vendor) == 3


class Evicting(RuleBasedStateMachine):
    """Two replicas' stores on a Redis that evicts."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        redis.flush()
        self.redis = redis
        self.loop = asyncio.new_event_loop()
        self.clock = ticking_clock()
        self.stores = [self.run(self._open()) for _ in range(2)]
        self.drops: Counter[str] = Counter()
        self.reads: list[tuple[Store, str, Generation, int]] = []

    async def _open(self) -> Store:
        return make_store(self.redis.url, max_entries=1, max_bytes=1, clock=self.clock)

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def version(self, key: str) -> int:
        return sum(self.drops[tag] for tag in TAGS[key])

    @rule(store=some_store, key=some_key)
    def begin(self, store: int, key: str) -> None:
        _, era = self.run(self.stores[store].read(key, int))
        self.reads.append((self.stores[store], key, era, self.version(key)))

    @precondition(lambda self: self.reads)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.reads) - 1))
        store, key, era, version = self.reads.pop(place)
        now = Timestamp(self.clock())
        entry = new_entry(
            version, Lifetime(3600), asked_at=now, stored_at=now, tags=TAGS[key], etags={}
        )
        self.run(store.write(key, entry, era))

    @rule(store=some_store, tags=some_tags)
    def drop(self, store: int, tags: list[str]) -> None:
        self.run(self.stores[store].evict(tags))
        self.drops.update(tags)

    @rule(kind=st.sampled_from(sorted(KINDS)))
    def forget(self, kind: str) -> None:
        evict(self.redis, KINDS[kind])

    @invariant()
    def nothing_of_before_a_drop_is_given(self) -> None:
        for store in self.stores:
            for key in TAGS:
                entry, _ = self.run(store.read(key, int))
                assert entry is None or entry.value == self.version(key)
            assert store.failures == 0

    def teardown(self) -> None:
        for store in self.stores:
            self.run(store.close())
        self.loop.close()


@pytest.mark.slow
def test_evicted_entries_never_return(redis: Redis) -> None:
    run_state_machine_as_test(
        lambda: Evicting(redis),  # type: ignore[arg-type]  # any factory will do
        settings=settings(
            max_examples=40,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_eviction_history_is_bounded_and_safe(
    server: Redis, replicas: list[Cache], vendor: Vendor, clock: Clock[int]
) -> None:
    one, other = replicas
    late = Vendor(clock)
    vendor.answers.clear()
    early = asyncio.create_task(value(one, vendor))
    while not vendor.asked:
        await settle()
    await other.evict(["source:it"])
    for number in range(4):
        await other.evict([f"log:{number}.{each}" for each in range(KNOWN_EVICTIONS // 4)])
        if number == 1:
            assert (await other.get("late", int, late)).value == 1
    vendor.answers.set()
    assert await early == 1
    assert await value(other, vendor) == 2
    assert (await one.get("late", int, late)).value == 1
    with server.client() as client:
        assert client.zcard(ORDER) <= KNOWN_EVICTIONS + 1
