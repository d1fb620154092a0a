"""One upstream list as the merge sees it: rows with their positions in time, ready to be taken."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway import ids
from gateway.feed.cursor import UNDATED, Anchor, Cursor, Hint, Position
from gateway.feed.offset_reader import OffsetReader
from gateway.feed.order import Order
from gateway.feed.ready import Row, Run, newer_than, ready
from gateway.feed.stream_pages import StreamPages
from gateway.feed.window_reader import FEW, SLACK, WindowReader
from gateway.model import Freshness, Timestamp
from gateway.vendors.pages import Window

if TYPE_CHECKING:
    from gateway.errors import UpstreamError
    from gateway.feed.list_reader import ListReader
    from gateway.feed.order import Placed
    from gateway.vendors.pages import Stream

NOT_READ = Timestamp(2**63 - 1)
"""The time of a row that is not read yet and may be any; the merge has to look at it first."""
ENOUGH_BELOW = 3
"""Rows in order below a bound that end a list; fewer may be odd."""
RECENT_MARKS = 4
"""Rows given last of a list with offsets that a cursor knows, in case one is deleted."""
MOST_MARKS = 32
"""Odd rows of a list that a cursor knows."""
NOWHERE = Position()
"""The position of a list that the time of the cursor leads back to."""


class Reader:
    """One stream of one source, for one operation.

    It begins behind ``after``, and ends when the list lies below ``down_to``. ``rows`` are read
    and not yet taken; ``waits_at`` is no earlier than the time of the first of them where a cursor
    knows it, so that it need not be read yet. ``error`` is what ended the reading early; what was
    read before stays good.
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
        self.before = after.positions.get(self.key, NOWHERE) if after else NOWHERE
        self.waits_at: Timestamp | None = None
        self.exhausted = (
            after is not None
            and after.time == UNDATED
            and self.stream.windowed
            and self.before.anchor is None
            and not self.before.from_top
        )
        self.has_odd = False
        self.covered = Timestamp(2**63 - 1)
        """The position down to which all rows were read, unless ``down_to`` is above it."""
        self.down_to = down_to
        self._below = 0
        self._after = after
        self._run: Run | None = None
        """The rows that the list began with, if they were taken at once."""
        self._taken = 0
        """How many of them were taken."""
        self._held: Sequence[Row] = ()
        self._bound = after.time if after else None
        """The highest position that a row may have that was not given."""
        self._again = False
        """Whether the list is read from its top, and what was given is passed over."""
        self._passes_over = False
        """Whether rows of the cursor's time are passed over until one is met that was given."""

    def resume(self, *, is_passed: bool, again: bool) -> None:
        """Take what a reduced cursor knows about the list: see ``Reduced``."""
        after = self._after
        if after is None or after.reduced is None:
            return
        if is_passed:
            self.exhausted = self.exhausted or after.time == UNDATED
            self._bound = Timestamp(max(after.time - 1, UNDATED))
        if again and self.before == NOWHERE and not (is_passed and after.time == UNDATED):
            self._again = True
            through = after.reduced.through
            is_own = through is not None and through[1] == self.key
            self._passes_over = after.reduced.partial and is_own
            self.exhausted = False

    @property
    def is_read_again(self) -> bool:
        """Whether the list has to be read from its top the next time, too."""
        if not self._again:
            return False
        was_read = "_list" in self.__dict__ and self.waits_at is None and self.error is None
        return not was_read or self.has_odd or self._is_unordered

    def _was_given(self, placed: Placed) -> bool:
        """Return whether a row of a list that is read from its top stands before the cursor."""
        if self._after is None or self._bound is None:
            return False
        if placed.time != self._after.time or self._bound != self._after.time:
            return placed.time > self._bound
        if placed.row.mark in self._after.given_marks:
            self._passes_over = False
            return True
        return self._passes_over

    def begin(self) -> bool:
        """Take the first rows at once; False where they have to be read one by one."""
        until = self._bound
        if (
            self._again
            or self.before != NOWHERE
            or not (until is None or self.stream.windowed)
            or self.exhausted
        ):
            return False
        window = Window(limit=self.source.page_size, until=until)
        kept = self.pages.peek(window)
        if kept is None:
            return False
        page = kept.value
        placed = ready(page, by_offset=not self.stream.windowed)
        if placed is None or (until is not None and page.offset is not None):
            return False
        if self._after is None or until is None:
            run: Run | None = placed.from_top()
        elif placed.newer_than(Timestamp(until + SLACK)) > FEW:
            return False
        else:
            run = placed.below(until, self._after.given_marks)
        if run is None:
            return False
        self._run = run
        self.waits_at = None
        self.pages.begin(kept, window)
        end = self.pages.end(page, window)
        facts = self.pages.facts
        ended = not page.more or (page.offset is not None and facts.ends(page, end))
        if ended and until is None:
            self.pages.note_count(end)
        self._take_run(run, ended=ended)
        return True

    def _take_run(self, run: Run, *, ended: bool) -> None:
        """Do what ``_take`` does with the rows, which are all in order, without a look at each."""
        rows, bound = run.rows, self.down_to
        count, above = run.certain, run.certain
        if bound is not None:
            above = newer_than(rows, bound - 1, count)
            self._below = count - above
            count = min(count, above + ENOUGH_BELOW)
        self.rows.extend(rows if count == len(rows) else rows[:count])
        if ended:
            self.has_odd = run.certain < len(rows)
            self.rows.extend(
                row
                for row in run.tail
                if self._below <= ENOUGH_BELOW or row.time >= (bound or UNDATED)
            )
        else:
            self._held = rows[run.certain :]
        self.covered = self.rows[-1].time
        is_below = self._below >= ENOUGH_BELOW or (above == 0 and not self.has_odd)
        if ended or is_below:
            self.exhausted = True
            self.covered = UNDATED
        self._taken = len(self.rows)

    @functools.cached_property
    def _order(self) -> Order:
        return Order(None if self._again else self._bound, unordered=self.before.unordered)

    @functools.cached_property
    def _list(self) -> ListReader:
        if self._again:
            return (WindowReader if self.stream.windowed else OffsetReader)(self.pages)
        if self._after:
            self.pages.seen.update(self._after.given)
            self.pages.seen.update(self.before.marks)
            self.pages.watched.update(self.before.marks)
        bound = self._bound
        before = self.before
        if before.from_top:
            return OffsetReader(
                self.pages, until=before.until, bound=bound, unordered=before.unordered
            )
        if self.stream.windowed and before.anchor is None:
            until = bound
            if before.until is not None and bound is not None:
                until = max(before.until, bound)
            return WindowReader(self.pages, until, bound)
        return OffsetReader(
            self.pages, anchor=before.anchor, bound=bound, unordered=before.unordered
        )

    @property
    def known(self) -> int:
        """How many marks were known before the first row was read."""
        if self._after is None or self._again:
            return 0
        return len({*self._after.given, *self.before.marks})

    @property
    def reads(self) -> Sequence[Freshness]:
        """How fresh the pages read so far are."""
        return self.pages.reads

    @property
    def is_plain(self) -> bool:
        """True if the list is one with windows, and newest first so far."""
        return (
            self.stream.windowed
            and not self.has_odd
            and self.before == NOWHERE
            and not self._is_unordered
            and not self._is_by_offset
        )

    @property
    def next_time(self) -> Timestamp | None:
        """When the next row happened: NOT_READ until it is read, None when there is none."""
        if self.rows:
            return self.rows[0].time
        if self.exhausted:
            return None
        return NOT_READ if self.waits_at is None else self.waits_at

    @property
    def _is_by_offset(self) -> bool:
        """Whether the list is read by offset, so far as is known."""
        if "_list" in self.__dict__:
            return isinstance(self._list, OffsetReader)
        before = self.before
        return not self.stream.windowed or before.from_top or before.anchor is not None

    @property
    def _is_unordered(self) -> bool:
        return self._order.unordered if "_order" in self.__dict__ else self.before.unordered

    def hint(self, hint: Hint) -> None:
        """Take what a cursor knows about how the list goes on."""
        self.waits_at = hint.next
        self.exhausted = self.exhausted or hint.ended

    def end(self, error: UpstreamError) -> None:
        """Read no further."""
        self.error = error
        self.exhausted = True

    async def fill(self) -> None:
        """Read on until a row is ready or the list has ended; UpstreamError if a call fails."""
        self.waits_at = None
        if self._run is not None and not self.rows and not self.exhausted:
            await self._repeat()
        while not self.rows and not self.exhausted:
            await self._read()

    async def _repeat(self) -> None:
        """Read the page that the list began with row by row, to go on behind it."""
        self._run = None
        self.has_odd, self._below = False, 0
        self.pages.repeat()
        await self._read()
        for _ in range(min(self._taken, len(self.rows))):
            self.rows.popleft()

    async def _read(self) -> None:
        """Read the next page of the list and place its rows."""
        listed = await self._list.read()
        last = self._list.ended
        self._order.has_begun = self._order.has_begun or self._list.has_joined
        if not self._order.before:
            self._order.before += self._list.before
        placed = self._order.add(listed, last=last)
        if self._order.unordered:
            self.pages.note(
                "The vendor does not list its logs newest first; they stand in its own order."
            )
            self._list.unordered = True
            if isinstance(self._list, WindowReader) and self._list.is_under_way:
                self.pages.lose(
                    "The list is not newest first, and was asked for by time, which may pass"
                    " over logs."
                )
        self._take(placed)
        if last:
            self.exhausted = True
            self.covered = UNDATED
        if self._list.successor is not None:
            self._list = self._list.successor
        if not self.rows and not self.exhausted:
            await self.pages.take_turn()

    def _take(self, placed: Sequence[Placed]) -> None:
        for each in placed:
            self.has_odd = self.has_odd or each.is_odd
            if self._again and self._was_given(each):
                continue
            row = each.row
            is_below = self.down_to is not None and each.time < self.down_to
            own = row.log.triggered_at
            if is_below:
                self._below += not each.is_odd
                if self._below > ENOUGH_BELOW and (own is None or own < (self.down_to or 0)):
                    continue
            self.rows.append(
                Row(row.log, row.mark, each.time, row.anchor, row.freshness, each.until)
            )
            self.covered = each.time
        if self.down_to is not None and self._is_below(placed, self.down_to):
            self.exhausted = True
            self.covered = UNDATED

    def _is_below(self, placed: Sequence[Placed], bound: Timestamp) -> bool:
        """Return whether the rest of a list that is newest first lies below a bound."""
        if self._is_unordered or not placed:
            return False
        return self._below >= ENOUGH_BELOW or all(
            each.time < bound and not each.is_odd for each in placed
        )

    def position(
        self, given: Sequence[Row], pending: Sequence[Row], time: Timestamp
    ) -> Position | None:
        """Return the position behind the rows given; None where the cursor's time says all.

        ``pending`` are the rows that were read and not given.
        """
        anchor = given[-1].anchor if given else self.before.anchor
        recent = [row.mark for row in given[-RECENT_MARKS:]]
        if anchor is not None:
            marks = tuple([*self.before.marks, *recent][-RECENT_MARKS:])
            if self.error is not None and not self._is_unordered:
                # What a failed stream did not give must not come later, out of order.
                anchor = replace(anchor, mark=b"")
            return Position(anchor, None, marks, self._is_unordered)
        if self._is_by_offset and self.stream.windowed and pending:
            return self._offset_position(given, pending[0])
        if not self.stream.windowed:
            return Position(unordered=True) if self._is_unordered else None
        if self.waits_at is not None:
            return None if self.before == NOWHERE else self.before
        waiting = [*pending, *self.held]
        if waiting and not self.has_odd and not self.before.marks:
            return None
        return self._window_position(given, waiting, time)

    def _offset_position(self, given: Sequence[Row], first: Row) -> Position | None:
        """Return the position of a list that was found to need offsets behind the rows given."""
        if first.anchor is None:
            return None
        at = first.anchor
        if given and at.offset:
            anchor = Anchor(at.offset - 1, given[-1].mark, -1, at.until)
            return Position(anchor, unordered=self._is_unordered)
        return Position(None, at.until, (), self._is_unordered, from_top=True)

    @property
    def held(self) -> Sequence[Row]:
        """Rows that were read and can't be placed yet."""
        if self._run is not None:
            level = self._run.rows[self._run.certain - 1].time
            return [replace(row, time=UNDATED, until=level) for row in self._held]
        if "_order" not in self.__dict__:
            return []
        return [
            Row(row.log, row.mark, UNDATED, row.anchor, row.freshness, self._order.level)
            for row in self._order.held
        ]

    def _window_position(
        self, given: Sequence[Row], waiting: Sequence[Row], time: Timestamp
    ) -> Position | None:
        """Return from where to go on by time, so that odd rows are neither missed nor repeated."""
        # What stands below its own time has to be asked for by that, however far the list is read.
        until = UNDATED
        for row in waiting:
            own = row.log.triggered_at or UNDATED
            until = max(until, row.until or UNDATED, own if own > row.time else UNDATED)
        if not waiting:
            # The next page, which is not read yet, overlaps by two rows.
            until = max(row.time for row in given[-2:]) if given else UNDATED
        marks = [mark for mark in self.before.marks if self.pages.comes_again(mark, time)]
        marks += [row.mark for row in given if row.log.triggered_at != row.time]
        if until == UNDATED and not marks:
            return None
        marks = list(dict.fromkeys(marks))[-MOST_MARKS:]
        return Position(None, None if until == UNDATED else until, tuple(marks))


@functools.lru_cache(maxsize=8192)
def stream_key(source: str, stream: str) -> bytes:
    """Return the mark of a list in cursors."""
    return ids.mark(f"{source}/{stream}")


def source_key(source: str) -> bytes:
    """Return the mark of a source in cursors."""
    return ids.mark(f"{source}//")
