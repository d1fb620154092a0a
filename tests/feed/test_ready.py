"""A list of cached pages does only what its own rows need: counted, not timed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.feed import cursor, filters, ready
from gateway.feed.window_reader import WindowReader
from tests.benchmarks.lists import Lists, opened


async def test_cached_pages_are_placed_once_and_need_no_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tasks for each list and rows for each request were most of what a cached list cost."""
    counts = {"placed": 0, "tasks": 0, "read": 0, "compiled": 0}

    def count(owner: Any, name: str, what: str) -> None:
        real = getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            counts[what] += 1
            return real(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    count(ready, "ReadyPage", "placed")
    count(WindowReader, "read", "read")
    count(filters, "_compile", "compiled")
    async with opened(Lists(20, 100)) as gateway:
        page = await gateway.logs(gateway.operation(), first=25)
        after = cursor.encode(page.slice.end)
        # Pages are placed when they are first taken from the cache.
        for place in (after, None, after):
            await gateway.logs(gateway.operation(), first=25, after=place)
        counts.update(placed=0, read=0, compiled=0)
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
    assert counts == {"placed": 0, "tasks": 0, "read": 0, "compiled": 0}
