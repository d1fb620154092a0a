"""Assign positions in time to the rows of a list that is newest first but for a few odd rows.

No API promises an order. The rows whose times never rise are *in order*; any other row, and each
row without a time, is *odd* and takes the position of the row in order before it. So one odd row
changes nothing for the others::

    times      10:00  09:59  1999   11:00  none   09:58
    in order   yes    yes    no     no     no     yes
    positions  10:00  09:59  09:59  09:59  09:59  09:58

The rows at the end of a page can't be classified yet: after 10:00, 09:59 and 1999, the next row may
be 09:58. Such rows are held back until the next rows are read. A list that is not newest first at
all keeps its vendor's order, and each row takes the lowest time so far.
"""

from __future__ import annotations

import bisect
import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.feed.cursor import UNDATED
from gateway.model import Timestamp

if TYPE_CHECKING:
    from gateway.feed.stream_pages import ListedRow

TAIL = 3
"""Number of rows at the end of a page that can't be classified without the next page."""
LEAP_FACTOR = 3
"""Minimum ratio of a suspicious step to any other step of its page."""
SECOND = 1_000_000_000
MIN_LEAP = 3600 * SECOND
"""Minimum size of a suspicious step, in nanoseconds."""
CONTEXT = 8
"""Number of rows in order whose times show which steps are usual."""
UNDATED_PAGES = 3
"""Maximum number of pages without any time that are held back until a time comes."""

Times = Sequence[Timestamp | None]


def in_order(times: Times, level: Timestamp | None = None) -> list[bool]:
    """Return for each row whether it is in the longest run of times that never rise.

    No time of the run is above ``level``. Of two runs of equal length, the one with earlier rows
    wins.
    """
    before = level
    for time in times:
        if time is not None:
            if before is not None and time > before:
                break
            before = time
    else:
        return [time is not None for time in times]
    # Read backwards, the run never falls: patience sorting in O(n log n).
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
    _prefer_small_steps(times, flags, level)
    return flags


def _prefer_small_steps(times: Times, flags: list[bool], level: Timestamp | None) -> None:
    """If 10:00 is followed by 1999 and 09:59, and either may be in the run, take 09:59."""
    run = [index for index, flag in enumerate(flags) if flag]
    highest = max((time for time in times if time is not None), default=None)
    for rank, index in enumerate(run):
        time = times[index]
        above = times[run[rank - 1]] if rank else level
        if above is None and len(run) == 1:
            above = highest
        end = run[rank + 1] if rank + 1 < len(run) else len(times)
        for other in range(index + 1, end):
            candidate = times[other]
            if candidate is None or time is None or above is None or not time < candidate <= above:
                continue
            if above - time > max(LEAP_FACTOR * (above - candidate), SECOND):
                flags[index], flags[other] = False, True
                break


def is_unordered(times: Times, flags: Sequence[bool]) -> bool:
    """Return whether so many rows are out of order that the list is not newest first."""
    if all(flags):
        return False
    dated = sum(time is not None for time in times)
    odd = dated - sum(flags)
    return odd > max(2, dated // 8) if dated > TAIL else 1 < odd == dated - 1


def is_of_one_moment(times: Times) -> bool:
    """Return whether rows in order, more than two, share one time: the list may have any order."""
    return len(times) > 2 and times[0] == times[-1]


def count_settled(
    times: Times, flags: Sequence[bool], leaps: int = TAIL, before: Iterable[Timestamp] = ()
) -> int:
    """Return the number of rows that can be classified without the next page.

    A suspicious step is looked for among the last ``leaps`` steps. ``before`` are the times of rows
    in order that precede the page.
    """
    end = len(times)
    run = [index for index, flag in enumerate(flags) if flag]
    for index in range(max(0, end - TAIL), end):
        time = times[index]
        if time is not None and not flags[index]:
            # The rows before an odd row that are older may be the odd ones instead.
            while index > max(0, end - 2 * TAIL) and (times[index - 1] or 0) < time:
                index -= 1  # noqa: PLW2901 - walked back from the odd row
            end = index
            break
    moments = [*before, *(times[index] or 0 for index in run)]
    steps = [one - other for one, other in itertools.pairwise(moments)]
    largest = list(itertools.accumulate(steps, max))
    for count in range(1, min(leaps, len(run), len(steps) - 1) + 1):
        least = SECOND if count == 1 else MIN_LEAP
        if steps[-count] > max(LEAP_FACTOR * largest[-count - 1], least):
            end = min(end, run[-count])
    return end


def positions(times: Times, flags: Sequence[bool], level: Timestamp | None) -> list[Timestamp]:
    """Return the position of each row; rows before the first in order take its position."""
    if all(flags):
        return [time for time in times if time is not None]
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


class PositionedRow(msgspec.Struct, frozen=True):
    """A row with its position in time.

    ``is_odd`` is true if the position is not the row's own time, or may not be: at the end of a
    list, nothing shows whether a row that is much older than its predecessor is in order. In that
    case ``until`` is the predecessor's time.
    """

    row: ListedRow
    time: Timestamp
    is_odd: bool
    until: Timestamp | None = None


class Order:
    """Assigns positions in time, which never rise, to the rows of one list.

    ``level`` is the highest position that the next row may have, or None for any. ``has_begun`` is
    true if a row with that position was returned before. ``unordered`` is true if the list is not
    newest first.
    """

    def __init__(self, level: Timestamp | None, *, unordered: bool = False) -> None:
        self.level = level
        self.has_begun = False
        self.unordered = unordered
        self.held: list[ListedRow] = []
        self.before: deque[Timestamp] = deque(maxlen=CONTEXT)
        """Times of the latest rows in order."""
        self._undated_pages = 0

    def add(self, rows: Sequence[ListedRow], *, last: bool = False) -> list[PositionedRow]:
        """Add the next rows in the vendor's order; return those that now have a position.

        If ``last`` is true, no rows follow, so none is held back.
        """
        rows = [*self.held, *rows]
        self.held = []
        times = [row.log.triggered_at for row in rows]
        flags = in_order(times, self.level)
        self.unordered = self.unordered or is_unordered(times, flags)
        if self.unordered:
            return self._position_lowest(rows)
        certain = count_settled(times, flags, before=self.before)
        end = len(rows) if last else certain
        if rows and not self.has_begun and not any(flags) and not last:
            self._undated_pages += 1
            if self._undated_pages <= UNDATED_PAGES:
                end = 0
        self.held = rows[end:]
        found = positions(times, flags, self.level if self.has_begun else None)
        before = found[certain - 1] if certain else None
        positioned = [
            PositionedRow(
                row, time, not flag or index >= certain, before if index >= certain else None
            )
            for index, (row, time, flag) in enumerate(zip(rows, found, flags, strict=True))
        ][:end]
        if positioned:
            self.level = positioned[-1].time
            self.has_begun = True
            self.before += [each.time for each in positioned if not each.is_odd]
        return positioned

    def _position_lowest(self, rows: Sequence[ListedRow]) -> list[PositionedRow]:
        """Assign to each row the lowest time so far, wherever the pages end."""
        positioned = []
        times = [row.log.triggered_at for row in rows]
        level = self.level
        if not self.has_begun:
            first = next((time for time in times if time is not None), UNDATED)
            level = first if level is None else min(level, first)
        level = UNDATED if level is None else level
        for row, time in zip(rows, times, strict=True):
            level = level if time is None else min(level, time)
            positioned.append(PositionedRow(row, level, time != level))
        self.level = level
        self.has_begun = self.has_begun or bool(positioned)
        return positioned
