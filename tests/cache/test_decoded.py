"""Entries that are decoded once for as long as Redis has the same text."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway.cache import Cache
from gateway.cache.decoded import MEMORY, Decoded, DecodedEntries, size_of
from gateway.cache.entry import Entry
from gateway.cache.redis import RedisStore
from gateway.model import Timestamp
from tests.cache.vendor import Vendor

if TYPE_CHECKING:
    from tests.support.redis import Redis

NOW = Timestamp(0)
ENTRY: Entry[Any] = Entry(
    value=[1],
    asked_at=NOW,
    stored_at=NOW,
    fresh_until=NOW,
    revalidate_until=NOW,
    stale_until=NOW,
)


def decoded(text: bytes, kind: type[Any] = list) -> Decoded:
    return Decoded(text, kind, 0, ENTRY, size_of(text))


def test_entry_is_found_by_its_key_text_and_kind() -> None:
    entries = DecodedEntries()
    kept = decoded(b"text")
    entries.keep("key", kept)
    assert entries.find("key", b"te" + b"xt", list) is kept
    assert entries.find("key", b"text", dict) is None
    assert entries.find("key", b"other", list) is None
    assert entries.find("other", b"text", list) is None
    entries.keep("key", decoded(b"other"))
    assert entries.find("key", b"text", list) is None
    entries.forget("key")
    assert entries.find("key", b"other", list) is None


def test_least_recently_read_entries_are_forgotten() -> None:
    entries = DecodedEntries()
    half = bytes(MEMORY // 4 - 1024)
    for key in ("one", "two"):
        entries.keep(key, decoded(half))
    assert entries.find("one", half, list)
    entries.keep("three", decoded(b"."))
    assert [key for key in ("one", "two") if entries.find(key, half, list)] == ["one"]
    assert entries.find("three", b".", list)


def test_large_entry_replaces_a_smaller_one_and_is_not_kept() -> None:
    entries = DecodedEntries()
    entries.keep("key", decoded(b"text"))
    entries.keep("key", decoded(bytes(MEMORY // 2 + 1)))
    assert entries.find("key", b"text", list) is None
    assert entries.find("key", bytes(MEMORY // 2 + 1), list) is None


VALUES = {
    "small": 1,
    "rows": [{"id": f"{n:012}", "event": "translation.created", "url": None} for n in range(100)],
    "empty lists": [[[]] * 20 for _ in range(500)],
    "body": [{"body": json.dumps([{"sku": f"A-{n}", "opts": []} for n in range(300)])}] * 9,
}


@pytest.mark.parametrize("name", VALUES)
def test_memory_is_bounded_whatever_the_values_are(name: str) -> None:
    entries = DecodedEntries()
    tracemalloc.start()
    try:
        for number in range(10**6):
            text = msgspec.json.encode([number, VALUES[name]])
            found = msgspec.json.decode(text)
            # What was asked for of a row is kept beside it.
            bodies = [json.loads(row["body"]) for row in found[1]] if name == "body" else ()
            value: Any = msgspec.structs.replace(ENTRY, value=(found, bodies))
            entries.keep(f"key-{number}", Decoded(text, list, 0, value, size_of(text)))
            if len(entries._kept) <= number:
                break
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(entries._kept) > 10
    assert MEMORY / 4 < taken <= MEMORY


@pytest.mark.parametrize("end", ["eviction", "expiry"])
async def test_entry_is_the_same_until_redis_has_another(
    server: Redis, replicas: list[Cache], vendor: Vendor, end: str
) -> None:
    one, other = replicas
    store = one._store
    assert isinstance(store, RedisStore)

    async def read() -> Entry[int] | None:
        entry, _ = await store.read("key", int)
        return entry

    assert (await one.get("key", int, vendor)).value == 1
    first = await read()
    assert first is not None
    assert await read() is first
    if end == "eviction":
        await other.evict(["source:it"])
    else:
        server.flush()
    assert await read() is None
    assert (await other.get("key", int, vendor)).value == 2
    second = await read()
    assert second is not None
    assert second.value == 2
    assert await read() is second
