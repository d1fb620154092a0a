"""A list of cached pages does only what its own rows need: counted, not timed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gateway.cache.decoded import DecodedEntries
from gateway.feed import cursor, filters, ready
from gateway.feed.window_reader import WindowReader
from tests.benchmarks.lists import Lists, opened

if TYPE_CHECKING:
    from tests.support.redis import Redis


Count = Callable[[Any, str, str], None]


@pytest.fixture
def counts() -> dict[str, int]:
    return {"placed": 0, "tasks": 0, "read": 0, "compiled": 0, "decoded": 0}


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch, counts: dict[str, int]) -> Count:
    """Return a function that lets the calls of a function be counted under a name."""

    def count(owner: Any, name: str, what: str) -> None:
        real = getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            counts[what] += 1
            return real(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    return count


async def test_cached_pages_are_placed_once_and_need_no_task(
    counts: dict[str, int], count: Count
) -> None:
    """Tasks for each list and rows for each request were most of what a cached list cost."""
    count(ready, "ReadyPage", "placed")
    count(WindowReader, "read", "read")
    count(filters, "_compile", "compiled")
    async with opened(Lists(20, 100)) as gateway:
        page = await gateway.logs(gateway.operation(), first=25)
        after = cursor.encode(page.slice.end)
        # Pages are placed when they are first taken from the cache.
        for place in (after, None, after):
            await gateway.logs(gateway.operation(), first=25, after=place)
        counts.update(dict.fromkeys(counts, 0))
        loop = asyncio.get_running_loop()

        def make(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
            counts["tasks"] += 1
            return asyncio.Task(work, loop=loop, **options)

        loop.set_task_factory(make)
        again = await gateway.logs(gateway.operation(), first=25)
        await gateway.logs(gateway.operation(), first=25, after=after)
        loop.set_task_factory(None)
    assert [entry.record.id for entry in again.slice.entries] == [
        entry.record.id for entry in page.slice.entries
    ]
    assert not any(counts.values()), counts


async def test_pages_from_redis_are_decoded_and_placed_once(
    counts: dict[str, int], count: Count, redis: Redis
) -> None:
    redis.flush()
    count(ready, "ReadyPage", "placed")
    count(WindowReader, "read", "read")
    count(DecodedEntries, "keep", "decoded")
    async with opened(Lists(20, 100), redis.url) as gateway:
        first = await gateway.logs(gateway.operation(), first=25)
        await gateway.logs(gateway.operation(), first=25)
        counts.update(dict.fromkeys(counts, 0))
        again = await gateway.logs(gateway.operation(), first=25)
    assert [entry.record.id for entry in again.slice.entries] == [
        entry.record.id for entry in first.slice.entries
    ]
    assert not any(counts.values()), counts
