"""Find the position from which a list is continued after the rows that were returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.feed.cursor import UNDATED, Anchor, Position
from gateway.feed.reader import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.feed.reader import Reader
    from gateway.feed.ready import Row
    from gateway.model import Timestamp

RECENT_MARKS = 4
"""Number of a list's latest rows that a cursor contains, in case one is deleted."""
MAX_MARKS = 32
"""Maximum number of a list's odd rows that a cursor contains."""


def position_after(
    reader: Reader, returned: Sequence[Row], pending: Sequence[Row], time: Timestamp
) -> Position | None:
    """Return the position after the rows in ``returned``; None if the cursor's time is enough.

    ``pending`` are the rows that were read but not returned.
    """
    anchor = returned[-1].anchor if returned else reader.before.anchor
    recent = [row.mark for row in returned[-RECENT_MARKS:]]
    if anchor is not None:
        marks = tuple([*reader.before.marks, *recent][-RECENT_MARKS:])
        if reader.error is not None and not reader.is_unordered:
            # What a failed stream did not give must not come later, out of order.
            anchor = replace(anchor, mark=b"")
        return Position(anchor, None, marks, reader.is_unordered)
    if reader.is_by_offset and reader.stream.windowed and pending:
        return _offset_position(reader, returned, pending[0])
    if not reader.stream.windowed:
        return Position(unordered=True) if reader.is_unordered else None
    if reader.waits_at is not None:
        return None if reader.before == NOWHERE else reader.before
    waiting = [*pending, *reader.held]
    if waiting and not reader.has_odd and not reader.before.marks:
        return None
    return _window_position(reader, returned, waiting, time)


def _offset_position(reader: Reader, returned: Sequence[Row], first: Row) -> Position | None:
    """Return the position of a list that turned out to need offsets."""
    if first.anchor is None:
        return None
    at = first.anchor
    if returned and at.offset:
        anchor = Anchor(at.offset - 1, returned[-1].mark, -1, at.until)
        return Position(anchor, unordered=reader.is_unordered)
    return Position(None, at.until, (), reader.is_unordered, from_top=True)


def _window_position(
    reader: Reader, returned: Sequence[Row], waiting: Sequence[Row], time: Timestamp
) -> Position | None:
    """Return the time from which to continue, so that no odd row is missed or repeated."""
    # A row with a position below its own time must be requested by its own time.
    until = UNDATED
    for row in waiting:
        own = row.log.triggered_at or UNDATED
        until = max(until, row.until or UNDATED, own if own > row.time else UNDATED)
    if not waiting:
        # The next page, which is not read yet, overlaps by two rows.
        until = max(row.time for row in returned[-2:]) if returned else UNDATED
    marks = [mark for mark in reader.before.marks if reader.pages.may_repeat(mark, time)]
    marks += [row.mark for row in returned if row.log.triggered_at != row.time]
    if until == UNDATED and not marks:
        return None
    marks = list(dict.fromkeys(marks))[-MAX_MARKS:]
    return Position(None, None if until == UNDATED else until, tuple(marks))
