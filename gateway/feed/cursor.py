"""Cursors of ``webhookLogs``: positions in the merged list.

A cursor holds a time and the marks of the logs with exactly that time that were returned so far. So
logs that arrive between two pages shift, repeat and hide nothing. It also holds the positions of
lists that can't be continued from a time (lists with offsets or tokens, or odd rows), two bytes
for each list with the earliest time of its next log, and, for polling with ``before``, the newest
logs that were returned.

A cursor is not signed. A forged one that fits the types below moves its own reader around the list,
and shows nothing that a query without it would not.
"""

from __future__ import annotations

import functools
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
MAX_TOKEN = 250
"""Maximum length of a vendor's page token in a cursor; a longer one is left out."""
UNDATED = Timestamp(-(2**63))
"""The position of undated logs at the end of a list, with no dated log after them."""
LATEST = Timestamp(2**62)
"""A time in the year 2116. Later times count as undated. It is also the position above all logs."""

MARK_LENGTH, SHORT_MARK_LENGTH = 6, 4
Mark = Annotated[bytes, msgspec.Meta(min_length=MARK_LENGTH, max_length=MARK_LENGTH)]
"""A hash returned by ``ids.mark``."""
Marks = Annotated[tuple[Mark, ...], msgspec.Meta(max_length=MAX_MARKS)]
MarkString = Annotated[bytes, msgspec.Meta(max_length=MARK_LENGTH * MAX_MARKS)]
Time = Annotated[Timestamp, msgspec.Meta(ge=UNDATED, le=LATEST)]


class Anchor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The position of the last log taken from a list with offsets or page tokens.

    ``mark`` identifies the log (empty if it is no longer known), and ``total`` is the vendor's
    count at the time, or -1. If ``until`` is set, the offset counts only logs that are not newer.
    ``token`` is that of the page with the log, and None for the first page, and for lists without
    tokens; the offset is then a rough one.
    """

    offset: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
    mark: Annotated[bytes, msgspec.Meta(max_length=MARK_LENGTH)]
    total: Annotated[int, msgspec.Meta(ge=-1, lt=2**31)] = -1
    until: Time | None = None
    token: Annotated[str, msgspec.Meta(max_length=MAX_TOKEN)] | None = None


class Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How far one list was read, if the time of the cursor is not enough to continue it.

    ``anchor`` is where to continue by offset or token, otherwise ``until`` is where by time.
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

    ``seen`` is the marks of the logs that are not older than ``floor``, joined; older logs count as
    seen. ``floors`` has the lists, and sources, with floors of their own: earlier ones if they
    failed or were read from stale pages, later ones if they were not read so far. ``held`` is the
    marks that were seen when what is ``failing`` began to fail. ``undated`` are the lists without
    times. ``width`` is the number of bytes of each mark.
    """

    floor: Time
    seen: MarkString = b""
    floors: dict[Mark, Time] = {}
    held: MarkString = b""
    failing: Marks = ()
    undated: Marks = ()
    width: Annotated[int, msgspec.Meta(ge=SHORT_MARK_LENGTH, le=MARK_LENGTH)] = MARK_LENGTH

    def floor_of(self, stream: bytes, source: bytes) -> Timestamp:
        """Return the time below which a list's logs count as seen."""
        return self.floors.get(stream, self.floors.get(source, self.floor))

    @property
    def marks(self) -> frozenset[bytes]:
        """The marks of all logs that are remembered."""
        return frozenset((*self._split(self.seen), *self._split(self.held)))

    def _split(self, marks: bytes) -> Iterator[bytes]:
        for begin in range(0, len(marks), self.width):
            yield marks[begin : begin + self.width]


