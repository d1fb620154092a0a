"""Pages with numbers are found, whatever size the vendor makes them and whether it says so."""

from __future__ import annotations

import pytest

from gateway.vendors.described.listing import Rows
from gateway.vendors.described.numbered_pages import NumberedPages

ROWS = list(range(103))


class Numbered:
    """A vendor whose pages have at most, or always, a number of rows; ``says`` whether it says."""

    def __init__(self, size: int, *, always: bool, says: bool) -> None:
        self._size = size
        self._always = always
        self._says = says

    async def __call__(self, limit: int, offset: int) -> Rows:
        size = self._size if self._always else min(limit, self._size)
        number = offset // limit
        rows = ROWS[number * size : (number + 1) * size]
        return Rows(rows, bool(rows), None, len(ROWS), size if self._says else None)


@pytest.mark.parametrize(("size", "always"), [(7, False), (20, False), (100, False), (80, True)])
async def test_page_begins_where_it_is_said_to_begin(size: int, *, always: bool) -> None:
    vendor = Numbered(size, always=always, says=True)
    for offset in (0, 10, 40, 50, 99):
        page, begin = await NumberedPages().at(offset, 50, vendor)
        assert page.rows == ROWS[begin : begin + len(page.rows)]
        # The page may be one before, never a later one: nothing is passed over.
        assert begin <= offset


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize(("size", "always"), [(7, False), (20, False), (100, False), (80, True)])
async def test_list_is_read_to_its_end_once(size: int, *, always: bool, says: bool) -> None:
    vendor = Numbered(size, always=always, says=says)
    pages, read = NumberedPages(), 0
    while read < len(ROWS):
        # The reader asks for pages of the size that was learnt.
        page, begin = await pages.at(read, pages.size or 50, vendor)
        assert page.rows
        assert begin <= read < begin + len(page.rows)
        read = begin + len(page.rows)
    assert pages.size == (size if says and size < 50 else pages.size)
