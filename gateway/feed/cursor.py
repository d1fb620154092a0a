"""Where a list was left: the cursors of ``webhookLogs``.

The truth of a cursor is the time of the last log given and which logs of that very time were
given. Positions in the upstream lists are only hints beside it, and are checked when used. So
logs that arrive between two pages shift, repeat and hide nothing, and no order among logs of the
same time is needed.

A cursor is not signed: a made-up one that fits the types below moves its own reader about the
list, and shows nothing that a query without it would not.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.feed.filters import Filter
from gateway.model import Timestamp

MAX_LENGTH = 2**18
"""Characters of a cursor; it grows by some fifty with each stream."""
UNDATED = Timestamp(-(2**63))
"""The place of logs that no dated log stands before: the end of the list."""
LATEST = Timestamp(2**62)
"""A moment in the year 2116, later than which no log is taken for dated."""

Mark = Annotated[bytes, msgspec.Meta(min_length=6, max_length=6)]
"""What ``ids.mark`` makes."""
Time = Annotated[Timestamp, msgspec.Meta(ge=UNDATED, le=LATEST)]


class Anchor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where the last log taken from a stream stood, for streams that only have offsets.

    ``mark`` tells which log it was (empty when that is not known any more), and ``total`` the
    vendor's count at the time, or -1.
    """

    offset: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
    mark: Annotated[bytes, msgspec.Meta(max_length=6)]
    total: Annotated[int, msgspec.Meta(ge=-1, lt=2**31)] = -1


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How far one stream was read.

    ``next`` is the time of the log that follows, where it was read already: a page that ends
    before it needs no call to the stream. ``ended`` tells that none follows.
    """

    next: Time | None = None
    ended: bool = False
    anchor: Anchor | None = None


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place between two logs of a list.

    ``given`` are the marks of the logs of exactly ``time`` before the place, the last one being
    the log that the cursor belongs to; ``known`` those that were seen behind it. A log of that
    time in neither is new. ``places`` go by the mark of source and stream. ``horizon`` is how far
    down the next page of the same size reaches, as far as that is known: streams that go on
    below it can wait.
    """

    version: int
    filter: Mark
    time: Time
    given: Annotated[tuple[Mark, ...], msgspec.Meta(min_length=1)]
    known: tuple[Mark, ...]
    horizon: Time
    places: dict[Mark, Place]


VERSION = 1
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Cursor)


def encode(cursor: Cursor) -> str:
    """Write a cursor as opaque text."""
    return ids.pack(_encoder.encode(cursor))


def decode(text: str, wanted: Filter) -> Cursor:
    """Read a cursor of a list with that filter; RequestError when it is none."""
    try:
        cursor = _decoder.decode(ids.unpack(text, MAX_LENGTH))
    except (ValueError, msgspec.MsgspecError):
        cursor = None
    if cursor is None or cursor.version != VERSION or UNDATED < cursor.time < 0:
        raise RequestError(
            ErrorCode.INVALID_CURSOR,
            "That cursor was not made by this gateway. Use one as a page or an edge has it, or"
            " begin without one.",
        )
    if cursor.filter != wanted.fingerprint:
        raise RequestError(
            ErrorCode.CURSOR_FILTER_MISMATCH,
            "That cursor belongs to a list with another filter."
            " Repeat the filter of the query that gave it, or begin without a cursor.",
        )
    return cursor
