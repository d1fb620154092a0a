"""The number of logs in the whole merged list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.errors import UpstreamError
from gateway.vendors.pages import StreamsChanged, Wanted, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.feed.reader import Reader
    from gateway.upstream.operation import Operation


async def count_all(
    readers: Sequence[Reader], operation: Operation, max_age: float | None
) -> int | None:
    """Return how many logs the lists have together; None where no vendor's count can be trusted."""
    counts = await asyncio.gather(*(_count(reader, operation, max_age) for reader in readers))
    return None if None in counts else sum(count or 0 for count in counts)


async def _count(reader: Reader, operation: Operation, max_age: float | None) -> int | None:
    source, facts = reader.source, reader.source.list_facts
    total, end = reader.pages.total, reader.pages.top
    if total is None or not reader.pages.whole:
        window = Window(limit=1)
        try:
            cached = await source.page(reader.stream, window, Wanted(), operation, max_age=max_age)
        except (UpstreamError, StreamsChanged):
            return None
        page = cached.value
        total, end = page.total, page.read
        facts.learn(page, end if page.offset == 0 else None)
    if total is None or facts.contradicted:
        return None
    if total > end or facts.exceeded:
        return total
    # The total may only count the rows given so far; then others follow them.
    window = Window(limit=source.page_size, offset=end)
    try:
        cached = await source.page(reader.stream, window, Wanted(), operation, max_age=max_age)
    except (UpstreamError, StreamsChanged):
        return None
    facts.learn(cached.value, None)
    return None if set(cached.value.marks) - reader.pages.seen else total
