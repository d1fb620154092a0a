"""Pages with numbers, whose size is the vendor's to choose.

A vendor may give fewer or more rows than requested, and may say so or not. Asked for in another
size, a number means other rows::

    requested: page 3 of 50      from row 100 on
    pages are of 20 rows: page 3 is from row 40 on, and row 100 is on page 6
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.vendors.described.listing import Rows

ReadRows = Callable[[int, int], Awaitable[Rows]]
"""Requests the page of a size that has a row, by the size and the number of rows before that."""


class NumberedPages:
    """Finds the page with a row; learns the size of pages where the vendor does not say it."""

    def __init__(self) -> None:
        self.size = 0
        """The rows of a page of a vendor that gives fewer than requested; 0 if it gives all."""
        self._larger = 0
        """The rows of a page of a vendor that gives more than requested, and does not say so."""
        self._smaller = 0
        """The rows of a page of a vendor that gives fewer than requested, and does not say so."""

    async def at(self, offset: int, limit: int, read: ReadRows) -> tuple[Rows, int]:
        """Return the page with the row after ``offset`` others, and the offset of its first row."""
        limit = max(min(limit, self._smaller or limit), self._larger)
        page, begin, size = await self._page(offset // limit, limit, read)
        if begin > offset:
            # The vendor's pages are larger than requested, so that number is of a later page.
            later = page
            page, begin, size = await self._page(offset // size, limit, read)
            if not later.rows and begin + len(page.rows) <= offset:
                page, begin = later, offset
        elif begin == offset // limit * limit and 0 < len(page.rows) <= offset - begin:
            # Either the list ends with that page, or the vendor's pages are smaller than requested
            # and it does not say so.
            number = offset // limit + 1
            following, after, _ = await self._page(number, limit, read)
            if following.rows:
                if size == limit:
                    # Asked for in this size, a page number means the same rows to the vendor.
                    self._smaller = len(page.rows)
                size = len(page.rows)
            begin = begin + len(page.rows) if after == number * limit else after
            page = following
        if size < limit:
            self.size = size
        return page, begin

    async def _page(self, number: int, size: int, read: ReadRows) -> tuple[Rows, int, int]:
        """Request a page by number, from 0; return it, its offset, and the size of pages."""
        page = await read(size, number * size)
        count = len(page.rows)
        if count > size and page.size is None:
            self._larger = size = count
        if number * size + count != page.total:
            # On the last page, the size may be the number of rows instead.
            size = page.size or size
        return page, number * size, size
