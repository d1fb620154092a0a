"""Merge several lists into one, newest first, reading no further than needed."""

from __future__ import annotations

import asyncio
import heapq
import logging
from typing import TYPE_CHECKING

from gateway.errors import UpstreamError, internal_error
from gateway.vendors.pages import StreamsChanged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.feed.reader import Reader, Row

log = logging.getLogger(__name__)

ROWS_PER_TURN = 10
"""Rows that are merged before other operations get a turn; a large filter takes time."""


async def fill(reader: Reader) -> None:
    """Read until a row is ready; a failure ends the reader. Raises StreamsChanged."""
    try:
        await reader.fill()
    except UpstreamError as error:
        reader.end(error)
    except StreamsChanged:
        raise
    except Exception:
        log.exception("Reading source %s failed.", reader.source.name)
        reader.end(internal_error(reader.source.name))


async def merge(readers: Sequence[Reader], limit: int) -> AsyncIterator[tuple[Reader, Row]]:
    """Yield at most ``limit`` rows of all readers, newest first."""
    heap: list[tuple[int, int]] = []
    for order, reader in enumerate(readers):
        if (time := reader.next_time) is not None:
            heap.append((-time, order))
    heapq.heapify(heap)
    count = 0
    while heap and limit:
        _, order = heapq.heappop(heap)
        reader = readers[order]
        if reader.rows:
            limit -= 1
            count += 1
            if not count % ROWS_PER_TURN:
                await asyncio.sleep(0)
            yield reader, reader.rows.popleft()
        if limit and not reader.rows:
            try:
                await fill(reader)
            except StreamsChanged as change:
                # The next operation finds the new streams.
                reader.end(change.refusal)
        if reader.rows:
            heapq.heappush(heap, (-reader.rows[0].time, order))
