"""Read lists that only the vendor's own tokens continue; each names a page.

A token is a hint, as an offset is. Once the log has expired with which its page began, the vendor
refuses it, or returns an empty page. Then the page of the last row is read again, for the token
that follows now. If that page is gone, too, the list is read from its top, down to the place where
it was left::

    first page     g f e, then d      e is the last row
    d to a expire                     d is refused; the first page has no token any more: the end

    page of d      d c b, then a      c is the last row, and the cursor names d
    d is deleted   g f e, then c      d is refused; from the top, c is on the second page: c b a
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.errors import UpstreamError, without_frames
from gateway.feed.cursor import MAX_TOKEN, Anchor
from gateway.feed.list_reader import ListReader
from gateway.feed.order import in_order, is_unordered, positions
from gateway.feed.place_search import PlaceSearch
from gateway.vendors.pages import TOKEN_REFUSED, Window

if TYPE_CHECKING:
    from gateway.feed.place_search import Placed
    from gateway.feed.stream_pages import ListedRow, StreamPages
    from gateway.model import Timestamp
    from gateway.vendors.pages import Page

MIN_ABOVE = 3
"""Rows newer than the last page that show that a token led back; fewer may have wrong times."""
MAX_IDLE = 20
"""Pages in turn without a row that was not met before, after which a list counts as ended."""
MAX_RETURNS = 3
"""How often the place is looked for again without a new row below it."""
MAX_OFFSET = 2**31 - 1


class TokenReader(ListReader):
    """Reads a list by tokens, from its top or after ``anchor``.

    In a list that is newest first, rows above ``bound`` were returned before, or must not be. The
    next page is that of ``_token``, and ``_place`` is the last row read. ``_offset`` is the number
    of rows above the next page, as far as is known.
    """

    def __init__(
        self,
        pages: StreamPages,
        *,
        anchor: Anchor | None = None,
        bound: Timestamp | None = None,
        unordered: bool = False,
    ) -> None:
        super().__init__(pages)
        self.unordered = unordered
        self._place = anchor
        self._lowest = bound
        """The position of the last row, or of the cursor."""
        self._token = anchor.token if anchor else None
        self._offset = anchor.offset if anchor and anchor.token else 0
        self._is_whole = anchor is None and bound is None
        self._is_again = False
        """Whether the next page must be read anew, since it led nowhere."""
        self._search: PlaceSearch | None = None
        """The search for the place, until it is found."""
        if anchor is not None or (bound is not None and not unordered):
            self._search = self._new_search()
        self._highest: Timestamp | None = None
        self._level: Timestamp | None = None
        """The positions of the first and the last row of the last page."""
        self._gone: dict[str, UpstreamError | None] = {}
        """Tokens that were refused, and those of empty pages."""
        self._followed: set[str] = set()
        self._met: set[bytes] = set()
        """The tokens and the rows of the pages in turn."""
        self._idle = self._returns = 0

    async def read(self) -> Sequence[ListedRow]:
        """Read the next page, or look for the place again if that is gone."""
        token = self._token
        if token is not None and (error := self._gone.get(token)) is not None:
            raise error
        window = Window(limit=self.pages.source.page_size, token=token)
        try:
            page = await self.pages.read(window, anew=self._is_again)
        except UpstreamError as error:
            if token is None or error.status not in TOKEN_REFUSED:
                raise
            self._return(token, error)
            return []
        self._is_again = False
        is_from_top = self._search is not None and self._search.from_top
        if token is not None and not page.read and page.next_token is None and not is_from_top:
            self._return(token, None)
            return []
        if self._search is None and self._is_above_last(page):
            self._end_circle()
            return []
        fresh = self._take(page)
        if self._search is not None and self._search.has_failed:
            self._give_up_place()
        else:
            self._go_on(page, has_fresh=bool(fresh))
        return fresh

    def _new_search(self) -> PlaceSearch:
        return PlaceSearch(
            self._place.mark if self._place else None,
            self._lowest,
            self.pages.seen,
            # An older first page in the cache may begin below the place.
            from_top=self._token is None and (self._is_again or self._place is None),
        )

    def _return(self, token: str, error: UpstreamError | None) -> None:
        """Look for the place again, as a page is gone: on the last row's page, or from the top."""
        self._gone[token] = None if error is None else without_frames(error)
        self._returns += 1
        if self._returns > MAX_RETURNS:
            if error is not None:
                raise error
            self.ended = True
            return
        again = self._place.token if self._place is not None and self._search is None else None
        self._begin_again(None if again in self._gone else again)

    def _begin_again(self, token: str | None) -> None:
        self._token, self._is_again = token, True
        self._search = self._new_search()
        self.pages.max_age = 0
        self._level = None
        self._idle = 0
        self._followed.clear()
        self._met.clear()
        if token is None:
            self._offset = 0

    def _give_up_place(self) -> None:
        """Go on from the top, or end the list if the place was not found from there."""
        if self._search is not None and not self._search.from_top:
            self._begin_again(None)
            return
        self.ended = True
        self.pages.report_loss(
            "The list has changed so much that its place was lost. Begin without a cursor to read"
            " it whole."
        )

    def _take(self, page: Page) -> Sequence[ListedRow]:
        """Return the new rows of a page, with those that waited for the place to be found."""
        times = [log.triggered_at for log in page.logs]
        flags = in_order(times)
        self.unordered = self.unordered or is_unordered(times, flags)
        positioned = positions(times, flags, self._level)
        if any(flags):
            self._highest, self._level = positioned[0], positioned[-1]
        begin = self._begin(page)
        self._offset = min(begin + page.read, MAX_OFFSET)
        rows: Sequence[Placed] = [
            (replace(row, anchor=self._anchor(begin + index, row.mark)), time)
            for index, (row, time) in enumerate(zip(self.pages.rows(page), positioned, strict=True))
        ]
        if (search := self._search) is not None:
            rows = search.look(rows, unordered=self.unordered, last=page.next_token is None)
            self.has_joined = self.has_joined or search.has_met
            if search.is_over:
                self._search = None
        fresh = []
        for row, time in rows:
            if row.mark not in self.pages.seen:
                self.pages.seen.add(row.mark)
                fresh.append(row)
                self._place, self._lowest = row.anchor, time
        if fresh and fresh[0].mark in page.marks:
            self._note_before(page, flags, fresh)
        return fresh

    def _begin(self, page: Page) -> int:
        """Return the number of rows above a page, which is a guess after a cursor."""
        place = self._place
        if self._search is None or self._search.from_top or place is None:
            return self._offset
        if place.mark not in page.marks:
            return self._offset
        return max(0, place.offset - page.marks.index(place.mark))

    def _anchor(self, offset: int, mark: bytes) -> Anchor:
        is_short = self._token is not None and len(self._token) <= MAX_TOKEN
        return Anchor(min(offset, MAX_OFFSET), mark, token=self._token if is_short else None)

    def _go_on(self, page: Page, *, has_fresh: bool) -> None:
        """Choose the next page, or end the list."""
        if has_fresh:
            self._returns = 0
        is_new = bool(page.unreadable) or not self._met.issuperset(page.marks)
        self._met.update(page.marks)
        self._idle = 0 if is_new else self._idle + 1
        if self._token is not None:
            self._followed.add(self._token)
        token = page.next_token
        if token is None or (token in self._gone and self._gone[token] is None):
            self.ended = True
            if self._is_whole:
                self.pages.note_count(self.pages.listed)
        elif token in self._followed or self._idle > MAX_IDLE:
            self._end_circle()
        self._token = token

    def _is_above_last(self, page: Page) -> bool:
        """Return whether a page stands above the last one, so that its token led back."""
        times = [log.triggered_at for log in page.logs if log.triggered_at is not None]
        if self.unordered or self._highest is None or len(times) < MIN_ABOVE:
            return False
        return min(times) > self._highest

    def _end_circle(self) -> None:
        self.ended = True
        self.pages.report_loss(
            "The vendor's page tokens lead back to pages that were read before; what follows them"
            " can't be read."
        )
