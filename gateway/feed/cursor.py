"""Cursors of ``webhookLogs``: positions in the merged list.

A cursor holds a time and the marks of the logs with exactly that time that were returned so far. So
logs that arrive between two pages shift, repeat and hide nothing. It also holds the positions of
lists that can't be continued from a time (lists with offsets, and those with odd rows), two bytes
for each list with the earliest time of its next log, and, for polling with ``before``, the newest
logs that were returned.

A cursor is not signed. A forged one that fits the types below moves its own reader around the list,
and shows nothing that a query without it would not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.feed.filters import Filter
from gateway.model import Timestamp

MAX_LENGTH = 2**18
"""Maximum length of a cursor in characters; cursors of the gateway are much shorter."""
MAX_MARKS = 1000
UNDATED = Timestamp(-(2**63))
"""The position of undated logs at the end of a list, with no dated log after them."""
LATEST = Timestamp(2**62)
"""A time in the year 2116. Later times count as undated. It is also the position above all logs."""

MARK_LENGTH = 6
Mark = Annotated[bytes, msgspec.Meta(min_length=MARK_LENGTH, max_length=MARK_LENGTH)]
"""A hash returned by ``ids.mark``."""
Marks = Annotated[tuple[Mark, ...], msgspec.Meta(max_length=MAX_MARKS)]
MarkString = Annotated[bytes, msgspec.Meta(max_length=MARK_LENGTH * MAX_MARKS)]
Time = Annotated[Timestamp, msgspec.Meta(ge=UNDATED, le=LATEST)]


class Anchor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The position of the last log taken from a list with offsets.

    ``mark`` identifies the log (empty if it is no longer known), and ``total`` is the vendor's
    count at the time, or -1. If ``until`` is set, the offset counts only logs that are not newer.
    """

    offset: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
    mark: Annotated[bytes, msgspec.Meta(max_length=MARK_LENGTH)]
    total: Annotated[int, msgspec.Meta(ge=-1, lt=2**31)] = -1
    until: Time | None = None


class Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How far one list was read, if the time of the cursor is not enough to continue it.

    ``anchor`` is where to continue by offset, otherwise ``until`` is where to continue by time.
    ``marks`` are logs that were returned and may be listed again. ``unordered`` is true if the list
    is not newest first. If ``from_top`` is true, the list is also continued by offset, within
    ``until``, and none of its logs was returned.
    """

    anchor: Anchor | None = None
    until: Time | None = None
    marks: Marks = ()
    unordered: bool = False
    from_top: bool = False


class Memory(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The newest logs that a polling client has seen, so that it gets every other log once.

    ``seen`` are the joined marks of the logs that are not older than ``floor``. Older logs can't be
    distinguished any more, and count as seen. ``floors`` are exceptions to ``floor``: earlier ones
    for lists, or for all lists of a source, that failed or were read from stale pages, and later
    ones for lists that were not read that far. ``held`` are the marks that were seen when the lists
    in ``failing`` began to fail. ``undated`` are the lists without times.
    """

    floor: Time
    seen: MarkString = b""
    floors: dict[Mark, Time] = {}
    held: MarkString = b""
    failing: Marks = ()
    undated: Marks = ()

    def floor_of(self, stream: bytes, source: bytes) -> Timestamp:
        """Return the time below which a list's logs count as seen."""
        return self.floors.get(stream, self.floors.get(source, self.floor))

    @property
    def marks(self) -> frozenset[bytes]:
        """The marks of all remembered logs."""
        return frozenset((*split(self.seen), *split(self.held)))


