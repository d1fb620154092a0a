"""Find the logs that are new to a polling client, however late a vendor lists them.

Comparing times is not enough. A vendor may list a log minutes after its time, a source may be down
for an hour, and one wrong clock may keep a log at the top for a day. So the cursor of the newest
page remembers the logs that were returned down to a time, its floor::

    seen by 10:00     09:59 09:57 09:55 | floor 09:50
    listed at 10:01   10:00 09:58 09:57 09:55 ...       10:00 and 09:58 are new

A source that failed, or was read from stale pages, keeps its earlier floor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.feed.cursor import UNDATED, source_key
from gateway.feed.memory import EVERY, LATENESS, time_of

if TYPE_CHECKING:
    from gateway.feed.cursor import Cursor
    from gateway.feed.reader import Reader
    from gateway.feed.ready import Row
    from gateway.model import Timestamp

__all__ = ["LATENESS", "NewRows"]


class NewRows:
    """Decides which rows of a merge are new since a cursor. Rows must be passed in merged order."""

    def __init__(self, before: Cursor) -> None:
        self._before = before
        self._memory = before.memory
        # Of those above a page in its moment, some may not have been given yet.
        returned = before.returned[-1:] if self._memory else before.returned
        self._at_cursor = {*returned, *before.known}
        self._passed: set[bytes] = set()
        self._is_below = False
        """Whether the log of the cursor was met."""
        self._seen = self._memory.marks if self._memory else frozenset()
        self.remembered = len(self._seen)
        self._given_all: frozenset[bytes] = frozenset()
        self._is_reduced = before.reduced is not None and before.reduced.through is not None

    def open(self, passed: frozenset[bytes]) -> None:
        """Take the lists that have given all logs of the cursor's time, if it names few of them."""
        self._given_all = passed

    def floor_of(self, key: bytes, source: str) -> Timestamp:
        """Return the time down to which a list has to be read."""
        floor = self._floor_of(key, source)
        # Where a moment has more logs than are remembered, the cursor stands among them.
        return self._before.time if self._before.time == floor - 1 else floor

    def _floor_of(self, key: bytes, source: str) -> Timestamp:
        if self._memory is None:
            return self._before.time
        return self._memory.floor_of(key, source_key(source))

    def is_remembered(self, reader: Reader, row: Row) -> bool:
        """Return whether the row is one of those that the cursor remembers."""
        if self._memory is None:
            return False
        found = row.mark[: self._memory.width] in self._seen or row.mark in self._at_cursor
        if found:
            self._passed.add(reader.key)
        self._is_below = self._is_below or row.mark in self._before.returned[-1:]
        return found

    def is_new(self, reader: Reader, row: Row) -> bool:
        """Return whether a row that is not remembered was not seen before."""
        before = self._before
        if self._memory is None:
            return self._is_above(reader, row)
        if time_of(row) >= self._floor_of(reader.key, reader.source.name):
            return True
        if row.time == UNDATED:
            # Of these only the order tells where they stand.
            return self._is_undated(reader) and reader.key not in self._passed
        # A cursor that names few logs of its time can't tell the others but by where they stand.
        return row.time == before.time and not (self._is_reduced and self._is_below)

    def _is_undated(self, reader: Reader) -> bool:
        undated = self._memory.undated if self._memory else ()
        return any(key in undated for key in (reader.key, source_key(reader.source.name), EVERY))

    def _is_above(self, reader: Reader, row: Row) -> bool:
        """Return whether a row stands before a cursor that remembers none."""
        before = self._before
        if row.mark in before.returned[-1:]:
            self._passed.add(b"")
        if row.time == UNDATED == before.time:
            return not self._passed
        if row.time != before.time:
            return row.time > before.time
        if self._is_reduced and row.mark not in before.returned:
            return reader.key in self._given_all
        # One of that time that was not met before is new.
        return row.mark in before.returned[:-1] or row.mark not in self._at_cursor
