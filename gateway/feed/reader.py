"""One upstream list for the merge: rows with their positions in time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway import ids
from gateway.feed.cursor import UNDATED, Anchor, Cursor, Hint, Position
from gateway.feed.offset_reader import OffsetReader
from gateway.feed.order import Order
from gateway.feed.stream_pages import StreamPages
from gateway.feed.window_reader import WindowReader
from gateway.model import Freshness, Timestamp, WebhookLog

if TYPE_CHECKING:
    from gateway.errors import UpstreamError
    from gateway.feed.list_reader import ListReader
    from gateway.feed.order import PositionedRow
    from gateway.vendors.pages import Stream

NOT_READ = Timestamp(2**63 - 1)
"""The time of a row that is not read yet and may have any time, so the merge must read it first."""
MIN_BELOW = 3
"""Minimum number of rows in order below a bound that end a list; fewer may be odd."""
RECENT_MARKS = 4
"""Number of a list's latest rows that a cursor contains, in case one is deleted."""
MAX_MARKS = 32
"""Maximum number of a list's odd rows that a cursor contains."""


class Row(msgspec.Struct, frozen=True):
    """A log with its position in the merged order.

    ``anchor`` is its position in a list with offsets. ``until`` is the time from which a list with
    windows must be requested to contain it again, if its own time may be wrong.
    """

    log: WebhookLog
    mark: bytes
    time: Timestamp
    anchor: Anchor | None
    freshness: Freshness
    until: Timestamp | None = None