def split(marks: bytes) -> Iterator[bytes]:
    """Split joined marks."""
    for begin in range(0, len(marks), MARK_LENGTH):
        yield marks[begin : begin + MARK_LENGTH]


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A position between two logs of a list.

    ``returned`` are the marks of the logs with exactly the time ``time`` before the position; the
    last one is the log that the cursor belongs to. ``known`` are the marks of those that were read
    after it. A log with that time in neither is new. A cursor above all logs has no ``returned``
    and the time ``LATEST``.

    ``positions`` are by the mark of source and list. ``horizon`` is the time down to which the next
    page of the same size will reach, as far as known: lists that continue below it need not be
    read. ``hints`` are the times at which lists continue, as distances from ``since``; they are
    valid only for the lists with the digest ``layout``.
    """

    version: int
    filter: Mark
    time: Time
    returned: Marks
    known: Marks
    horizon: Time
    positions: dict[Mark, Position]
    layout: Mark
    since: Time
    hints: bytes
    memory: Memory | None = None

    @property
    def is_top(self) -> bool:
        """True for the position above all logs."""
        return not self.returned


VERSION = 2
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Cursor)
_version_1 = msgspec.msgpack.Decoder(
    tuple[Literal[1], Mark, Time, list[Mark], list[Mark], Time, dict[Mark, Any]]
)

ENDED, AT_END, UNKNOWN = 0xFFFF, 0xFFFE, 0
"""Hints for a list that has ended, for one that continues with undated logs, and for no hint."""
_STEPS = 1024
"""Number of hints for each doubling of the distance."""


class Hint(msgspec.Struct, frozen=True):
    """When a list continues: ``next`` is no earlier than the time of its next log, if known."""

    next: Timestamp | None = None
    ended: bool = False


def layout(keys: Sequence[bytes]) -> bytes:
    """Return a digest of the lists' keys in order."""
    return ids.mark(b"".join(keys).hex())


def pack_hint(hint: Hint, since: Timestamp) -> bytes:
    """Encode a hint in two bytes, as a distance from a time."""
    return _code(hint, since).to_bytes(2, "big")


def unpack_hints(cursor: Cursor | None, keys: Sequence[bytes]) -> Iterator[Hint]:
    """Decode the hints for some lists; all are unknown if the cursor was made for others."""
    data = cursor.hints if cursor and cursor.layout == layout(keys) else b""
    for index in range(len(keys)):
        code = int.from_bytes(data[2 * index : 2 * index + 2], "big")
        if cursor is None or code == UNKNOWN:
            yield Hint()
        elif code == ENDED:
            yield Hint(ended=True)
        else:
            next_time = UNDATED if code == AT_END else max(cursor.since - _distance(code), UNDATED)
            yield Hint(Timestamp(next_time))


def _code(hint: Hint, time: Timestamp) -> int:
    if hint.ended or hint.next is None:
        return ENDED if hint.ended else UNKNOWN
    if hint.next == UNDATED:
        return AT_END
    distance = max(0, time - hint.next)
    code = math.floor(math.log2(distance + 1) * _STEPS) + 1
    while _distance(code) > distance:
        code -= 1
    return code


def _distance(code: int) -> int:
    """Return the distance in nanoseconds, at least 0, that a hint encodes."""
    return math.floor(2 ** ((code - 1) / _STEPS)) - 1


def encode(cursor: Cursor) -> str:
    """Encode a cursor as opaque text."""
    return ids.pack(_encoder.encode(cursor))


def _is_version_1(data: bytes) -> bool:
    try:
        return bool(_version_1.decode(data))
    except msgspec.MsgspecError:
        return False


def decode(text: str, wanted: Filter) -> Cursor:
    """Decode a cursor for a list with this filter; RequestError if it is not one."""
    cursor = None
    data = b""
    try:
        data = ids.unpack(text, MAX_LENGTH)
        cursor = _decoder.decode(data)
    except (ValueError, msgspec.MsgspecError):
        if _is_version_1(data):
            raise RequestError(
                ErrorCode.INVALID_CURSOR,
                "That cursor was made by an earlier version of this gateway. Begin without one.",
            ) from None
    if (
        cursor is None
        or cursor.version != VERSION
        or UNDATED < cursor.time < 0
        or (cursor.is_top and cursor.time != LATEST)
    ):
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
