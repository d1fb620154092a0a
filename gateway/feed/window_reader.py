"""Read lists by time, in windows of the logs that are not newer than a given time.

New logs shift nothing, and a page far down costs no more than the first. Two pages overlap by two
rows, so that rows that have swapped positions with their neighbours are not missed::

    first page            10:05 10:04 10:02 10:03
    window up to 10:04                10:04 10:02 10:03 10:01

A list whose pages are not newest first can't be continued by time. It is continued by offset,
within the same window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.feed.cursor import Anchor
from gateway.feed.list_reader import ListReader
from gateway.feed.offset_reader import OffsetReader
from gateway.feed.order import (
    CONTEXT,
    TAIL,
    Times,
    count_settled,
    in_order,
    is_of_one_moment,
    is_unordered,
    positions,
)
from gateway.model import Timestamp
from gateway.sources.windows import continuations, rounded, widest
from gateway.vendors.pages import Page, Window

if TYPE_CHECKING:
    from gateway.feed.stream_pages import ListedRow, StreamPages

SECOND = 1_000_000_000
OVERLAP = 2
"""Rows by which two windows usually overlap."""
MAX_REPEATS = 20
"""Number of pages without a new row after which the reader moves on to earlier times."""
MAX_NEWER = 3
"""Rows newer than its window that a page may have; more tell that the window was ignored."""


def is_ignored(newer: int, read: int) -> bool:
    """Return whether so many rows of a page are newer than its window that it was ignored."""
    return newer > MAX_NEWER or newer == read > 1


class WindowReader(ListReader):
    """Reads a list by time, from ``until``, or from the top if that is None.

    In a list that is newest first, rows above ``bound`` were returned before. The next request is
    for the logs not newer than ``_until``, after the first ``_offset`` of them. ``_from_top``
    counts the rows read before the first window.
    """

    def __init__(
        self,
        pages: StreamPages,
        until: Timestamp | None = None,
        bound: Timestamp | None = None,
    ) -> None:
        super().__init__(pages)
        self._granularity = pages.stream.granularity
        self._until = None if until is None else rounded(until, self._granularity)
        self._bound = bound
        self._last: bytes | None = None
        self._offset = 0
        self._from_top = 0
        self._idle = 0
        self._marks: Sequence[bytes] = ()
        self._exact = False
        """True once a window a little too wide had no new rows, until the next moment."""
        self._was_full = False
        """Whether the page of that wider window had no room for another row."""
        self._meets = True
        """Whether the last page had a row with a time that was seen before."""
        self._step = self._granularity
        """By how much to go down where the vendor lists no more of a moment."""
        self._crowded = 0
        """How many rows of one moment the vendor listed when more may have followed."""
        self._read = 0
        """Number of rows on the last page that had new ones."""
        self._met: list[Timestamp] = []
        """The times of the rows read so far."""
        self._newer = 0
        """How many of the last pages had only rows newer than their window."""
        self._dated = self._odd = 0
        self._context: Sequence[Timestamp] = ()
        """Times of the rows in order on the last page."""
        self._page: tuple[Page, Times, Sequence[bool], bool] | None = None
        """The page read last, by which the next window is chosen when it is needed. A bound method
        would make a cycle, which keeps the page until the collector runs."""

    @property
    def reads_by_time(self) -> bool:
        """True once a page was requested by time, and the list is still read that way."""
        return self._until is not None and self.successor is None

    async def read(self) -> Sequence[ListedRow]:
        """Read the next window."""
        self._choose_window()
        window = Window(
            limit=self.pages.source.page_size,
            offset=self._offset,
            until=self._until,
            exact=self._exact,
        )
        page = await self.pages.read(window)
        if self._until is not None and self._is_ignored(page, self._until):
            self.successor = OffsetReader(
                self.pages, offset=self._from_top, bound=self._bound, last=self._last
            )
            return []
        until = self._until
        fresh = []
        times = self._times(page)
        flags = in_order(times)
        positioned = positions(times, flags, None)
        # Before the first new row, a row that was seen was returned by an earlier operation.
        met = [
            time for mark, time in zip(page.marks, times, strict=True) if mark in self.pages.seen
        ]
        self.has_joined = self.has_joined or (self._bound is not None and bool(met))
        # Rows without a time may be in every window.
        self._meets = any(time is not None for time in met)
        for row, time in zip(self.pages.rows(page), positioned, strict=True):
            if row.mark not in self.pages.seen:
                self.pages.seen.add(row.mark)
                if self._bound is None or time <= self._bound:
                    fresh.append(row)
        # A row stays odd once it was, whatever other rows are on a page with it.
        if not all(flags):
            self.pages.facts.has_odd = True
            self.pages.watched.update(
                mark for mark, flag in zip(page.marks, flags, strict=True) if not flag
            )
        self._note_before(page, flags, fresh)
        if fresh:
            self._note_fresh(page, fresh)
        is_repeated = bool(page.marks) and page.marks == self._marks
        self._marks = page.marks
        self._idle = 0 if fresh else self._idle + 1
        if self._until is None and page.marks:
            self._from_top, self._last = self.pages.end(page, window), page.marks[-1]
        end = self.pages.end(page, window)
        if self._is_last(page, end, has_fresh=bool(fresh)):
            self._end(end)
        else:
            await self._check_size(page)
            self._switch_to_offsets(page, times, flags, end)
        if self.successor is None:
            self._page = (page, times, flags, is_repeated)
        else:
            indices = {mark: index for index, mark in enumerate(page.marks)}
            begin = end - page.read
            return [
                replace(row, anchor=Anchor(max(0, begin + indices[row.mark]), row.mark, -1, until))
                for row in fresh
            ]
        return fresh

    def _note_fresh(self, page: Page, fresh: Sequence[ListedRow]) -> None:
        """Take into account that a page has new rows, so that the one before was not the last."""
        self._bound = None
        if self._exact and not self._meets and not self._offset:
            self._lose_second()
        self._step = self._granularity
        if self._crowded:
            self._lose_crowd()
        if self._read and self.pages.continued is None:
            self.pages.facts.learn_cut(self._read)
        self._read = page.read
        self._met += [row.log.triggered_at for row in fresh if row.log.triggered_at]

    def _is_last(self, page: Page, end: int, *, has_fresh: bool) -> bool:
        has_room = page.read < self.pages.facts.largest_page and not self._is_cut(page)
        return (
            page.read == 0
            or (not page.more and not page.repeats)
            or (page.offset is not None and self.pages.facts.ends(page, end))
            or (not has_fresh and has_room)
        )

    def _is_cut(self, page: Page) -> bool:
        """Return whether a page without new rows may be short by the vendor's choice."""
        if self.pages.facts.varies or self._until is None:
            return self.pages.facts.varies
        known = sum(time <= self._until for time in self._met) - self._offset
        # A page that ends exactly after the usual overlap is hardly a coincidence: the list ends.
        return page.read < known or page.read > OVERLAP

    def _end(self, end: int) -> None:
        self.ended = True
        if self._exact and not self._marks and self._misses_rows():
            self._lose_second()
        self.pages.note_count(self.pages.listed if self._until is not None else end)

    def _is_ignored(self, page: Page, until: Timestamp) -> bool:
        """Return whether the vendor ignored the window and returned the list from the top."""
        if page.offset is not None and self.pages.continued is None:
            return True
        times = [log.triggered_at for log in page.logs]
        latest = widest(until, self._granularity)
        newer = sum(time is not None and time > latest for time in times)
        self._newer = self._newer + 1 if newer == len(times) > 0 else 0
        return is_ignored(newer, len(times)) or self._newer > 1

    def _times(self, page: Page) -> list[Timestamp | None]:
        """Return the times of a page, without those of rows that are known to be odd."""
        watched = self.pages.watched
        return [
            None if mark in watched else log.triggered_at
            for log, mark in zip(page.logs, page.marks, strict=True)
        ]

    async def _check_size(self, page: Page) -> None:
        """Report a loss if the pages are small by the vendor's choice, and not by a short list."""
        limit = self.pages.source.page_size
        is_small = self.pages.facts.are_too_small(limit) and self.pages.loss is None
        if is_small and page.offset is None and self._until is not None and self._idle == 0:
            top = await self.pages.read(Window(limit=limit), follows=False)
            if not set(page.marks) <= set(top.marks):
                self.pages.report_loss(
                    "The vendor's pages are too small to tell the order of the list, and it was"
                    " asked for by time, which may pass over logs."
                )

    def _switch_to_offsets(self, page: Page, times: Times, flags: Sequence[bool], end: int) -> None:
        """Continue by offset if the list is not newest first, or has no times."""
        dated = sum(time is not None for time in times)
        self._dated += dated
        self._odd += dated - sum(flags)
        is_page_unordered = is_unordered(times, flags)
        is_mostly_odd = self._odd > max(MAX_NEWER, self._dated // 8)
        if (is_mostly_odd or is_page_unordered) and self._until is not None:
            self.pages.report_loss(
                "The list is not newest first, and was asked for by time, which may pass over logs."
            )
        run = [time for time, flag in zip(times, flags, strict=True) if flag]
        is_small = self.pages.facts.are_too_small(self.pages.source.page_size)
        is_unclear = page.offset == 0 and (is_small or is_of_one_moment(run))
        if not run or is_mostly_odd or is_page_unordered or is_unclear:
            self.unordered = bool(run) and (is_mostly_odd or is_page_unordered)
            self.successor = OffsetReader(
                self.pages,
                offset=end,
                until=self._until,
                # To read the only row of a list once more would tell nothing, and cost a call.
                last=page.marks[-1] if page.marks and not (is_small and page.read == 1) else None,
                unordered=self.unordered,
            )

    def _choose_window(self) -> None:
        """Choose the next window, unless it is the first."""
        if self._page is None:
            return
        page, times, flags, is_repeated = self._page
        # Overlapping by a few more rows costs little, but rows above the window would be lost.
        end_of_run = count_settled(times, flags, max(TAIL, len(times) // 4), self._context)
        moments = [time for time, flag in zip(times, flags, strict=True) if flag]
        whole = [time for time in moments if time is not None]
        run = whole[: sum(flags[:end_of_run])] or whole
        self._context = run[-CONTEXT:]
        newest = rounded(run[0], self._granularity)
        is_moment = newest == rounded(run[-1], self._granularity) and len(run) == page.read
        if self._idle == 0 and self._until is None and is_moment:
            self._until, self._offset = newest, page.read
            return
        if self._idle == 0:
            for moment in continuations(run, page.read, self._granularity):
                if self._until is None or moment < self._until:
                    self._until, self._offset, self._exact = moment, 0, False
                    return
        if not self._exact and self._until is not None and max(whole) > self._until:
            # What is newer than the window, by less than a second, leaves no room for the rest.
            self._exact, self._offset = True, 0
            self._was_full = page.read >= self.pages.facts.largest_page
            return
        if self._idle and ((is_repeated and self._offset) or self._idle > MAX_REPEATS):
            self._skip_moment(page, run, max(whole) - min(whole))
            return
        # More logs share this time than a page has room for.
        self._offset += page.read

    def _skip_moment(self, page: Page, run: Sequence[Timestamp], span: int) -> None:
        """Skip a moment that has more logs than the vendor lists.

        ``span`` is the time between the newest and the oldest log of the page.
        """
        if span < self._granularity:
            self._crowded = page.read
            facts = self.pages.facts
            # A page with room for more ends its list, unless odd rows hint at another order.
            has_room = page.read < facts.largest_page and not facts.varies and not facts.has_odd
            if page.read > OVERLAP and not has_room:
                self._lose_crowd()
        lowest = run[-1] if self._until is None else min(run[-1], self._until)
        self._until = rounded(Timestamp(lowest - self._step), self._granularity)
        self._offset = 0
        # While the vendor goes on to list the same, it may heed no windows at all.
        self._step *= 10

    def _misses_rows(self) -> bool:
        """Return whether rows of a full page belong in the last window, which was empty."""
        until = self._until
        if until is None or self._offset or not self._was_full:
            return False
        return any(time <= until for time in self._met)

    def _lose_second(self) -> None:
        steps = max(SECOND, self._granularity)
        self.pages.report_loss(f"So many logs are of {_span(steps)} that some may be passed over.")

    def _lose_crowd(self) -> None:
        self.pages.report_loss(
            f"More than {self._crowded} logs share {_span(self._granularity)}; the vendor does not"
            " list the others."
        )


def _span(nanoseconds: int) -> str:
    """Return the words for a time in which logs can't be told apart."""
    if nanoseconds < SECOND:
        return "one millisecond"
    return "one second" if nanoseconds == SECOND else f"{nanoseconds // SECOND} seconds"
