"""Count the logs of the whole merged list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.errors import UpstreamError
from gateway.feed.push_down import EVERYTHING
from gateway.vendors.pages import Criteria, StreamsChanged, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.feed.reader import Reader
    from gateway.upstream.operation import Operation
    from gateway.vendors.pages import Page


async def count_all(
    readers: Sequence[Reader], operation: Operation, max_age: float | None
) -> int | None:
    """Return the total number of logs, or None if a vendor's count can't be trusted."""
    sources = {reader.source.name: reader.source for reader in readers}
    counts = await asyncio.gather(
        *(
            _count_source(
                [reader for reader in readers if reader.source is source], operation, max_age
            )
            for source in sources.values()
        )
    )
    return None if None in counts else sum(count or 0 for count in counts)


async def _count_source(
    readers: Sequence[Reader], operation: Operation, max_age: float | None
) -> int | None:
    """Count the logs of a source; the first list shows whether its totals can be trusted."""
    first, *others = readers
    count = await _count(first, operation, max_age)
    if count is None:
        return None
    counts = await asyncio.gather(*(_count(reader, operation, max_age) for reader in others))
    return None if None in counts else count + sum(count or 0 for count in counts)


async def _count(reader: Reader, operation: Operation, max_age: float | None) -> int | None:
    if reader.stream.by_token:
        # No page after the vendor's total could be read, to see that nothing follows.
        return None
    facts = reader.source.list_facts
    try:
        total, end = reader.pages.total, reader.pages.top
        if total is None or not reader.pages.whole:
            page = await _read(reader, 0, operation, max_age)
            total, end = page.total, page.read
            facts.learn(page, end if page.offset == 0 else None)
        if total is None or facts.contradicted or len(reader.pages.seen) - reader.known > total:
            return None
        if not facts.confirmed or (total <= end and not facts.exceeded):
            # The total may be wrong: check that nothing follows after that many rows.
            page = await _read(reader, max(total, end), operation, max_age)
            # Rows that were seen before may be of a vendor that ignores offsets.
            facts.contradicted = not reader.pages.seen.issuperset(page.marks)
            if page.read:
                return None
            facts.confirmed = True
    except (UpstreamError, StreamsChanged):
        return None
    return total


async def count_filtered(
    reader: Reader, criteria: Criteria, operation: Operation, max_age: float | None
) -> int | None:
    """Return the vendor's total of a list with criteria; None if it can't be trusted.

    The total has to be the number of the last row.
    """
    if reader.stream.by_token:
        return None
    try:
        first = await _read(reader, 0, operation, max_age, criteria)
        total = first.total
        if not total:
            return None if first.read else total
        last = await _read(reader, total - 1, operation, max_age, criteria)
        following = await _read(reader, total, operation, max_age, criteria)
    except (UpstreamError, StreamsChanged):
        return None
    return total if last.read and not following.read else None


async def _read(
    reader: Reader,
    offset: int,
    operation: Operation,
    max_age: float | None,
    criteria: Criteria = EVERYTHING,
) -> Page:
    window = Window(limit=1, offset=offset)
    source = reader.source
    cached = await source.page(reader.stream, window, criteria, operation, max_age=max_age)
    return cached.value
