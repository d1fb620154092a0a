from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.cache import Cache


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Loads:
    """Counts how often each key was loaded."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def of(self, key: str, value: object = None) -> Callable[[], Coroutine[Any, Any, object]]:
        async def load() -> object:
            self.loaded.append(key)
            await asyncio.sleep(0)
            if isinstance(value, Exception):
                raise value
            return value

        return load


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.mark.parametrize("value", ["text", 0, (), None])
async def test_value_is_kept_until_its_end(clock: Clock, loads: Loads, value: object) -> None:
    """Any value, None too: that there is nothing is known as well as that there is something."""
    cache = Cache(clock=clock)
    for now, loaded in ((100, 1), (159.9, 1), (160, 2), (219.9, 2), (220, 3)):
        clock.now = now
        assert await cache.remember("key", 60, loads.of("key", value)) == value
        assert len(loads.loaded) == loaded
    await cache.close()


async def test_time_counts_from_the_end_of_the_loading(clock: Clock, loads: Loads) -> None:
    cache = Cache(clock=clock)

    async def slow() -> str:
        clock.now += 30
        return "value"

    await cache.remember("key", 60, slow)
    clock.now += 59
    assert await cache.remember("key", 60, loads.of("key")) == "value"


async def test_all_who_want_it_share_one_loading(clock: Clock, loads: Loads) -> None:
    cache = Cache(clock=clock)
    values = await asyncio.gather(
        *(cache.remember("key", 60, loads.of("key", object())) for _ in range(50))
    )
    assert len(set(values)) == 1
    assert loads.loaded == ["key"]


async def test_failure_is_shared_but_not_kept(clock: Clock, loads: Loads) -> None:
    cache = Cache(clock=clock)
    results = await asyncio.gather(
        *(cache.remember("key", 60, loads.of("key", ValueError("broken"))) for _ in range(50)),
        return_exceptions=True,
    )
    assert {str(result) for result in results} == {"broken"}
    assert loads.loaded == ["key"]
    assert await cache.remember("key", 60, loads.of("key", "whole")) == "whole"


async def test_keys_do_not_mix(clock: Clock, loads: Loads) -> None:
    cache = Cache(clock=clock)
    for _ in range(2):
        assert await cache.remember("a", 60, loads.of("a", 1)) == 1
        assert await cache.remember("b", 60, loads.of("b", 2)) == 2
    assert loads.loaded == ["a", "b"]


async def test_number_of_values_is_bounded(clock: Clock, loads: Loads) -> None:
    cache = Cache(max_entries=3, clock=clock)
    for key in "abcd":
        await cache.remember(key, 60, loads.of(key, key))
    assert len(cache._store._cache) == len(cache._ends) == 3
    loads.loaded.clear()
    for key in "dcba":
        assert await cache.remember(key, 60, loads.of(key, key)) == key
    assert loads.loaded == ["a"]


async def test_value_kept_longest_ago_goes_first(clock: Clock, loads: Loads) -> None:
    cache = Cache(max_entries=2, clock=clock)
    await cache.remember("a", 60, loads.of("a"))
    await cache.remember("b", 600, loads.of("b"))
    clock.now += 60
    await cache.remember("a", 60, loads.of("a"))
    await cache.remember("c", 60, loads.of("c"))
    assert list(cache._ends) == ["a", "c"]


async def test_what_has_ended_is_dropped_when_something_comes(clock: Clock, loads: Loads) -> None:
    cache = Cache(clock=clock)
    for key in "abc":
        await cache.remember(key, 60, loads.of(key))
    clock.now += 60
    await cache.remember("d", 60, loads.of("d"))
    assert list(cache._store._cache) == list(cache._ends) == ["d"]


async def test_value_without_a_life_is_not_kept(clock: Clock, loads: Loads) -> None:
    cache = Cache(clock=clock)
    for _ in range(2):
        assert await cache.remember("key", 0, loads.of("key", 1)) == 1
    assert len(loads.loaded) == 2


async def test_close_drops_what_is_kept_and_ends_what_is_loading(
    clock: Clock, loads: Loads
) -> None:
    cache = Cache(clock=clock)
    await cache.remember("kept", 60, loads.of("kept", 1))
    never = asyncio.Event()
    waiting = asyncio.create_task(cache.remember("loading", 60, never.wait))
    await asyncio.sleep(0)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await cache.remember("kept", 60, loads.of("kept", 2)) == 2
