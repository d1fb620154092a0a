"""Read lists by offset: arrivals shift their rows down, and deletions shift them up.

If the vendor's totals can be trusted, a total that has not decreased shows that the next page joins
the last one. Otherwise each page begins with the last row of the previous one, as a check::

    list           g f e d c b a    page of 3: g f e
    f is deleted   g e d c b a      from the row e: d c b; without e, rows may be missing;
                                    from the row g: g e d, which contains e and joins

If a page does not join, pages further up are read until one contains a row that was read before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.feed.cursor import UNDATED, Anchor
from gateway.feed.list_reader import REPEATS, ListReader
from gateway.feed.order import in_order, is_unordered, positions
from gateway.model import CacheStatus
from gateway.vendors.pages import Page, Window

if TYPE_CHECKING:
    from gateway.feed.stream_pages import ListedRow, StreamPages
    from gateway.model import Timestamp

STEPS_DOWN = 3
"""Number of pages further down that are searched for a lost row in a list without times."""
MAX_STUCK = 20
"""Pages in turn that lead no further before a list counts as ended."""


class OffsetReader(ListReader):
    """Reads a list by offset; if ``until`` is set, within the logs that are not newer.

    It begins after ``anchor``, or else at ``offset``, after the row with the mark ``last``. In a
    list that is newest first, rows above ``bound`` were returned before. ``_last`` is the mark of
    the last row read, ``_offset`` the offset after it, and ``_total`` the vendor's count at the
    time.
    """

    def __init__(
        self,
        pages: StreamPages,
        *,
        offset: int = 0,
        until: Timestamp | None = None,
        anchor: Anchor | None = None,
        bound: Timestamp | None = None,
        last: bytes | None = None,
        unordered: bool = False,
    ) -> None:
        super().__init__(pages)
        self.unordered = unordered
        self._anchor = anchor
        self._offset = anchor.offset if anchor else offset
        self._until = anchor.until if anchor else until
        self._bound = bound
        self._limit = pages.source.page_size
        self._total = -1
        self._last = last
        self._resumes = anchor is not None
        self._ranks: dict[bytes, int] = {}
        """The marks of the rows read in this operation, with their order."""
        self._began = self._unreadable = 0
        """The offset of the first page, and how many rows could not be parsed."""
        self._lowest = bound
        """The time of the last row that was returned."""
        self._is_numbered = False
        """True once the vendor returned a whole page that contains the offset, as with page
        numbers."""
        self._overlap = 1
        """Number of rows of the last page to request again, so that pages join."""
        self._is_last = False
        """True if nothing followed the last row when its page was read again."""
        self._idle = 0
        self._marks: Sequence[bytes] = ()
        self._asked = -1
        self._stuck = self._furthest = 0
        """How many pages in turn led no further than the furthest, and where that ended."""
        self._cut_at = self._size = 0
        """Where the last page ended, and how many rows it had."""
        self._window = Window(limit=self._limit)

    async def read(self) -> Sequence[ListedRow]:
        """Read the page after the last one."""
        anchor, self._anchor = self._anchor, None
        if anchor is not None:
            page, begin = await self._find(anchor)
        elif self._last is None:
            page = await self._page(self._offset)
            begin = 0
        else:
            page, begin = await self._next(self._last)
        return self._take(page, begin)

    async def _page(self, offset: int, *, follows: bool = False) -> Page:
        self._window = Window(limit=self._limit, offset=offset, until=self._until)
        page = await self.pages.read(self._window, follows=follows)
        begin = self._begin(page)
        self._is_numbered = self._is_numbered or begin < offset
        is_full = page.read >= self.pages.facts.largest_page
        if is_full and begin + page.read <= offset and 0 < page.read < self._limit:
            # The vendor has page numbers, and pages smaller than requested.
            self._limit = page.read
            return await self._page(offset, follows=follows)
        return page

    def _begin(self, page: Page) -> int:
        return self._window.offset if page.offset is None else page.offset

    async def _find(self, anchor: Anchor) -> tuple[Page, int]:
        """Return the page with an anchor, and the index of the row after it."""
        page = await self._page(anchor.offset)
        begin = _index_after(page, anchor.mark)
        if begin is None and self.pages.freshness.status is not CacheStatus.MISS:
            # Cached pages may show the list at another time.
            self.pages.max_age = 0
            page = await self._page(self._offset)
            begin = _index_after(page, anchor.mark)
        if begin is None and 0 <= anchor.total < _total(page):
            # New logs have pushed the anchor down by their number.
            page = await self._page(anchor.offset + _total(page) - anchor.total)
            begin = _index_after(page, anchor.mark)
        step = 0
        while begin is None and step < STEPS_DOWN and self._is_lost(page):
            step += 1
            page = await self._page(anchor.offset + step * self._limit)
            begin = _index_after(page, anchor.mark)
        if begin is None:
            self.pages.max_age = 0
            return await self._read_back(page)
        self.pages.seen.update(page.marks[:begin])
        self._bound = None
        self.has_joined = True
        self._is_last = begin == len(page.marks)
        return page, begin

    def _is_lost(self, page: Page) -> bool:
        """Return whether neither a mark nor a time shows where the list was left."""
        return bool(page.marks) and (
            self.unordered
            or self._lowest == UNDATED
            or all(log.triggered_at is None for log in page.logs)
        )

    async def _next(self, last: bytes) -> tuple[Page, int]:
        """Return the page after the last row, and the index of the first row to take."""
        page, begin = await self._join(last)
        if begin is None and self.pages.freshness.status is not CacheStatus.MISS:
            self.pages.max_age = 0
            page, begin = await self._join(last)
        self._is_last = begin == len(page.marks)
        if begin is None:
            # The list changes fast, so overlap by more rows next time.
            self._overlap = min(5 * self._overlap, self._limit // 2 or 1)
            self.pages.max_age = 0
            return await self._read_back(page)
        return page, begin

    async def _join(self, last: bytes) -> tuple[Page, int | None]:
        trusted = self.pages.facts.trusts_totals and self._total >= 0
        # With page numbers, overlapping would return the whole last page again.
        is_passed = self._is_last or (self._is_numbered and self._idle > 0)
        overlap = 0 if trusted or is_passed else self._overlap
        page = await self._page(max(0, self._offset - overlap), follows=True)
        if self.pages.continued is not None:
            return page, 0
        index = _index_after(page, last)
        has_shrunk = 0 < _total(page) < self._total and not self.pages.facts.contradicted
        if self._is_last and not trusted and not has_shrunk:
            return page, index if self._begin(page) < self._window.offset else 0
        if trusted and _total(page) >= self._total:
            # Further down, the mark belongs to a repetition of the last row.
            arrived = _total(page) - self._total
            return page, index if index is not None and index <= arrived else 0
        if index is None and page.read and self._is_known(page, 0):
            # The last row was deleted, or is further down.
            self._bound = self._lowest
            return page, 0
        return page, index

    async def _read_back(self, page: Page) -> tuple[Page, int]:
        """Go back to the page with the last row that was read before, to read forward from there.

        After deletions, later rows have moved up to pages that were read before. Rows above the
        last one have arrived since.
        """
        self._bound = self._lowest
        step = self._limit
        while True:
            known = [index for index in range(len(page.marks)) if self._is_known(page, index)]
            begin = self._begin(page)
            if known:
                best = max(known, key=lambda index: (self._ranks.get(page.marks[index], -1), index))
                self._is_last = self._is_numbered and best + 1 == len(page.marks)
                return page, best + 1
            if begin == 0:
                if self._resumes and self._is_lost(page):
                    self.pages.report_loss(
                        "The list has changed so much that its place was lost. Begin without a"
                        " cursor to read it whole."
                    )
                    self.ended = True
                    return page, len(page.marks)
                return page, 0
            end = begin
            if not page.marks:
                # Most of the list was deleted, or the cursor is forged: going back page by page
                # would take too long.
                total = _total(page) if self.pages.facts.trusts_totals else -1
                end = min(end, total) if total >= 0 else end // 2
            page = await self._page(max(0, end - step))
            # Rows above those that were returned are skipped, so going back too far does no harm.
            step *= 2

    def _is_known(self, page: Page, index: int) -> bool:
        """Return whether a row was returned before, or is above all rows that were."""
        if page.marks[index] in self.pages.seen:
            return True
        if self.unordered or self._lowest is None:
            return False
        time = page.logs[index].triggered_at
        return time is not None and time > self._lowest

    def _take(self, page: Page, begin: int) -> Sequence[ListedRow]:
        """Return the new rows from an index on, and record how far the list was read."""
        offset = self._begin(page)
        times = [log.triggered_at for log in page.logs]
        flags = in_order(times)
        self.unordered = self.unordered or is_unordered(times, flags)
        bound = None if self.unordered else self._bound
        positioned = positions(times, flags, None)
        total = _total(page)
        if self.pages.continued is not None:
            total = -1 if self.pages.continued.total is None else self.pages.continued.total
        fresh = []
        for index, row in enumerate(self.pages.rows(page)):
            if row.mark in self.pages.seen:
                continue
            self.pages.seen.add(row.mark)
            if index < begin or (bound is not None and positioned[index] > bound):
                continue
            anchor = Anchor(offset + index, row.mark, total, self._until)
            fresh.append(replace(row, anchor=anchor))
            self._lowest = positioned[index]
        self._note_before(page, flags, fresh)
        if fresh:
            # From here on, the vendor's order decides what is new, not the times.
            self._bound = None
        if not self._ranks:
            self._began = offset
        self._unreadable += len(page.unreadable)
        for mark in page.marks:
            self._ranks[mark] = len(self._ranks)
        self._advance(page, fresh, total)
        return fresh

    def _advance(self, page: Page, fresh: Sequence[ListedRow], total: int) -> None:
        end = self.pages.end(page, self._window)
        if self._is_numbered and not fresh:
            # The next page number leads further, although this page may repeat rows.
            end = max(end, self._begin(page) + min(self._limit, page.read))
        # Where a page has room for the overlap only, two calls in turn ask for the same one.
        is_repeated = (
            bool(page.marks) and page.marks == self._marks and self._window.offset != self._asked
        )
        self._marks, self._asked = page.marks, self._window.offset
        self._idle = 0 if fresh else self._idle + 1
        facts = self.pages.facts
        if fresh and 0 < self._cut_at < end and self.pages.continued is None:
            facts.learn_cut(self._size)
        if self._is_numbered and facts.varies:
            self.pages.report_loss(
                "The vendor's pages change in size, so that their numbers lead astray."
            )
        # The last page number leads to the rows before an offset that has no row.
        begin = self._begin(page)
        largest = facts.largest_page or 1
        is_behind = 0 < begin <= self._window.offset - page.read and begin % largest == 0
        has_room = page.read < largest and not (
            facts.varies
            or (not is_behind if self._is_numbered else page.read > self._overlap)
            or (end < total and not facts.contradicted)
        )
        if (
            page.read == 0
            or facts.ends(page, end)
            # The page had room for more rows.
            or (not fresh and has_room and end >= self._furthest)
            or (not page.more and not page.repeats)
        ):
            self._end(end)
        elif self._idle >= REPEATS and is_repeated:
            self._end_repeated(page)
        elif self._stuck > MAX_STUCK:
            self.ended = True
            self.pages.report_loss(
                "The vendor's pages lead no further down; what follows can't be read."
            )
        if page.marks:
            self._last = page.marks[-1]
        self._offset, self._total = end, total
        self._cut_at, self._size = end, page.read
        self._stuck = 0 if fresh or end > self._furthest else self._stuck + 1
        self._furthest = max(end, self._furthest)

    def _end(self, end: int) -> None:
        self.ended = True
        if self._until is None:
            # Pages that repeat rows lead no further down, whatever their offsets are.
            self.pages.note_count(min(end, self._began + len(self._ranks) + self._unreadable))

    def _end_repeated(self, page: Page) -> None:
        """End a list whose vendor ignores offsets and returns the same page again and again."""
        self.ended = True
        is_whole = page.total == len(set(page.marks)) and not self.pages.facts.contradicted
        if not is_whole or page.read >= self._window.limit:
            self.pages.report_loss(
                f"The vendor returns the same page of {page.read} logs whatever is requested; the"
                " logs after it can't be read."
            )


def _index_after(page: Page, mark: bytes) -> int | None:
    """Return the index after the row with a mark, or None if the page does not contain it."""
    return page.marks.index(mark) + 1 if mark in page.marks else None


def _total(page: Page) -> int:
    return -1 if page.total is None else page.total
