"""How a vendor pages and counts, learnt from the lists of its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.vendors.pages import Page

SMALL_PAGE = 8
"""Number of rows among which the odd ones of an ordered list can't be told from no order."""


class ListFacts(msgspec.Struct):
    """Observations about all lists of one source, since no contract states them.

    ``largest_page`` is the largest number of rows on one page: a page with fewer rows had room for
    more, unless ``varies`` is true, as it is once a page was smaller that more rows stood behind.
    ``exceeded`` is true once a total was larger than the end of its page, so that totals are not
    merely offset + length. ``contradicted`` is true once the rows of a list did not match its
    total, and ``confirmed`` once nothing stood behind as many rows as a total says. ``has_odd`` is
    true once a row was newer than those before it.
    """

    largest_page: int = 0
    exceeded: bool = False
    varies: bool = False
    contradicted: bool = False
    confirmed: bool = False
    has_odd: bool = False

    def learn(self, page: Page, end: int | None) -> bool:
        """Take a page into account; return False if it contradicts its own total.

        ``end`` is the offset after its last row, or None if offsets count within a window.
        """
        self.largest_page = max(self.largest_page, page.read)
        if page.total is None or end is None:
            return True
        if page.read == 0:
            self.contradicted = self.contradicted or end < page.total
            return True
        self.contradicted = self.contradicted or end > page.total
        self.exceeded = self.exceeded or page.total > end
        return end <= page.total

    def learn_cut(self, rows: int) -> None:
        """Record the number of rows of a page that turned out not to be the last."""
        self.varies = self.varies or rows < self.largest_page

    def are_too_small(self, limit: int) -> bool:
        """Return whether no page so far shows the order of its list, though it had the room."""
        return self.largest_page <= SMALL_PAGE < limit

    @property
    def trusts_totals(self) -> bool:
        """True while the source's totals look like the number of rows in its lists."""
        return self.exceeded and not self.contradicted

    def ends(self, page: Page, end: int) -> bool:
        """Return whether a trusted total shows that a page is the last one."""
        return (
            self.trusts_totals
            and not self.varies
            and page.total is not None
            and page.total <= end
            and page.read < self.largest_page
        )