class Reader:
    """One stream of one source, for one operation.

    It begins after the cursor ``after``, and ends when the list is below ``down_to``. ``rows`` are
    read but not yet taken. ``waits_at`` is no earlier than the time of the next row, if a cursor
    knows that: then it need not be read yet. ``error`` is the failure that ended the reading early;
    rows read before it remain valid.
    """

    def __init__(
        self,
        pages: StreamPages,
        *,
        after: Cursor | None = None,
        down_to: Timestamp | None = None,
    ) -> None:
        self.source = pages.source
        self.stream: Stream = pages.stream
        self.pages = pages
        self.key = stream_key(self.source.name, self.stream.key)
        self.rows: deque[Row] = deque()
        self.error: UpstreamError | None = None
        self.before = after.positions.get(self.key, Position()) if after else Position()
        self.waits_at: Timestamp | None = None
        self.exhausted = False
        self.has_odd = False
        self.covered = Timestamp(2**63 - 1)
        """The position down to which all rows were read, unless ``down_to`` is higher."""
        self.down_to = down_to
        self._below = 0
        bound = after.time if after else None
        self._order = Order(bound, unordered=self.before.unordered)
        self._list = self._begin(bound)
        if after:
            pages.seen.update(after.returned)
            pages.seen.update(self.before.marks)
            pages.watched.update(self.before.marks)
        self.known = len(pages.seen)
        """How many marks were known before the first row was read."""

    def _begin(self, bound: Timestamp | None) -> ListReader:
        before = self.before
        if before.from_top:
            return OffsetReader(
                self.pages, until=before.until, bound=bound, unordered=before.unordered
            )
        if self.stream.windowed and before.anchor is None:
            if bound == UNDATED:
                self.exhausted = True
            until = bound
            if before.until is not None and bound is not None:
                until = max(before.until, bound)
            return WindowReader(self.pages, until, bound)
        return OffsetReader(
            self.pages, anchor=before.anchor, bound=bound, unordered=before.unordered
        )

    @property
    def reads(self) -> Sequence[Freshness]:
        """The freshness of the pages read so far."""
        return self.pages.reads

    @property
    def is_plain(self) -> bool:
        """True if the list has windows, and is newest first so far."""
        return (
            self.stream.windowed
            and not self.has_odd
            and self.before == Position()
            and not self._order.unordered
            and isinstance(self._list, WindowReader)
        )

    @property
    def next_time(self) -> Timestamp | None:
        """The time of the next row: NOT_READ until it is read, None if there is none."""
        if self.rows:
            return self.rows[0].time
        if self.exhausted:
            return None
        return NOT_READ if self.waits_at is None else self.waits_at

    def hint(self, hint: Hint) -> None:
        """Apply a cursor's hint about how the list continues."""
        self.waits_at = hint.next
        self.exhausted = self.exhausted or hint.ended

    def end(self, error: UpstreamError) -> None:
        """Stop reading because of an error."""
        self.error = error
        self.exhausted = True

    async def fill(self) -> None:
        """Read until a row is ready or the list has ended; UpstreamError if a call fails."""
        self.waits_at = None
        while not self.rows and not self.exhausted:
            listed = await self._list.read()
            last = self._list.ended
            self._order.has_begun = self._order.has_begun or self._list.has_joined
            if not self._order.before:
                self._order.before += self._list.before
            positioned = self._order.add(listed, last=last)
            if self._order.unordered:
                self.pages.note(
                    "The vendor does not list its logs newest first; they stand in its own order."
                )
                self._list.unordered = True
                if isinstance(self._list, WindowReader) and self._list.reads_by_time:
                    self.pages.report_loss(
                        "The list is not newest first, and was asked for by time, which may pass"
                        " over logs."
                    )
            self._take(positioned)
            if last:
                self.exhausted = True
                self.covered = UNDATED
            if self._list.successor is not None:
                self._list = self._list.successor
            if not self.rows and not self.exhausted:
                await self.pages.take_turn()

    def _take(self, positioned: Sequence[PositionedRow]) -> None:
        for each in positioned:
            self.has_odd = self.has_odd or each.is_odd
            row = each.row
            is_below = self.down_to is not None and each.time < self.down_to
            own = row.log.triggered_at
            if is_below:
                self._below += not each.is_odd
                if self._below > MIN_BELOW and (own is None or own < (self.down_to or 0)):
                    continue
            self.rows.append(
                Row(row.log, row.mark, each.time, row.anchor, row.freshness, each.until)
            )
            self.covered = each.time
        if self.down_to is not None and self._is_below(positioned, self.down_to):
            self.exhausted = True
            self.covered = UNDATED

    def _is_below(self, positioned: Sequence[PositionedRow], bound: Timestamp) -> bool:
        """Return whether the rest of a list is below a bound; False if it is not newest first."""
        if self._order.unordered or not positioned:
            return False
        return self._below >= MIN_BELOW or all(
            each.time < bound and not each.is_odd for each in positioned
        )

    def position(
        self, returned: Sequence[Row], pending: Sequence[Row], time: Timestamp
    ) -> Position | None:
        """Return the position after the rows in ``returned``; None if the cursor's time is enough.

        ``pending`` are the rows that were read but not returned.
        """
        anchor = returned[-1].anchor if returned else self.before.anchor
        recent = [row.mark for row in returned[-RECENT_MARKS:]]
        if anchor is not None:
            marks = tuple([*self.before.marks, *recent][-RECENT_MARKS:])
            if self.error is not None and not self._order.unordered:
                # Rows that a failed stream did not return must not be returned later, out of order.
                anchor = msgspec.structs.replace(anchor, mark=b"")
            return Position(anchor, None, marks, self._order.unordered)
        if isinstance(self._list, OffsetReader) and self.stream.windowed and pending:
            return self._offset_position(returned, pending[0])
        if not self.stream.windowed:
            return Position(unordered=True) if self._order.unordered else None
        if self.waits_at is not None:
            return None if self.before == Position() else self.before
        waiting = [*pending, *self.held]
        if waiting and not self.has_odd and not self.before.marks:
            return None
        return self._window_position(returned, waiting, time)

    def _offset_position(self, returned: Sequence[Row], first: Row) -> Position | None:
        """Return the position of a list that turned out to need offsets."""
        if first.anchor is None:
            return None
        at = first.anchor
        if returned and at.offset:
            anchor = Anchor(at.offset - 1, returned[-1].mark, -1, at.until)
            return Position(anchor, unordered=self._order.unordered)
        return Position(None, at.until, (), self._order.unordered, from_top=True)

    @property
    def held(self) -> Sequence[Row]:
        """Rows that were read but have no position yet."""
        return [
            Row(row.log, row.mark, UNDATED, row.anchor, row.freshness, self._order.level)
            for row in self._order.held
        ]

    def _window_position(
        self, returned: Sequence[Row], waiting: Sequence[Row], time: Timestamp
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
        marks = [mark for mark in self.before.marks if self.pages.may_repeat(mark, time)]
        marks += [row.mark for row in returned if row.log.triggered_at != row.time]
        if until == UNDATED and not marks:
            return None
        marks = list(dict.fromkeys(marks))[-MAX_MARKS:]
        return Position(None, None if until == UNDATED else until, tuple(marks))


def stream_key(source: str, stream: str) -> bytes:
    """Return the mark of a list in cursors."""
    return ids.mark(f"{source}/{stream}")


def source_key(source: str) -> bytes:
    """Return the mark of a source in cursors."""
    return ids.mark(f"{source}//")
