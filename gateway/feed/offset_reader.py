"""Lists that are read by offset: arrivals shift them down, and deletions up.

Where the vendor's totals can be trusted, a total that has not become smaller tells that the next
page joins the last one. Else each page is asked for from the last row of the one before, which it
must contain::

    list           g f e d c b a    page of 3: g f e
    f is deleted   g e d c b a      from the row e: d c b, without e, so that nothing tells
                                    whether rows are missing; from the row g: g e d, which joins

A page that does not join is looked for further up, until one has a row that was read before.
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
"""Pages that a lost place in a list without times is looked for further down."""
MOST_STUCK = 20
"""Pages in turn that lead no further before a list counts as ended."""


class OffsetReader(ListReader):
    """Reads a list by offset, within what is no newer than ``until`` if that is given.

    It begins behind ``anchor``, or else at ``offset``, behind the row ``last``. What a list that is
    newest first has above ``bound`` was given before. Its state is ``_offset``, which is behind the
    last row read, ``_last``, which is that row, and ``_total``, the vendor's count at the time.
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
        """The rows read in this operation, in their order."""
        self._lowest = bound
        """The position in time of the last row that was given."""
        self._is_numbered = False
        """True once the vendor answered with a whole page that the offset is on."""
        self._overlap = 1
        """How many rows of the last page are asked for again, so that pages join."""
        self._is_last = False
        """True while nothing stood behind the last row when that was looked for again."""
        self._idle = 0
        self._marks: Sequence[bytes] = ()
        self._asked = -1
        self._stuck = self._furthest = 0
        """How many pages in turn led no further than the furthest, and where that ended."""
        self._cut_at = self._size = 0
        """Where the last page ended, and how many rows it had."""
        self._window = Window(limit=self._limit)

    async def read(self) -> Sequence[ListedRow]:
        """Read the page behind the last one."""
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
            # The vendor has page numbers, and pages smaller than asked for.
            self._limit = page.read
            return await self._page(offset, follows=follows)
        return page

    def _begin(self, page: Page) -> int:
        return self._window.offset if page.offset is None else page.offset

    async def _find(self, anchor: Anchor) -> tuple[Page, int]:
        """Return the page with an anchor, and the index of the row behind it."""
        page = await self._page(anchor.offset)
        begin = _behind(page, anchor.mark)
        if begin is None and self.pages.freshness.status is not CacheStatus.MISS:
            # Cached pages may show the list of another moment.
            self.pages.max_age = 0
            page = await self._page(self._offset)
            begin = _behind(page, anchor.mark)
        if begin is None and 0 <= anchor.total < _total(page):
            # Logs that arrived have pushed the anchor down by as many places.
            page = await self._page(anchor.offset + _total(page) - anchor.total)
            begin = _behind(page, anchor.mark)
        step = 0
        while begin is None and step < STEPS_DOWN and self._is_lost(page):
            step += 1
            page = await self._page(anchor.offset + step * self._limit)
            begin = _behind(page, anchor.mark)
        if begin is None:
            self.pages.max_age = 0
            return await self._read_back(page)
        self.pages.seen.update(page.marks[:begin])
        self._bound = None
        self.has_joined = True
        self._is_last = begin == len(page.marks)
        return page, begin

    def _is_lost(self, page: Page) -> bool:
        """Return whether neither a mark nor a time tells where the list was left."""
        return bool(page.marks) and (
            self.unordered
            or self._lowest == UNDATED
            or all(log.triggered_at is None for log in page.logs)
        )

    async def _next(self, last: bytes) -> tuple[Page, int]:
        """Return the page behind the last row, and the index of the first row to take."""
        page, begin = await self._join(last)
        if begin is None and self.pages.freshness.status is not CacheStatus.MISS:
            self.pages.max_age = 0
            page, begin = await self._join(last)
        self._is_last = begin == len(page.marks)
        if begin is None:
            # The list changes fast; next time, more rows are to join.
            self._overlap = min(5 * self._overlap, self._limit // 2 or 1)
            self.pages.max_age = 0
            return await self._read_back(page)
        return page, begin

    async def _join(self, last: bytes) -> tuple[Page, int | None]:
        trusted = self.pages.facts.trusts_totals and self._total >= 0
        # Page numbers lead to the whole last page, which tells as much, but nothing new.
        is_passed = self._is_last or (self._is_numbered and self._idle > 0)
        overlap = 0 if trusted or is_passed else self._overlap
        page = await self._page(max(0, self._offset - overlap), follows=True)
        if self.pages.continued is not None:
            return page, 0
        behind = _behind(page, last)
        has_shrunk = 0 < _total(page) < self._total and not self.pages.facts.contradicted
        if self._is_last and not trusted and not has_shrunk:
            return page, behind if self._begin(page) < self._window.offset else 0
        if trusted and _total(page) >= self._total:
            # Further down, the last row stands a second time.
            arrived = _total(page) - self._total
            return page, behind if behind is not None and behind <= arrived else 0
        if behind is None and page.read and self._is_known(page, 0):
            # Its last row is gone, or stands further down.
            self._bound = self._lowest
            return page, 0
        return page, behind

    async def _read_back(self, page: Page) -> tuple[Page, int]:
        """Find the page with the last row that was read before, from where to read forward again.

        What was deleted has let rows that stood behind it move up to pages that were read before.
        Newer rows than the last have arrived since.
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
                    self.pages.lose(
                        "The list has changed so much that its place was lost. Begin without a"
                        " cursor to read it whole."
                    )
                    self.ended = True
                    return page, len(page.marks)
                return page, 0
            behind = begin
            if not page.marks:
                # Most of the list was deleted, or the cursor made up: steps would take too long.
                total = _total(page) if self.pages.facts.trusts_totals else -1
                behind = min(behind, total) if total >= 0 else behind // 2
            page = await self._page(max(0, behind - step))
            # Rows above those that were given are skipped, so it does no harm to go up too far.
            step *= 2

    def _is_known(self, page: Page, index: int) -> bool:
        """Return whether a row was given before, or stands where all rows were."""
        if page.marks[index] in self.pages.seen:
            return True
        if self.unordered or self._lowest is None:
            return False
        time = page.logs[index].triggered_at
        return time is not None and time > self._lowest

    def _take(self, page: Page, begin: int) -> Sequence[ListedRow]:
        """Return the rows from an index on that are new, and note how far the list was read."""
        offset = self._begin(page)
        times = [log.triggered_at for log in page.logs]
        flags = in_order(times)
        self.unordered = self.unordered or is_unordered(times, flags)
        bound = None if self.unordered else self._bound
        placed = positions(times, flags, None)
        total = _total(page)
        if self.pages.continued is not None:
            total = -1 if self.pages.continued.total is None else self.pages.continued.total
        fresh = []
        for index, row in enumerate(self.pages.rows(page)):
            if row.mark in self.pages.seen:
                continue
            self.pages.seen.add(row.mark)
            if index < begin or (bound is not None and placed[index] > bound):
                continue
            anchor = Anchor(offset + index, row.mark, total, self._until)
            fresh.append(replace(row, anchor=anchor))
            self._lowest = placed[index]
        self._note_before(page, flags, fresh)
        if fresh:
            # From here on, the vendor's order tells what is new, not the times.
            self._bound = None
        for mark in page.marks:
            self._ranks[mark] = len(self._ranks)
        self._advance(page, fresh, total)
        return fresh

    def _advance(self, page: Page, fresh: Sequence[ListedRow], total: int) -> None:
        end = self.pages.end(page, self._window)
        if self._is_numbered and not fresh:
            # The next page number leads further, though rows may come twice on this page.
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
            self.pages.lose("The vendor's pages change in size, so that their numbers lead astray.")
        has_room = page.read < facts.largest_page and not (
            facts.varies
            or self._is_numbered
            or page.read > self._overlap
            or (end < total and not facts.contradicted)
        )
        if (
            page.read == 0
            or facts.ends(page, end)
            # The vendor had room for more.
            or (not fresh and has_room and end >= self._offset)
            or (not page.more and not page.repeats)
        ):
            self._end(end)
        elif self._idle >= REPEATS and is_repeated:
            self._end_repeated(page)
        elif self._stuck > MOST_STUCK:
            self.ended = True
            self.pages.lose("The vendor's pages lead no further down; what follows can't be read.")
        if page.marks:
            self._last = page.marks[-1]
        self._offset, self._total = end, total
        self._cut_at, self._size = end, page.read
        self._stuck = 0 if fresh or end > self._furthest else self._stuck + 1
        self._furthest = max(end, self._furthest)

    def _end(self, end: int) -> None:
        self.ended = True
        if self._until is None:
            self.pages.note_count(end)

    def _end_repeated(self, page: Page) -> None:
        """End a list whose vendor ignores offsets and gives the same page for ever."""
        self.ended = True
        if page.total != len(set(page.marks)) or page.read >= self._window.limit:
            self.pages.lose(
                f"The vendor repeats the same page of {page.read} logs whatever is asked for; what"
                " stands behind it can't be read."
            )


def _behind(page: Page, mark: bytes) -> int | None:
    """Return the index behind the row with a mark, or None where the page has none."""
    return page.marks.index(mark) + 1 if mark in page.marks else None


def _total(page: Page) -> int:
    return -1 if page.total is None else page.total
