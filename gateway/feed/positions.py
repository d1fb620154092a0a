"""The rows of a merged page, and the cursors after them."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from msgspec.structs import replace

from gateway.feed.cursor import (
    LATEST,
    UNDATED,
    VERSION,
    Cursor,
    Hint,
    Reduced,
    layout,
    pack_hint,
    source_key,
)
from gateway.feed.reader import NOT_READ
from gateway.feed.reduce import MAX_BYTES, pack_again, reduced
from gateway.feed.resume import position_after
from gateway.model import Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.feed.cursor import Memory, Position
    from gateway.feed.filters import Filter
    from gateway.feed.reader import Reader
    from gateway.feed.ready import Row
    from gateway.model import Freshness, WebhookLog

MARK_BYTES, POSITION_BYTES, FIXED_BYTES = 8, 400, 100
"""What parts of a cursor take at most; of a position, beside its many odd rows."""
MAX_LEVELS = 14
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
        self.seen_above: Sequence[int] = ()
        """The indices of rows above the top that were given before."""
        self.memory: Callable[[Positions], Memory | None] = lambda _: None
        self._filter = wanted
        self._readers = readers
        self._after = after
        self._size = size
        self._packed: tuple[bytearray | None, int] = (None, -1)
        """The hints that were packed last, and the row that they follow."""

    def add(self, reader: Reader, row: Row) -> None:
        """Take the next row of the merge."""
        self.rows.append(row)
        self.owners.append(reader)

    @functools.cached_property
    def _indices(self) -> dict[bytes, list[int]]:
        """The indices of each reader's rows."""
        found: dict[bytes, list[int]] = {reader.key: [] for reader in self._readers}
        for index, owner in enumerate(self.owners):
            found[owner.key].append(index)
        return found

    def extend(self, reader: Reader, rows: Sequence[Row]) -> None:
        """Take the next rows of the merge, which are of one list."""
        self.rows += rows
        self.owners += [reader] * len(rows)

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
            memory=self.memory(self),
        )

    def cursor(self, index: int) -> Cursor:
        """Build the cursor after a row; valid only once the page has all its rows."""
        row = self.rows[index]
        returned = [row.mark]
        known: list[bytes] = []
        # Undated logs all have the same position; the lists' positions show which were returned.
        if row.time != UNDATED:
            returned = [*reversed(self._same_time(index, -1)), row.mark]
            if self._after is not None and self._after.time == row.time:
                returned = [*self._after.returned, *returned]
            known = self._same_time(index, 1)
            if index == self.top:
                above = (self.rows[other] for other in self.seen_above)
                known += [other.mark for other in above if other.time == row.time]
            if row.time <= self._waiting_top:
                for reader in self._readers:
                    if reader.rows and reader.rows[0].time >= row.time:
                        known += [other.mark for other in reader.rows if other.time == row.time]
        found = Cursor(
            version=VERSION,
            filter=self._filter.fingerprint,
            time=row.time,
            returned=tuple(returned),
            known=tuple(known),
            horizon=self._horizon(index),
            positions=self._positions(index, row.time),
            layout=self._layout,
            since=self.rows[0].time,
            hints=self._hints(index),
            memory=self.memory(self) if index == self.top else None,
            reduced=self._again,
        )
        after = self._after
        before = after.reduced if after is not None and after.time == row.time else None
        if before is None and self._is_short(found):
            return found
        own = self.owners[index]
        through = source_key(own.source.name), own.key
        return reduced(found, self._readers, self._own(index), through, self._levels(index), before)

    def _is_short(self, cursor: Cursor) -> bool:
        """Return whether a cursor is certainly short enough."""
        marks = len(cursor.returned) + len(cursor.known)
        most = MARK_BYTES * marks + POSITION_BYTES * len(cursor.positions) + len(cursor.hints)
        return cursor.memory is None and most < MAX_BYTES - FIXED_BYTES

    @functools.cached_property
    def _again(self) -> Reduced | None:
        """The lists that have to be read from their top again."""
        again = frozenset(reader.key for reader in self._readers if reader.is_read_again)
        if not again:
            return None
        return Reduced(again=pack_again([reader.key for reader in self._readers], again))

    def _own(self, index: int) -> list[bytes]:
        """Return the returned marks of a row's time that are of its list."""
        row, own = self.rows[index], self.owners[index]
        first = index
        while first and self.rows[first - 1].time == row.time:
            first -= 1
        marks = [
            self.rows[other].mark for other in range(first, index + 1) if self.owners[other] is own
        ]
        after = self._after
        if first == 0 and after is not None and after.time == row.time:
            through = after.reduced.through if after.reduced else None
            if through is None or through[1] == own.key:
                marks = [*after.returned, *marks]
        return marks

    def _levels(self, index: int) -> list[Timestamp]:
        """Estimate the times at which the next pages end: each just below their last rows."""
        levels: list[Timestamp] = []
        step = self._size or len(self.rows)
        at = index + step
        while at < len(self._times) and len(levels) < MAX_LEVELS and self._times[at] > 0:
            level = Timestamp(self._times[at] - 1)
            if not levels or level < levels[-1]:
                levels.append(level)
            if len(levels) > 4:
                step *= 2
            at += step
        return levels

    def _hints(self, index: int) -> bytes:
        """Return the hints for all readers after a row."""
        packed, at = self._packed
        if index < at or packed is None:
            packed = bytearray()
            for reader in self._readers:
                indices = self._indices[reader.key]
                taken = bisect.bisect_right(indices, index)
                packed += pack_hint(self._hint(reader, indices, taken), self.rows[0].time)
        else:
            for owner in dict.fromkeys(self.owners[at + 1 : index + 1]):
                indices = self._indices[owner.key]
                taken = bisect.bisect_right(indices, index)
                order = 2 * self._orders[owner]
                packed[order : order + 2] = pack_hint(
                    self._hint(owner, indices, taken), self.rows[0].time
                )
        self._packed = packed, index
        return bytes(packed)

    @functools.cached_property
    def _orders(self) -> dict[Reader, int]:
        return {reader: order for order, reader in enumerate(self._readers)}

    def _hint(self, reader: Reader, indices: Sequence[int], taken: int) -> Hint:
        if reader.error is not None:
            return Hint()
        time = self.rows[indices[taken]].time if taken < len(indices) else reader.next_time
        return Hint(None if time == NOT_READ else time, ended=time is None)

    @functools.cached_property
    def _waiting_top(self) -> Timestamp:
        """The time of the newest row that waits."""
        return max(
            (reader.rows[0].time for reader in self._readers if reader.rows), default=UNDATED
        )

    @functools.cached_property
    def _special(self) -> tuple[list[Reader], dict[bytes, Position]]:
        """The readers that the cursor's time alone may not lead back to.

        Those with a position that is the same behind each row come with it.
        """
        special: list[Reader] = []
        constant: dict[bytes, Position] = {}
        for reader in self._readers:
            if (reader.is_plain and reader.rows) or reader.is_read_again:
                continue
            if self._indices[reader.key] or reader.before.marks or reader.has_odd:
                special.append(reader)
            elif (position := self._position(reader, [], 0, UNDATED)) is not None:
                constant[reader.key] = position
        return special, constant

    def _positions(self, index: int, time: Timestamp) -> dict[bytes, Position]:
        special, constant = self._special
        found = dict(constant)
        for reader in special:
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
        return position_after(
            reader,
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
    """A log on a page; builds its cursor on demand.

    ``record`` is the log as it is cached, the same object for every page and caller.
    """

    def __init__(self, positions: Positions, index: int) -> None:
        self.record = positions.rows[index].log
        self.index = index
        self._positions = positions

    @property
    def freshness(self) -> Freshness:
        """How fresh the page is that the log is on."""
        row = self._positions.rows[self.index]
        return row.freshness or self._positions.owners[self.index].reads[0]

    @functools.cached_property
    def log(self) -> WebhookLog:
        """A copy of the record, with its freshness."""
        return replace(self.record, freshness=self.freshness)

    def cursor(self) -> Cursor:
        """Build the cursor; call it only for cursors that were selected, as it takes time."""
        return self._positions.cursor(self.index)


class Entries(Sequence[Entry]):
    """The logs on a page, by the indices of their rows; an entry is made when it is looked at."""

    def __init__(self, positions: Positions, indices: Sequence[int]) -> None:
        self._positions = positions
        self._indices = indices

    @property
    def records(self) -> Sequence[WebhookLog]:
        """The logs as they are cached."""
        rows = self._positions.rows
        return [rows[index].log for index in self._indices]

    @functools.cached_property
    def _entries(self) -> Sequence[Entry]:
        return [Entry(self._positions, index) for index in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        return self._entries[index]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)
