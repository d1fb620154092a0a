"""Choose how a list is read on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.feed.offset_reader import OffsetReader
from gateway.feed.token_reader import TokenReader
from gateway.feed.window_reader import WindowReader

if TYPE_CHECKING:
    from gateway.feed.cursor import Position
    from gateway.feed.list_reader import ListReader
    from gateway.feed.stream_pages import StreamPages
    from gateway.model import Timestamp


def open_list(pages: StreamPages, before: Position, bound: Timestamp | None) -> ListReader:
    """Return a reader of a list from its position ``before`` on.

    In a list that is newest first, rows above ``bound`` were returned before; None is the top.
    """
    if pages.stream.by_token:
        return TokenReader(pages, anchor=before.anchor, bound=bound, unordered=before.unordered)
    if before.from_top:
        return OffsetReader(pages, until=before.until, bound=bound, unordered=before.unordered)
    if pages.stream.windowed and before.anchor is None:
        until = bound
        if before.until is not None and bound is not None:
            until = max(before.until, bound)
        return WindowReader(pages, until, bound)
    return OffsetReader(pages, anchor=before.anchor, bound=bound, unordered=before.unordered)