class Reduced(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How a cursor was shortened that would be too long otherwise (``gateway.feed.reduce``).

    ``bits`` is the width of each hint; one of less than 8 is the number of the time in ``levels``
    below which its list continues. ``through`` has the marks of the source and of the list of the
    cursor's log: of the lists before it, all logs of the cursor's time were returned, and none of
    the lists after it. ``again`` has a bit for each list that has to be read from its top.
    ``partial`` is true if ``returned`` has only the last logs of the cursor's list.
    """

    bits: Literal[16, 8, 4, 2, 1, 0] = 16
    levels: Annotated[tuple[Time, ...], msgspec.Meta(max_length=14)] = ()
    through: tuple[Mark, Mark] | None = None
    again: bytes = b""
    partial: bool = False

    def again_keys(self, keys: Sequence[bytes], *, known: bool = True) -> frozenset[bytes]:
        """Return the lists that are to be read from the top; all where they may be others."""
        if not self.again:
            return frozenset()
        if not known or len(self.again) != -(-len(keys) // 8):
            return frozenset(keys)
        return frozenset(
            key for index, key in enumerate(keys) if self.again[index // 8] >> index % 8 & 1
        )


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, dict=True):
    """A place between two logs of a list.

    ``returned`` are the marks of the logs with exactly the time ``time`` before the position; the
    last one is the log that the cursor belongs to. ``known`` are the marks of those that were read
    after it. A log with that time in neither is new. With a ``memory``, ``known`` has those before
    it, too, that were given to the polling client; others before it are new. A cursor above all
    logs has no ``returned`` and the time ``LATEST``.

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
    reduced: Reduced | None = None

    @functools.cached_property
    def returned_marks(self) -> frozenset[bytes]:
        """The marks of the logs of its time that were returned."""
        return frozenset(self.returned)

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
    """Read the hints for some lists; none is known where the lists were others."""
    if cursor is None or cursor.layout != layout(keys):
        return (Hint() for _ in keys)
    return _unpack(cursor, len(keys))


def _unpack(cursor: Cursor, count: int) -> Iterator[Hint]:
    data = cursor.hints
    reduced = cursor.reduced or Reduced()
    bits, levels = reduced.bits, reduced.levels
    for index in range(count):
        if bits == 16:
            yield _hint(int.from_bytes(data[2 * index : 2 * index + 2], "big"), cursor.since)
            continue
        at = index * bits // 8
        code = data[at] >> index * bits % 8 & (1 << bits) - 1 if at < len(data) else UNKNOWN
        if bits == 8:
            yield _hint(ENDED if code == 0xFF else code << 8, cursor.since)
        elif bits > 1 and code == (1 << bits) - 1:
            yield Hint(ended=True)
        else:
            yield Hint(levels[code - 1]) if 0 < code <= len(levels) else Hint()


def _hint(code: int, since: Timestamp) -> Hint:
    if code in {UNKNOWN, ENDED}:
        return Hint(ended=code == ENDED)
    return Hint(Timestamp(UNDATED if code == AT_END else max(since - _distance(code), UNDATED)))


def coarser(cursor: Cursor, count: int, bits: int, levels: Sequence[Timestamp]) -> bytes:
    """Write the hints of so many lists in fewer bits each, none later than it was."""
    if not bits:
        return b""
    packed = bytearray(-(-count * bits // 8))
    for index, hint in enumerate(_unpack(cursor, count)):
        at = index * bits // 8
        if bits == 8:
            code = int.from_bytes(cursor.hints[2 * index : 2 * index + 2], "big")
            packed[at] = 0xFF if code == ENDED else min(code >> 8, 0xFE)
        else:
            packed[at] |= _level_code(hint, bits, levels) << index * bits % 8
    return bytes(packed)


def _level_code(hint: Hint, bits: int, levels: Sequence[Timestamp]) -> int:
    most = level_count(bits)
    if hint.ended:
        return (1 << bits) - 1 if bits > 1 else min(1, len(levels))
    if hint.next is None:
        return UNKNOWN
    return sum(hint.next <= level for level in levels[:most])


def level_count(bits: int) -> int:
    """Return how many levels a hint of so many bits can tell apart."""
    return max(1, (1 << bits) - 2)


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
    """Write a cursor as opaque text."""
    return ids.pack(encoded(cursor))


def encoded(part: Cursor | Position) -> bytes:
    """Write a cursor, or a part of it, in bytes."""
    return _encoder.encode(part)


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


@functools.lru_cache(maxsize=8192)
def stream_key(source: str, stream: str) -> bytes:
    """Return the mark of a list in cursors."""
    return ids.mark(f"{source}/{stream}")


def source_key(source: str) -> bytes:
    """Return the mark of a source in cursors."""
    return ids.mark(f"{source}//")
