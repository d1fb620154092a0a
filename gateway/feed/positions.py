"""Where the rows of a merged page stand, and the cursors behind them."""

from __future__ import annotations

import bisect
import functools
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.feed.cursor import UNDATED, VERSION, Anchor, Cursor, Place
from gateway.feed.reader import NOT_READ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.feed.filters import Filter
    from gateway.feed.reader import Reader, Row
    from gateway.model import Timestamp


class Places:
    """The rows that a merge gave, from which the cursor behind any of them is made.

    ``size`` is how many rows the next page will have.
    """

    def __init__(
        self, wanted: Filter, readers: Sequence[Reader], after: Cursor | None, size: int
    ) -> None:
        self.rows: list[Row] = []
        self._indices: dict[bytes, list[int]] = {reader.key: [] for reader in readers}
        self._filter = wanted
        self._readers = readers
        self._after = after
        self._size = size

    def add(self, reader: Reader, row: Row) -> None:
        """Take the next row of the merge."""
        self._indices[reader.key].append(len(self.rows))
        self.rows.append(row)

    def cursor(self, index: int) -> Cursor:
        """Make the cursor behind a row; only once the page has all its rows."""
        row = self.rows[index]
        given = [row.mark]
        known: list[bytes] = []
        # Undated logs all stand at one place, where the anchors tell what was given.
        if row.time != UNDATED:
            given = [*self._same_time(index, -1), row.mark]
            if self._after is not None and self._after.time == row.time:
                given = [*self._after.given, *given]
            known = self._same_time(index, 1)
            for reader in self._readers:
                # What waits is ordered, and mostly all of it is older.
                if reader.rows and reader.rows[0].time >= row.time:
                    known += [other.mark for other in reader.rows if other.time == row.time]
        return Cursor(
            version=VERSION,
            filter=self._filter.fingerprint,
            time=row.time,
            given=tuple(given),
            known=tuple(known),
            horizon=self._horizon(index),
            places={reader.key: self._place(reader, index) for reader in self._readers},
        )

    def _place(self, reader: Reader, index: int) -> Place:
        indices = self._indices[reader.key]
        taken = bisect.bisect_right(indices, index)
        before = (self._after.places.get(reader.key) if self._after else None) or Place()
        anchor = self.rows[indices[taken - 1]].anchor if taken else before.anchor
        if reader.error is not None:
            # What a failed stream did not give must not come later, out of order.
            return Place(anchor=anchor and Anchor(anchor.offset, b"", anchor.total))
        time = self.rows[indices[taken]].time if taken < len(indices) else reader.next_time
        return Place(None if time == NOT_READ else time, time is None, anchor)

    def _horizon(self, index: int) -> Timestamp:
        last = index + self._size
        return self._times[last] if self._size and last < len(self._times) else UNDATED

    @functools.cached_property
    def _times(self) -> list[Timestamp]:
        """The times of all rows that are read, given or not, in the order of the list."""
        waiting = (row.time for reader in self._readers for row in reader.rows)
        return [row.time for row in self.rows] + sorted(waiting, reverse=True)

    def _same_time(self, index: int, step: int) -> list[bytes]:
        marks = []
        other = index + step
        while 0 <= other < len(self.rows) and self.rows[other].time == self.rows[index].time:
            marks.append(self.rows[other].mark)
            other += step
        return marks


class Entry:
    """A log on a page, and how to get the cursor that stands behind it."""

    def __init__(self, places: Places, index: int) -> None:
        row = places.rows[index]
        self.log = replace(row.log, freshness=row.freshness)
        self._places = places
        self._index = index

    def cursor(self) -> Cursor:
        """Make the cursor; it costs work, so only for those that are asked for."""
        return self._places.cursor(self._index)
