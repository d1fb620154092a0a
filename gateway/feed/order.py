"""The position in time of each row of a list that is newest first, but for a few odd rows.

No contract promises an order. The rows whose times never rise are *in order*; any other row, and
each row without a time, is *odd* and takes the position of the row in order before it. So one odd
row changes nothing for the others::

    times      10:00  09:59  1999   11:00  none   09:58
    in order   yes    yes    no     no     no     yes
    positions  10:00  09:59  09:59  09:59  09:59  09:58

What stands at the end of a page can't be judged yet: behind 10:00, 09:59, 1999 may follow 09:58.
Such rows are held back until the rows behind them are read. A list that is not newest first at all
keeps its vendor's order, each row at the lowest time so far.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.feed.cursor import UNDATED
from gateway.model import Timestamp

if TYPE_CHECKING:
    from gateway.feed.stream_pages import ListedRow

TAIL = 3
"""Rows at the end of a page within which an odd one can't be told from one in order."""
LEAP = 3
"""How many times larger than any other step of its page a suspicious one is."""
SECOND = 1_000_000_000
"""What a suspicious step is larger than, too, in nanoseconds."""
UNDATED_PAGES = 3
"""Pages without any time that are held back until a time comes."""

Times = Sequence[Timestamp | None]


def in_order(times: Times, level: Timestamp | None = None) -> list[bool]:
    """Return for each row whether it belongs to the longest run of times that never rise.

    No time of the run is above ``level``. Of two runs of one length the earlier rows win.
    """
    before = level
    for time in times:
        if time is not None:
            if before is not None and time > before:
                break
            before = time
    else:
        return [time is not None for time in times]
    # Backwards, the run never falls: patience sorting in O(n log n).
    ends: list[int] = []
    indices: list[int] = []
    previous: dict[int, int | None] = {}
    for index in range(len(times) - 1, -1, -1):
        time = times[index]
        if time is None or (level is not None and time > level):
            continue
        length = bisect.bisect_right(ends, time)
        previous[index] = indices[length - 1] if length else None
        ends[length:] = [time, *ends[length + 1 :]]
        indices[length:] = [index, *indices[length + 1 :]]
    flags = [False] * len(times)
    found = indices[-1] if indices else None
    while found is not None:
        flags[found] = True
        found = previous[found]
    return flags


def is_unordered(times: Times, flags: Sequence[bool]) -> bool:
    """Return whether more than a few rows are out of order, so that the list is in another one."""
    dated = sum(time is not None for time in times)
    odd = dated - sum(flags)
    return odd > max(2, dated // 8) if dated > TAIL else 1 < odd == dated - 1


def settled(times: Times, flags: Sequence[bool], leaps: int = 1) -> int:
    """Return how many rows from the first on can be judged without those that follow the page.

    A suspicious step is looked for among the last ``leaps`` steps.
    """
    end = len(times)
    run = [index for index, flag in enumerate(flags) if flag]
    for index in range(max(0, end - TAIL), end):
        time = times[index]
        if time is not None and not flags[index]:
            # What is older than the odd row may be odd in its place.
            while index > max(0, end - 2 * TAIL) and (times[index - 1] or 0) < time:
                index -= 1  # noqa: PLW2901 - walked back from the odd row
            end = index
            break
    steps = [(times[one] or 0) - (times[other] or 0) for one, other in itertools.pairwise(run)]
    for count in range(1, leaps + 1):
        others = steps[:-count]
        if others and steps[-count] > max(LEAP * max(others), SECOND):
            end = min(end, run[-count])
    return end


def positions(times: Times, flags: Sequence[bool], level: Timestamp | None) -> list[Timestamp]:
    """Return the position in time of each row; those before the first in order stand with it."""
    first = next((time for time, flag in zip(times, flags, strict=True) if flag), None)
    before = level
    if before is None:
        before = UNDATED if first is None else first
    found = []
    for time, flag in zip(times, flags, strict=True):
        if flag and time is not None:
            before = time
        found.append(before)
    return found


class Placed(msgspec.Struct, frozen=True):
    """A row with its position in time; ``is_odd`` if that is not its own time."""

    row: ListedRow
    time: Timestamp
    is_odd: bool


class Order:
    """Gives the rows of one list their positions in time, which never rise.

    ``level`` is the highest position that the next row may have, or None for any. ``has_begun``
    tells that a row was given before, which stood there. ``unordered`` tells that the list is in
    another order than newest first.
    """

    def __init__(self, level: Timestamp | None, *, unordered: bool = False) -> None:
        self.level = level
        self.has_begun = False
        self.unordered = unordered
        self.held: list[ListedRow] = []
        self._undated_pages = 0

    def add(self, rows: Sequence[ListedRow], *, last: bool = False) -> list[Placed]:
        """Take the next rows in the vendor's order; return those that are placed by now.

        With ``last``, none follow, so none is held back.
        """
        rows = [*self.held, *rows]
        self.held = []
        times = [row.log.triggered_at for row in rows]
        flags = in_order(times, self.level)
        self.unordered = self.unordered or is_unordered(times, flags)
        if self.unordered:
            return self._place_lowest(rows)
        end = len(rows) if last else settled(times, flags)
        if rows and not self.has_begun and not any(flags) and not last:
            self._undated_pages += 1
            if self._undated_pages <= UNDATED_PAGES:
                end = 0
        self.held = rows[end:]
        placed = [
            Placed(row, time, not flag)
            for row, time, flag in zip(
                rows,
                positions(times, flags, self.level if self.has_begun else None),
                flags,
                strict=True,
            )
        ][:end]
        if placed:
            self.level = placed[-1].time
            self.has_begun = True
        return placed

    def _place_lowest(self, rows: Sequence[ListedRow]) -> list[Placed]:
        """Place each row at the lowest time so far, wherever the pages end."""
        placed = []
        times = [row.log.triggered_at for row in rows]
        level = self.level
        if not self.has_begun:
            first = next((time for time in times if time is not None), UNDATED)
            level = first if level is None else min(level, first)
        level = UNDATED if level is None else level
        for row, time in zip(rows, times, strict=True):
            level = level if time is None else min(level, time)
            placed.append(Placed(row, level, time != level))
        self.level = level
        self.has_begun = self.has_begun or bool(placed)
        return placed
