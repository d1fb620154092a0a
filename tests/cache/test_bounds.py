"""The bounds of the memory store."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from gateway.cache.entry import Entry, Lifetime, new_entry
from gateway.cache.memory import MAX_DROPPED, MemoryStore
from gateway.model import Timestamp

KEYS = 50_000
"""The benchmark ``tests.benchmarks.cache`` does the same with a million."""


def entry(value: Any, *tags: str, asked_at: int = 0) -> Entry[Any]:
    moment = Timestamp(asked_at)
    return new_entry(
        value, Lifetime(5, 30, 3600), asked_at=moment, stored_at=moment, tags=tags, etags={}
    )


def size(kept: Entry[Any]) -> int:
    return len(msgspec.json.encode(kept))


async def keep(store: MemoryStore, key: str, kept: Entry[Any]) -> None:
    _, era = await store.read(key, str)
    await store.write(key, kept, era)


async def found(store: MemoryStore, key: str) -> Any:
    kept, _ = await store.read(key, str)
    return kept and kept.value


def assert_consistent(store: MemoryStore) -> None:
    """Check that sizes and tags are recorded for exactly the stored entries."""
    kept = store._entries._cache
    assert kept.keys() == store._sizes.keys() == store._tags.keys()
    assert sum(map(size, kept.values())) == sum(store._sizes.values()) == store._size
    assert {(tag, key) for key in kept for tag in kept[key].tags} == {
        (tag, key) for tag, keys in store._keys.items() for key in keys
    }
    assert all(store._keys.values())
    assert not store._entries._handlers


@pytest.mark.slow
@pytest.mark.parametrize(("entries", "bytes"), [(500, 2**20), (10_000, 2**17)])
async def test_bounds_hold_for_any_number_of_keys(entries: int, bytes: int) -> None:
    store = MemoryStore(max_entries=entries, max_bytes=bytes)
    random = Random(7)
    fullest = 0
    for number in range(KEYS):
        log = f"log:{number}"
        await keep(store, f"key {number}", entry("v" * random.randrange(200), "source:a", log))
        usage = await store.usage()
        assert usage.entries is not None
        assert usage.size is not None
        assert usage.entries <= entries
        assert usage.size <= bytes
        fullest = max(fullest, usage.size)
        if not number % 4:
            await store.evict([f"log:{number - random.randrange(100)}"])
    assert_consistent(store)
    assert len(store._dropped) <= MAX_DROPPED
    assert fullest > bytes * 0.9 or len(store._sizes) > entries * 0.9
    await store.evict(["source:a"])
    assert (await store.usage()).entries == (await store.usage()).size == 0
    assert_consistent(store)


async def test_recently_used_entries_stay() -> None:
    store = MemoryStore(max_entries=3, max_bytes=2**20)
    for key in "abc":
        await keep(store, key, entry(key))
    assert await found(store, "a") == "a"
    await keep(store, "d", entry("d"))
    assert [await found(store, key) for key in "abcd"] == ["a", None, "c", "d"]


async def test_large_entry_evicts_only_as_much_as_needed() -> None:
    store = MemoryStore(max_entries=100, max_bytes=20 * size(entry("v" * 10)))
    for number in range(20):
        await keep(store, str(number), entry("v" * 10))
    assert len(store._sizes) == 20
    await keep(store, "large", entry("v" * 11))
    assert [await found(store, key) for key in ("0", "1")] == [None, None]
    assert len(store._sizes) == 19


async def test_entry_over_half_of_the_memory_is_not_stored() -> None:
    store = MemoryStore(max_entries=100, max_bytes=2 * size(entry("v" * 10)))
    await keep(store, "small", entry("v"))
    await keep(store, "key", entry("v" * 10))
    assert await found(store, "key") == "v" * 10
    # The entry that it would have replaced is outdated, so it is evicted.
    await keep(store, "key", entry("v" * 11, asked_at=1))
    assert await found(store, "key") is None
    assert await found(store, "small") == "v"
    assert_consistent(store)


async def test_replaced_entry_is_counted_once() -> None:
    store = MemoryStore(max_entries=100, max_bytes=2**20)
    for number in range(3):
        await keep(store, "key", entry("v" * number, f"log:{number}"))
    assert len(store._sizes) == 1
    assert list(store._keys) == ["log:2"]
    assert_consistent(store)


async def test_older_answer_does_not_replace_a_newer_one() -> None:
    """After an eviction, a call that began before it may end after a later one."""
    store = MemoryStore(max_entries=100, max_bytes=2**20)
    await keep(store, "key", entry("new", asked_at=2))
    await keep(store, "key", entry("old", asked_at=1))
    assert await found(store, "key") == "new"
    await keep(store, "key", entry("renewed", asked_at=2))
    assert await found(store, "key") == "renewed"
    assert_consistent(store)


async def test_unencodable_value_is_not_stored() -> None:
    store = MemoryStore(max_entries=100, max_bytes=2**20)
    await keep(store, "key", entry(object()))
    assert await found(store, "key") is None
    assert store.failures == 1
    assert_consistent(store)


async def test_closed_store_is_empty() -> None:
    store = MemoryStore(max_entries=100, max_bytes=2**20)
    for number in range(10):
        await keep(store, str(number), entry("v", "source:a"))
    await store.close()
    assert not store._sizes
    assert_consistent(store)
