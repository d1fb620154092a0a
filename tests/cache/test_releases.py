"""The cache's entries of two releases: those of one format are shared, those of another are apart.

``releases/2.json`` has entries that the gateway wrote over the sandbox in November 2026, in the
format whose number is in the prefix of the keys, by vendor and kind.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway.cache import Cache, make_store, redis, scripts
from gateway.cache.entry import Entry
from gateway.cache.redis import RedisStore
from gateway.model import CacheStatus, WebhookLog
from gateway.vendors import VENDORS
from gateway.vendors.pages import Hooks, Page
from tests.cache.vendor import Clock, Vendor

if TYPE_CHECKING:
    from tests.support.redis import Redis

HIT, MISS = CacheStatus.HIT, CacheStatus.MISS
FOLDER = Path(__file__).parent / "releases"
FORMAT = scripts.PREFIX.split(":")[1]


ENTRIES = [
    pytest.param(*name.split(), entry, id=name)
    for name, entry in json.loads((FOLDER / f"{FORMAT}.json").read_text(encoding="utf-8")).items()
]


def kind_of(provider: str, kind: str) -> Any:
    """Return the type of an entry's value."""
    details: Any = VENDORS[provider].details
    kinds = {"page": Page[details], "log": WebhookLog[details] | None, "hooks": Hooks}
    return kinds[kind]


def decoded(entry: Any, kind: Any) -> Entry[Any] | None:
    store = RedisStore("redis://127.0.0.1:1/0", clock=lambda: entry["stored_at"])
    text = b"0" * redis.HEADER_LENGTH + json.dumps(entry).encode()
    found = store._decoded("key", text, kind)
    return found.entry if found else None


def assert_contains(new: Any, old: Any) -> None:
    """Check that nothing is lost; keys may be added."""
    if isinstance(old, dict):
        assert old.keys() <= new.keys()
        for key, value in old.items():
            assert_contains(new[key], value)
    elif isinstance(old, list):
        assert len(new) == len(old)
        for one, other in zip(new, old, strict=True):
            assert_contains(one, other)
    else:
        assert new == old


@pytest.mark.parametrize(("provider", "kind", "entry"), ENTRIES)
def test_entry_of_an_earlier_release_is_read_whole(provider: str, kind: str, entry: Any) -> None:
    """Where this can't be kept, the prefix of the keys gets another number."""
    found = decoded(entry, kind_of(provider, kind))
    assert found is not None
    assert_contains(json.loads(msgspec.json.encode(found)), entry)


@pytest.mark.parametrize(("provider", "kind", "entry"), ENTRIES)
def test_entry_of_a_later_release_is_read_or_left_out(provider: str, kind: str, entry: Any) -> None:
    wanted = kind_of(provider, kind)
    assert decoded(entry | {"added": 1}, wanted) == decoded(entry, wanted)
    assert decoded(entry | {"value": entry["value"] | {"added": [1]}}, wanted) is not None
    text = json.dumps(entry)
    if '"status": "SUCCEEDED"' in text:
        assert decoded(json.loads(text.replace("SUCCEEDED", "POSTPONED")), wanted) is None


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> type[RedisStore]:
    """Return the store of a release with another format of entries."""
    store: type[RedisStore] = redis.RedisStore
    with monkeypatch.context() as patch:
        for name in ("scripts", "redis"):
            module = copy_of(sys.modules[f"gateway.cache.{name}"])
            patch.setitem(sys.modules, f"gateway.cache.{name}", module)
            patch.setattr(f"gateway.cache.{name}", module)
            execute(module)
            store = getattr(module, "RedisStore", store)
    return store


def copy_of(module: ModuleType) -> ModuleType:
    assert module.__spec__ is not None
    return importlib.util.module_from_spec(module.__spec__)


def execute(module: ModuleType) -> None:
    """Execute a module's source with the prefix of another format."""
    assert module.__file__ is not None
    source = Path(module.__file__).read_text(encoding="utf-8")
    own = re.sub(r'^(PREFIX = "[a-z-]+:)\d+', r"\g<1>later", source, flags=re.MULTILINE)
    exec(compile(own, module.__file__, "exec"), module.__dict__)  # noqa: S102


async def test_formats_live_side_by_side(
    server: Redis, clock: Clock[int], vendor: Vendor, later: type[RedisStore]
) -> None:
    """During an upgrade, neither release reads or evicts what the other has written."""
    old = Cache(make_store(server.url, max_entries=1, max_bytes=1, clock=clock), clock)
    own = Cache(RedisStore(server.url, clock=clock), clock)
    new = Cache(later(server.url, clock=clock), clock)

    async def ask(cache: Cache) -> tuple[int, CacheStatus]:
        kept = await cache.get("key", int, vendor)
        return kept.value, kept.freshness.status

    assert [await ask(cache) for cache in (old, new)] == [(1, MISS), (2, MISS)]
    assert [await ask(cache) for cache in (old, own, new)] == [(1, HIT), (1, HIT), (2, HIT)]
    assert await new.evict(["source:it"]) == 1
    assert [await ask(cache) for cache in (old, new)] == [(1, HIT), (3, MISS)]
    assert await old.evict(["source:it"]) == 1
    assert [await ask(cache) for cache in (new, old)] == [(3, HIT), (4, MISS)]
    with server.client() as client:
        prefixes = {key.split(b":")[1].decode() for key in client.keys("webhook-log-gateway:*")}
    assert prefixes == {FORMAT, "later"}
    for cache in (old, own, new):
        await cache.close()
