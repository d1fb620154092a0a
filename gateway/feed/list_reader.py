"""The base of the classes that read a list page by page, one for each way of paging."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.feed.stream_pages import ListedRow, StreamPages
    from gateway.model import Timestamp
    from gateway.vendors.pages import Page

REPEATS = 3
"""How often a vendor may return the same page before its list counts as ended."""


class ListReader(abc.ABC):
    """Reads one upstream list page by page, each row once and in the vendor's order.

    There is one subclass for each way of paging: ``WindowReader``, ``OffsetReader`` and
    ``TokenReader``. ``ended`` is true if nothing follows. ``successor`` is the reader that
    continues a list that turned out not to support this one's way of paging. ``has_joined`` is true
    once a row was read that was returned before the operation. ``before`` are the times of the rows
    in order before the first one returned, and ``unordered`` is true if the list is not newest
    first.
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
        """Read on; return the new rows, possibly none. UpstreamError if the call fails."""

    def _note_before(self, page: Page, flags: Sequence[bool], fresh: Sequence[ListedRow]) -> None:
        """Record the times of the rows in order that precede the first new one."""
        if self.before or not fresh:
            return
        end = page.marks.index(fresh[0].mark)
        times = (log.triggered_at for log in page.logs[:end])
        self.before = [
            time for time, flag in zip(times, flags, strict=False) if flag and time is not None
        ]
