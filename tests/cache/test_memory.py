from __future__ import annotations

from typing import Any

import pytest

from gateway.cache import Entry, Lifetime
from gateway.cache.entry import new_entry
from gateway.cache.memory import MAX_DROPPED, MemoryStore
from gateway.model import Timestamp


def entry(value: Any, *tags: str) -> Entry[Any]:
    moment = Timestamp(0)
    return new_entry(value, Lifetime(10), asked_at=moment, stored_at=moment, tags=tags, etags={})


async def keys(store: MemoryStore, *wanted: str) -> list[str]:
    return [key for key in wanted if (await store.read(key, int))[0]]


async def test_least_recently_used_entry_is_evicted_first() -> None:
    store = MemoryStore(max_entries=3, max_bytes=100_000)
    for key in "abc":
        await store.write(key, entry(1), 0)
    await store.read("a", int)
    await store.write("d", entry(1), 0)
    assert await keys(store, *"abcd") == ["a", "c", "d"]


async def test_bytes_are_bounded() -> None:
    store = MemoryStore(max_entries=100, max_bytes=10_000)
    usages = []
    for number in range(50):
        await store.write(str(number), entry("x" * 700), 0)
        usages.append(await store.usage())
    assert all(usage.size is not None and usage.size <= 10_000 for usage in usages)
    assert usages[-1].entries in range(8, 12)
    # An entry that would evict all others is not stored, and the entry it replaces is removed.
    await store.write("49", entry("x" * 8000), 0)
    assert await keys(store, "49", "48") == ["48"]


async def test_smaller_value_frees_memory() -> None:
    store = MemoryStore(max_entries=100, max_bytes=100_000)
    await store.write("a", entry("x" * 700, "tag"), 0)
    await store.write("a", entry("x", "other"), 0)
    usage = await store.usage()
    assert usage.entries == 1
    assert usage.size is not None
    assert usage.size < 700
    assert [await store.evict([tag]) for tag in ("tag", "other")] == [0, 1]
    usage = await store.usage()
    assert (usage.entries, usage.size) == (0, 0)


async def test_value_that_is_not_json_is_not_stored() -> None:
    store = MemoryStore(max_entries=100, max_bytes=100_000)
    await store.write("a", entry(object()), 0)
    assert await keys(store, "a") == []
    assert store.failures == 1


async def test_forgotten_evictions_invalidate_earlier_loads() -> None:
    store = MemoryStore(max_entries=100, max_bytes=100_000)
    _, before = await store.read("a", int)
    for number in range(MAX_DROPPED + 1):
        await store.evict([f"tag {number}"])
    assert len(store._dropped) <= MAX_DROPPED
    await store.write("a", entry(1), before)
    assert await keys(store, "a") == []
    _, now = await store.read("a", int)
    await store.write("a", entry(1, "tag 1"), now)
    assert await keys(store, "a") == ["a"]


@pytest.mark.parametrize("value", [None, 0, "", 10**40, {"a": [None, 1.5]}])
async def test_any_json_value_is_stored(value: Any) -> None:
    store = MemoryStore(max_entries=100, max_bytes=100_000)
    await store.write("a", entry(value), 0)
    kept, _ = await store.read("a", object)
    assert kept is not None
    assert kept.value == value
