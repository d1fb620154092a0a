"""What readers of lists have in common, in whatever way a vendor pages its lists."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.feed.stream_pages import ListedRow, StreamPages
    from gateway.model import Timestamp
    from gateway.vendors.pages import Page

REPEATS = 3
"""How often a vendor may give the very same page before its list counts as ended."""


class ListReader(abc.ABC):
    """Reads one upstream list page by page, each row once and in the vendor's order.

    A way of paging is one subclass: ``WindowReader`` and ``OffsetReader`` so far; lists with page
    tokens would be a third. ``ended`` tells that nothing follows, ``successor`` is the reader that
    goes on where this one found that the list can't be read in its way. ``has_joined`` tells that
    a row was met that was given before the operation, ``before`` has the times of the rows in order
    before the first that is returned, and ``unordered`` tells that the list is not newest first.
    """

    def __init__(self, pages: StreamPages) -> None:
        self.pages = pages
        self.ended = False
        self.successor: ListReader | None = None
        self.has_joined = False
        self.before: Sequence[Timestamp] = ()
        self.unordered = False

    @abc.abstractmethod
    async def read(self) -> Sequence[ListedRow]:
        """Read on; return rows not seen before, perhaps none. UpstreamError if a call fails."""

    def _note_before(self, page: Page, flags: Sequence[bool], fresh: Sequence[ListedRow]) -> None:
        """Note the times of the rows in order that stand before the first new one."""
        if self.before or not fresh:
            return
        end = page.marks.index(fresh[0].mark)
        times = (log.triggered_at for log in page.logs[:end])
        self.before = [
            time for time, flag in zip(times, flags, strict=False) if flag and time is not None
        ]
