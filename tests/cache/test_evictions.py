"""Evictions that the memory caches of several workers share."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from gateway.cache import Cache, Entry, Lifetime
from gateway.cache.entry import Loaded, new_entry
from gateway.cache.memory import MemoryStore
from gateway.model import Timestamp

if sys.platform == "win32":
    pytest.skip("workers are not for Windows", allow_module_level=True)

from gateway.cache.evictions import SIZE, EvictionLog


def pair() -> tuple[EvictionLog, EvictionLog]:
    """Return one log twice, as if opened by two processes."""
    log = EvictionLog()
    return log, EvictionLog(log._shared)


def entry(*tags: str) -> Entry[Any]:
    moment = Timestamp(0)
    return new_entry(1, Lifetime(10), asked_at=moment, stored_at=moment, tags=tags, etags={})


def test_tags_are_news_to_others_once() -> None:
    one, other = pair()
    assert not other.has_news
    one.append({"a"})
    one.append(["b", "\N{SNOWMAN}\n"])
    assert other.has_news
    assert other.news() == {"a", "b", "\N{SNOWMAN}\n"}
    assert not other.has_news
    assert not one.has_news


def test_own_eviction_hides_none_of_others() -> None:
    one, other = pair()
    one.append(["a"])
    other.append(["b"])
    news = other.news()
    assert news is not None
    assert "a" in news
    assert one.news() == {"b"}


def test_new_process_starts_at_the_end() -> None:
    """Its cache is empty."""
    one, _ = pair()
    one.append(["a"])
    assert not EvictionLog(one._shared).has_news


def test_ring_goes_around() -> None:
    one, other = pair()
    for number in range(3 * SIZE // 1000):
        tags = {f"{number}:{'x' * 997}", "\N{SNOWMAN}"}
        one.append(tags)
        assert other.news() == tags


@pytest.mark.parametrize("times", [SIZE // 1000 + 1, 10 * SIZE // 1000])
def test_process_that_lost_count_evicts_everything(times: int) -> None:
    one, other = pair()
    for _ in range(times):
        one.append(["x" * 1000])
    assert other.news() is None
    assert not other.has_news
    one.append(["a"])
    assert other.news() == {"a"}


def test_tags_longer_than_the_ring_evict_everything() -> None:
    one, other = pair()
    one.append(["x" * SIZE])
    assert other.news() is None
    one.append(["a"])
    assert other.news() == {"a"}


def stores() -> list[MemoryStore]:
    return [MemoryStore(max_entries=10, max_bytes=10_000, evictions=log) for log in pair()]


async def test_entry_is_evicted_at_all_workers() -> None:
    one, other = stores()
    for store in (one, other):
        await store.write("key", entry("tag"), 0)
        await store.write("kept", entry("another"), 0)
    assert await one.evict(["tag"]) == 1
    for store in (one, other):
        assert (await store.read("key", int))[0] is None
        assert (await store.read("kept", int))[0] is not None


async def test_load_from_before_an_eviction_elsewhere_is_not_stored() -> None:
    """The vendor may have answered it before the retry that another worker sent."""
    one, other = stores()
    _, generation = await other.read("key", int)
    await one.evict(["tag"])
    await other.write("key", entry("tag"), generation)
    assert (await other.read("key", int))[0] is None


async def test_load_in_flight_is_not_joined_after_an_eviction_elsewhere() -> None:
    one, other = stores()
    caches = Cache(one), Cache(other)
    loads = 0

    async def load(entry: object, *, background: bool) -> Loaded[int]:
        nonlocal loads
        del entry, background
        loads += 1
        if loads == 1:
            await caches[0].evict(["tag"])
            assert (await caches[1].get("key", int, load)).value == 2
            return Loaded(value=1, lifetime=Lifetime(10), tags=("tag",))
        return Loaded(value=2, lifetime=Lifetime(10), tags=("tag",))

    await caches[1].get("key", int, load)
    assert (await caches[1].get("key", int, load)).value == 2
    assert loads == 2


async def test_everything_is_evicted_by_a_worker_that_lost_count() -> None:
    one, other = stores()
    _, generation = await other.read("key", int)
    await other.write("key", entry("tag"), generation)
    for _ in range(SIZE // 1000 + 1):
        await one.evict(["x" * 1000])
    await other.write("late", entry("tag"), generation)
    for key in ("key", "late"):
        assert (await other.read(key, int))[0] is None


async def test_eviction_that_all_find_out_is_not_passed_on() -> None:
    one, other = stores()
    await other.write("key", entry("tag"), 0)
    await Cache(one).evict(["tag"], everywhere=False)
    assert (await other.read("key", int))[0] is not None
