"""The rows of several lists in one order, the newest first, read no further than needed."""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from typing import TYPE_CHECKING

from gateway.errors import UpstreamError, defect
from gateway.vendors.pages import StreamsChanged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.feed.reader import Reader
    from gateway.feed.ready import Row

log = logging.getLogger(__name__)

TURN = 10
"""Rows after which others get their turn; a large filter takes its time."""


LONGEST_TURN = 0.003
"""Seconds after which other operations get their turn."""


async def fill(reader: Reader) -> None:
    """Read on until a row is ready; a failure ends the reader. Raises StreamsChanged."""
    try:
        await reader.fill()
    except UpstreamError as error:
        reader.end(error)
    except StreamsChanged:
        raise
    except Exception:
        log.exception("Reading source %s failed.", reader.source.name)
        reader.end(defect(reader.source.name))


class Turn:
    """Lets other operations have their turn, so that no list keeps the event loop for long."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def end(self) -> None:
        """Let the others go first if this turn is over."""
        if time.perf_counter() - self._began > LONGEST_TURN:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


async def merged(readers: Sequence[Reader], limit: int) -> AsyncIterator[tuple[Reader, Row]]:
    """Yield at most ``limit`` rows of all readers, the newest first."""
    heap: list[tuple[int, int]] = []
    for order, reader in enumerate(readers):
        if (next_time := reader.next_time) is not None:
            heap.append((-next_time, order))
    heapq.heapify(heap)
    turn = Turn()
    count = 0
    while heap and limit:
        _, order = heap[0]
        reader = readers[order]
        if reader.rows:
            limit -= 1
            count += 1
            if not count % TURN:
                await turn.end()
            yield reader, reader.rows.popleft()
        if limit and not reader.rows:
            try:
                await fill(reader)
            except StreamsChanged as news:
                # The next operation finds the new streams.
                reader.end(news.refusal)
        if reader.rows:
            heapq.heapreplace(heap, (-reader.rows[0].time, order))
        else:
            heapq.heappop(heap)
