"""Foreign data under the gateway's keys in Redis is counted and replaced, without an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gateway.cache import Cache, FreshnessRequirement
from gateway.cache.scripts import ENTRY, LAST, ORDER, PREFIX, RATE, TAG, TAKEN
from tests.cache.vendor import Vendor

if TYPE_CHECKING:
    from tests.support.redis import Redis

TEXTS = {
    "nothing": b"",
    "a word": b"no number",
    "bytes": b"\xff" * 40,
    "a short number": b"12",
    "a long number": b"9" * 5000,
    "another number": b"9" * 16,
    "infinity": b"inf",
    "brackets": b"0" * 32 + b'{"x":' + b"[" * 100_000,
}
GARBAGE: dict[str, Callable[[Any, str], object]] = {
    "list": lambda client, key: client.rpush(key, "1", "2"),
    "hash": lambda client, key: client.hset(key, "first", "1"),
    "set": lambda client, key: client.sadd(key, "1"),
    "sorted set": lambda client, key: client.zadd(key, {"first": 1, "last": 1.5}),
    "huge sorted set": lambda client, key: client.zadd(key, {"first": 1, "last": 2**60}),
    "endless sorted set": lambda client, key: client.zadd(key, {"first": 1, "last": "+inf"}),
    **{
        name: lambda client, key, text=text: client.set(key, text)  # type: ignore[misc]
        for name, text in TEXTS.items()
    },
}
KEYS: dict[str, Callable[[Any], str]] = {
    "entry": lambda _: ENTRY + "key",
    "tag": lambda _: TAG + "source:it",
    "order": lambda _: ORDER,
    "last drop": lambda _: LAST,
    "lease": lambda client: f"{TAKEN}key@{int(client.get(LAST))}",
    "rate": lambda client: client.keys(RATE + "*")[0],
}
TYPES = {ENTRY: b"string", TAG: b"zset", ORDER: b"zset", LAST: b"string", RATE: b"string"}
HARMLESS = {("tag", name) for name in GARBAGE if "sorted" in name} | {
    ("last drop", "another number")
}
"""Combinations that are valid but useless, so they do not count as failures."""


async def ask(cache: Cache, vendor: Vendor, max_age: float | None = None) -> int:
    return (await cache.get("key", int, vendor, FreshnessRequirement(max_age=max_age))).value


@pytest.mark.slow
@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("kind", KEYS)
async def test_garbage_is_replaced_without_an_error(
    server: Redis, replicas: list[Cache], vendor: Vendor, kind: str, garbage: str
) -> None:
    one, other = replicas
    await ask(one, vendor)
    await one.take("alice", 3, 60)
    with server.client() as client:
        key = KEYS[kind](client)
        client.delete(key)
        GARBAGE[garbage](client, key)
        assert await ask(one, vendor) in {1, 2}
        await ask(one, vendor, max_age=0)
        await other.evict(["source:it"])
        asked = vendor.asked
        assert [await ask(cache, vendor) for cache in replicas * 2] == [asked + 1] * 4
        left = await other.take("alice", 3, 60)
        assert left is not None
        assert left >= 1
        states = [await one.state(), await other.state()]
        assert all(state.available for state in states)
        failures = sum(state.store_failures for state in states)
        assert (failures > 0) != ((kind, garbage) in HARMLESS)
        for kept in client.keys(PREFIX + "*"):
            types = [type for name, type in TYPES.items() if kept.startswith(name.encode())]
            assert types == [client.type(kept)], kept
