"""The rows of a merged page, and the cursors after them."""

from __future__ import annotations

import bisect
import functools
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.feed.cursor import (
    LATEST,
    UNDATED,
    VERSION,
    Cursor,
    Hint,
    layout,
    pack_hint,
)
from gateway.feed.reader import NOT_READ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.feed.cursor import Memory, Position
    from gateway.feed.filters import Filter
    from gateway.feed.reader import Reader, Row
    from gateway.model import Timestamp

RECENT = 4
"""Number of a list's latest rows from which its position is built, unless it has odd rows."""


class Positions:
    """The merged rows of a page; builds the cursor after any of them.

    ``size`` is the expected size of the next page. The result of ``memory`` is stored in the cursor
    after the row with the index ``top``, which is the one for polling.
    """

    def __init__(
        self, wanted: Filter, readers: Sequence[Reader], after: Cursor | None, size: int
    ) -> None:
        self.rows: list[Row] = []
        self.owners: list[Reader] = []
        self.top: int | None = None
        self.memory: Callable[[], Memory | None] = lambda: None
        self._indices: dict[bytes, list[int]] = {reader.key: [] for reader in readers}
        self._filter = wanted
        self._readers = readers
        self._after = after
        self._size = size

    def add(self, reader: Reader, row: Row) -> None:
        """Add the next row of the merge."""
        self._indices[reader.key].append(len(self.rows))
        self.rows.append(row)
        self.owners.append(reader)

    def top_cursor(self) -> Cursor:
        """Build the cursor above all rows."""
        return Cursor(
            version=VERSION,
            filter=self._filter.fingerprint,
            time=LATEST,
            returned=(),
            known=(),
            horizon=UNDATED,
            positions={},
            layout=self._layout,
            since=LATEST,
            hints=b"",
            memory=self.memory(),
        )

    def cursor(self, index: int) -> Cursor:
        """Build the cursor after a row; valid only once the page has all its rows."""
        row = self.rows[index]
        returned = [row.mark]
        known: list[bytes] = []
        # Undated logs all have the same position; the lists' positions show which were returned.
        if row.time != UNDATED:
            returned = [*self._same_time(index, -1), row.mark]
            if self._after is not None and self._after.time == row.time:
                returned = [*self._after.returned, *returned]
            known = self._same_time(index, 1)
            for reader in self._readers:
                # Waiting rows are ordered, and usually all of them are older.
                if reader.rows and reader.rows[0].time >= row.time:
                    known += [other.mark for other in reader.rows if other.time == row.time]
        return Cursor(
            version=VERSION,
            filter=self._filter.fingerprint,
            time=row.time,
            returned=tuple(returned),
            known=tuple(known),
            horizon=self._horizon(index),
            positions=self._positions(index, row.time),
            layout=self._layout,
            since=self.rows[0].time,
            hints=b"".join(self._hints(index)),
            memory=self.memory() if index == self.top else None,
        )

    def _hints(self, index: int) -> Iterator[bytes]:
        """Yield the hint for each reader after a row."""
        for reader, hints in zip(self._readers, self._packed, strict=True):
            indices = self._indices[reader.key]
            taken = bisect.bisect_right(indices, index)
            packed = hints.get(taken)
            if packed is None:
                packed = hints[taken] = pack_hint(
                    self._hint(reader, indices, taken), self.rows[0].time
                )
            yield packed

    @functools.cached_property
    def _packed(self) -> list[dict[int, bytes]]:
        """The hints of each reader, by the number of its rows that were returned."""
        return [{} for _ in self._readers]

    def _hint(self, reader: Reader, indices: Sequence[int], taken: int) -> Hint:
        if reader.error is not None:
            return Hint()
        time = self.rows[indices[taken]].time if taken < len(indices) else reader.next_time
        return Hint(None if time == NOT_READ else time, ended=time is None)

    @functools.cached_property
    def _special(self) -> list[Reader]:
        """The readers that may not be continued from the cursor's time alone."""
        return [reader for reader in self._readers if not (reader.is_plain and reader.rows)]

    def _positions(self, index: int, time: Timestamp) -> dict[bytes, Position]:
        found: dict[bytes, Position] = {}
        for reader in self._special:
            indices = self._indices[reader.key]
            taken = bisect.bisect_right(indices, index)
            position = self._position(reader, indices, taken, time)
            if position is not None:
                found[reader.key] = position
        return found

    def _position(
        self, reader: Reader, indices: Sequence[int], taken: int, time: Timestamp
    ) -> Position | None:
        pending = indices[taken:]
        if pending and reader.is_plain:
            return None
        if not reader.has_odd:
            indices, pending = indices[max(0, taken - RECENT) : taken], pending[:1]
        else:
            indices = indices[:taken]
        return reader.position(
            [self.rows[other] for other in indices],
            [*(self.rows[other] for other in pending), *reader.rows],
            time,
        )

    def _horizon(self, index: int) -> Timestamp:
        last = index + self._size
        return self._times[last] if self._size and last < len(self._times) else UNDATED

    @functools.cached_property
    def _times(self) -> list[Timestamp]:
        """The times of all rows that were read, returned or not, in order of the list."""
        waiting = (row.time for reader in self._readers for row in reader.rows)
        return [row.time for row in self.rows] + sorted(waiting, reverse=True)

    @functools.cached_property
    def _layout(self) -> bytes:
        return layout([reader.key for reader in self._readers])

    def _same_time(self, index: int, step: int) -> list[bytes]:
        marks = []
        other = index + step
        while 0 <= other < len(self.rows) and self.rows[other].time == self.rows[index].time:
            marks.append(self.rows[other].mark)
            other += step
        return marks


class Entry:
    """A log on a page; builds its cursor on demand."""

    def __init__(self, positions: Positions, index: int) -> None:
        row = positions.rows[index]
        self.log = replace(row.log, freshness=row.freshness)
        self.index = index
        self._positions = positions

    def cursor(self) -> Cursor:
        """Build the cursor; call it only for cursors that were selected, as it takes time."""
        return self._positions.cursor(self.index)
