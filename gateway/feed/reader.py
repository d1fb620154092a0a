"""One upstream list for the merge: rows with their positions in time."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.feed.cursor import UNDATED, Cursor, Hint, Position, stream_key
from gateway.feed.list_opener import open_list
from gateway.feed.offset_reader import OffsetReader
from gateway.feed.order import Order
from gateway.feed.ready import Row, Run, ready
from gateway.feed.stream_pages import StreamPages
from gateway.feed.window_reader import WindowReader, is_ignored
from gateway.model import CacheStatus, Freshness, Timestamp
from gateway.sources.windows import rounded, widest
from gateway.vendors.pages import Window

if TYPE_CHECKING:
    from gateway.cache import Cached
    from gateway.errors import UpstreamError
    from gateway.feed.list_reader import ListReader
    from gateway.feed.order import PositionedRow
    from gateway.vendors.pages import Page, Stream

NOT_READ = Timestamp(2**63 - 1)
"""The time of a row that is not read yet and may have any time, so the merge must read it first."""
MIN_BELOW = 3
"""Minimum number of rows in order below a bound that end a list; fewer may be odd."""
NOWHERE = Position()
"""The position of a list that the time of the cursor leads back to."""


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
        """The position down to which all rows were read, unless ``down_to`` is higher."""
        self.down_to = down_to
        self._below = 0
        self.known = 0
        """How many marks were known before the first row was read."""
        self._after = after
        self._run: Run | None = None
        """The rows that the list began with, if they were taken at once."""
        self._taken = 0
        """How many of them were taken."""
        self._held: Sequence[Row] = ()
        self._bound = after.time if after else None
        """The highest position that a row may have that was not returned."""
        self._again = False
        """Whether the list is read from its top, skipping what was returned."""
        self._passes_over = False
        """Whether rows of the cursor's time are skipped up to the first that was returned."""

    def resume(self, *, is_passed: bool, again: bool) -> None:
        """Apply what a reduced cursor knows about the list; see ``Reduced``."""
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
        return not was_read or self.has_odd or self.is_unordered

    def _was_returned(self, positioned: PositionedRow) -> bool:
        """Return whether a row of a list that is read from its top stands before the cursor."""
        if self._after is None or self._bound is None:
            return False
        if positioned.time != self._after.time or self._bound != self._after.time:
            return positioned.time > self._bound
        if positioned.row.mark in self._after.returned_marks:
            self._passes_over = False
            return True
        return self._passes_over

    def begin(self) -> bool:
        """Take the first rows at once, if their page is in the cache and that takes no wait.

        False where they have to be read one by one.
        """
        window = self._first_window()
        if window is None:
            return False
        kept = self.pages.peek(window)
        return kept is not None and self._begin_with(kept, window)

    def _first_window(self) -> Window | None:
        """Return the window of the page whose rows may be taken at once."""
        bound = self._bound
        if (
            self._again
            or self.before != NOWHERE
            or not (bound is None or self.stream.windowed)
            or self.exhausted
        ):
            return None
        until = None if bound is None else rounded(bound, self.stream.granularity)
        return Window(limit=self.source.page_size, until=until)

    def _begin_with(self, kept: Cached[Page], window: Window) -> bool:
        """Take the rows of the first page at once, unless they have to be read one by one."""
        page, until, bound = kept.value, window.until, self._bound
        facts = self.pages.facts
        positioned = ready(page, by_offset=not self.stream.windowed)
        if positioned is None:
            return False
        is_small = self.stream.windowed and facts.are_too_small(window.limit)
        # Lists with windows may turn out to need offsets.
        is_unclear = is_small or (self.stream.windowed and positioned.is_of_one_moment)
        needs_offsets = page.offset is not None and (until is not None or is_unclear)
        # Where there are none, it may have to be reported that logs are passed over.
        if needs_offsets or (is_small and until is not None):
            return False
        if self._after is None or bound is None or until is None:
            run: Run | None = positioned.from_top()
        elif is_ignored(
            positioned.newer_than(widest(until, self.stream.granularity)), len(page.logs)
        ):
            return False
        else:
            run = positioned.below(bound, self._after.returned_marks)
        if run is None:
            return False
        self._run = run
        self.waits_at = None
        self.pages.begin(kept, window)
        end = self.pages.end(page, window)
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
            above = run.count_above(bound)
            self._below = count - above
            count = min(count, above + MIN_BELOW)
        self.rows.extend(rows if count == len(rows) else rows[:count])
        if ended:
            self.has_odd = run.certain < len(rows)
            self.rows.extend(
                row
                for row in run.tail
                if self._below <= MIN_BELOW or row.time >= (bound or UNDATED)
            )
        else:
            self._held = rows[run.certain :]
        self.covered = self.rows[-1].time
        is_below = self._below >= MIN_BELOW or (above == 0 and not self.has_odd)
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
            return open_list(self.pages, NOWHERE, None)
        if self._after:
            met = len(self.pages.seen)
            self.pages.seen.update(self._after.returned)
            self.pages.seen.update(self.before.marks)
            self.pages.watched.update(self.before.marks)
            self.known = len(self.pages.seen) - met
        return open_list(self.pages, self.before, self._bound)

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
            and self.before == NOWHERE
            and not self.is_unordered
            and not self.is_by_offset
        )

    @property
    def next_time(self) -> Timestamp | None:
        """The time of the next row: NOT_READ until it is read, None if there is none."""
        if self.rows:
            return self.rows[0].time
        if self.exhausted:
            return None
        return NOT_READ if self.waits_at is None else self.waits_at

    @property
    def is_by_offset(self) -> bool:
        """Whether the list is read by offset, so far as is known."""
        if "_list" in self.__dict__:
            return isinstance(self._list, OffsetReader)
        before = self.before
        return not self.stream.windowed or before.from_top or before.anchor is not None

    @property
    def is_unordered(self) -> bool:
        """Whether the list is not newest first, so far as is known."""
        return self._order.unordered if "_order" in self.__dict__ else self.before.unordered

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
        if self._run is not None and not self.rows and not self.exhausted:
            await self._repeat()
        elif not self.rows and "_list" not in self.__dict__ and not self.pages.has_peeked:
            await self._begin_later()
        while not self.rows and not self.exhausted:
            await self._read()

    async def _begin_later(self) -> None:
        """Take the first rows at once, if their page is in the cache.

        One that was not may never be read again, so that nothing is kept with it.
        """
        window = self._first_window()
        if window is None:
            return
        kept = await self.pages.look(window)
        if kept.freshness.status is CacheStatus.HIT:
            self._begin_with(kept, window)

    async def _repeat(self) -> None:
        """Read the page that the list began with row by row, to continue after it."""
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
            if self._again and self._was_returned(each):
                continue
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
        """Return whether the rest of a list that is newest first lies below a bound."""
        if self.is_unordered or not positioned:
            return False
        return self._below >= MIN_BELOW or all(
            each.time < bound and not each.is_odd for each in positioned
        )

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
