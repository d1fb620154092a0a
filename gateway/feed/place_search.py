"""Find the place where a list was left, among rows that are read downwards.

It is below the last row that was returned. If that is gone, the other rows that were returned show
where it was, and in a list that is newest first the times of all rows::

    returned       g f e        down to 10:05, the time of e
    e is gone      i h g f | d c b
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.feed.cursor import UNDATED

if TYPE_CHECKING:
    from gateway.feed.stream_pages import ListedRow
    from gateway.model import Timestamp

    Placed = tuple[ListedRow, Timestamp]
    """A row and its position."""

MIN_BELOW = 3
"""Rows below the place that show that its own row is gone; fewer may have wrong times."""


class PlaceSearch:
    """A search for the place below the row with a mark, from a page on.

    If ``from_top`` is true, the place is surely on that page or below.
    ``mark`` is empty if the row does not matter, and None if no row of the list was returned. In a
    list that is newest first, rows below the place have no position above ``bound``. ``seen`` are
    marks of rows above it. ``has_met`` is true once one of those was met, ``is_over`` once the
    place is found. The search has failed if it can't be on the pages read or below them.
    """

    def __init__(
        self, mark: bytes | None, bound: Timestamp | None, seen: set[bytes], *, from_top: bool
    ) -> None:
        self.from_top = from_top
        self.has_met = self.is_over = self.has_failed = False
        self._mark = mark
        self._bound = bound
        self._seen = seen
        self._joins = from_top
        """Whether the pages began above the place."""
        self._passed: list[bytes] = []
        self._waiting: list[Placed] = []
        """The rows below the place, unless the row with the mark is found below them."""

    def look(self, rows: Sequence[Placed], *, unordered: bool, last: bool) -> Sequence[Placed]:
        """Look at the rows of the next page; return all below the place once it is found."""
        bound = (
            None
            if unordered or (self._bound == UNDATED and self._mark is not None)
            else self._bound
        )
        marks = [row.mark for row, _ in rows]
        is_found = self._mark in marks
        begin = 0
        for index, mark in enumerate(marks):
            if mark == self._mark or (mark in self._seen and not is_found):
                begin = index + 1
        if begin:
            self.has_met = self._joins = True
            self._passed += [row.mark for row, _ in self._waiting]
            self._waiting.clear()
        for index, (row, time) in enumerate(rows):
            if index >= begin and (is_found or self._may_be_below(time, bound)):
                self._waiting.append((row, time))
            else:
                self._passed.append(row.mark)
                self._joins = self._joins or (bound is not None and time > bound)
        self.has_failed = not self._joins or (last and bound is None and not self._is_known)
        if not self.has_failed and (is_found or last or self._is_certain(bound)):
            self.is_over = True
            self._seen.update(self._passed)
            return self._waiting
        return []

    @property
    def _is_known(self) -> bool:
        """Whether rows show the place, or none was returned that could."""
        return self.has_met or self._mark is None

    def _may_be_below(self, time: Timestamp, bound: Timestamp | None) -> bool:
        if bound is None:
            return self._is_known
        # At the top of a list, no row shows where those without a time stand.
        return time <= bound and (time != UNDATED or self._mark is None)

    def _is_certain(self, bound: Timestamp | None) -> bool:
        """Return whether the row with the mark is gone, or does not matter."""
        if bound is None or not self._waiting:
            return False
        below = sum(
            time < bound and row.log.triggered_at is not None for row, time in self._waiting
        )
        return not self._mark or below >= MIN_BELOW
