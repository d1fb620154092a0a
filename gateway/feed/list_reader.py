"""What readers of lists have in common, in whatever way a vendor pages its lists."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.feed.stream_pages import ListedRow, StreamPages

REPEATS = 3
"""How often a vendor may give the very same page before its list counts as ended."""


class ListReader(abc.ABC):
    """Reads one upstream list page by page, each row once and in the vendor's order.

    A way of paging is one subclass: ``WindowReader`` and ``OffsetReader`` so far; lists with page
    tokens would be a third. ``ended`` tells that nothing follows, ``successor`` is the reader that
    goes on where this one found that the list can't be read in its way. ``has_joined`` tells that
    a row was met that was given before the operation, and ``unordered`` that the list is not newest
    first.
    """

    def __init__(self, pages: StreamPages) -> None:
        self.pages = pages
        self.ended = False
        self.successor: ListReader | None = None
        self.has_joined = False
        self.unordered = False

    @abc.abstractmethod
    async def read(self) -> Sequence[ListedRow]:
        """Read on; return rows not seen before, perhaps none. UpstreamError if a call fails."""
