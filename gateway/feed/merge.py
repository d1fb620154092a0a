"""Merge several lists into one, newest first, reading no further than needed."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from typing import TYPE_CHECKING

from gateway.errors import UpstreamError, internal_error, without_frames
from gateway.vendors.pages import StreamsChanged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.feed.reader import Reader
    from gateway.feed.ready import Row

log = logging.getLogger(__name__)

ROWS_PER_TURN = 10
"""Rows after which others get their turn; a large filter takes its time."""


MAX_TURN = 0.003
"""Seconds after which other operations get their turn."""


async def fill(reader: Reader) -> None:
    """Read until a row is ready; a failure ends the reader. Raises StreamsChanged."""
    try:
        await reader.fill()
    except UpstreamError as error:
        reader.end(without_frames(error))
    except StreamsChanged:
        raise
    except Exception:
        log.exception("Reading source %s failed.", reader.source.name)
        reader.end(internal_error(reader.source.name))


class Turn:
    """Lets other operations have their turn, so that no list keeps the event loop for long."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def end(self) -> None:
        """Let the others go first if this turn is over."""
        if time.perf_counter() - self._began > MAX_TURN:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


class Merge:
    """The rows of all readers, at most ``limit``, the newest first."""

    def __init__(self, readers: Sequence[Reader], limit: int) -> None:
        self._readers = readers
        self._limit = limit
        self._heap = [
            (-next_time, order)
            for order, reader in enumerate(readers)
            if (next_time := reader.next_time) is not None
        ]
        heapq.heapify(self._heap)

    def ahead(self, most: int = 1) -> tuple[Reader, Sequence[Row]] | None:
        """Return the next rows, at most so many, which are of one list.

        Returns None at the end, and where a list has to be read on before.
        """
        heap = self._heap
        most = min(most, self._limit)
        while heap and most:
            key, order = heap[0]
            reader = self._readers[order]
            rows = reader.rows
            if not rows:
                return None
            time = rows[0].time
            if time != -key:
                heapq.heapreplace(heap, (-time, order))
                continue
            count = most if most == 1 else self._count(rows, min(most, len(rows)))
            return reader, list(itertools.islice(rows, count))
        return None

    def take(self, reader: Reader, count: int) -> None:
        """Take so many of the rows ahead."""
        self._limit -= count
        if count == len(reader.rows):
            reader.rows.clear()
        else:
            for _ in range(count):
                reader.rows.popleft()

    def _count(self, rows: Sequence[Row], most: int) -> int:
        """Return how many of the first rows of the first list stand above all other lists."""
        others = self._heap[1:3]
        if not others:
            return most
        key, order = min(others)
        own = self._heap[0][1]
        count = 1
        while count < most and (-rows[count].time, own) < (key, order):
            count += 1
        return count

    async def read_on(self) -> bool:
        """Read on the list that the next row may come from; False at the end of the merge."""
        if not self._heap or not self._limit:
            return False
        _, order = self._heap[0]
        reader = self._readers[order]
        try:
            await fill(reader)
        except StreamsChanged as change:
            # The next operation finds the new streams.
            reader.end(change.refusal)
        if reader.rows:
            heapq.heapreplace(self._heap, (-reader.rows[0].time, order))
        else:
            heapq.heappop(self._heap)
        return True


async def merge(readers: Sequence[Reader], limit: int) -> AsyncIterator[tuple[Reader, Row]]:
    """Yield the rows of a merge."""
    merge = Merge(readers, limit)
    turn = Turn()
    count = 0
    while True:
        while (found := merge.ahead()) is not None:
            reader, rows = found
            merge.take(reader, 1)
            count += 1
            if not count % ROWS_PER_TURN:
                await turn.end()
            yield reader, rows[0]
        if not await merge.read_on():
            return
