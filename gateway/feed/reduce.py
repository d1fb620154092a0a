"""Keep cursors short, however many lists there are.

A cursor of more than ``MAX_BYTES`` is reduced. What it loses costs calls, never logs:

- Of many logs of one moment, only those of the last list are named. Of the lists before it, in the
  order of all lists, all logs of the moment were returned, and of the lists after it none.
- Hints take fewer bits each. A list may then be asked sooner than needed.
- Positions that don't fit are left out, those first that are found again with the fewest calls.
  Such a list is read from its top, down to the time of the cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.feed.cursor import Cursor, Position, Reduced, coarser, encoded, level_count
from gateway.model import Timestamp

if TYPE_CHECKING:
    from gateway.feed.reader import Reader

MAX_BYTES = 1480
"""Length of a cursor; as text it is a third longer."""
FEW = 8
"""Logs of one moment that are named in any case."""
WIDTHS = (8, 4, 2, 1, 0)
"""Bits of a hint."""
KEY_BYTES = 8
MAX_RETURNED = 60
"""Logs of one moment and one list that are named."""


def reduced(
    cursor: Cursor,
    readers: Sequence[Reader],
    returned: Sequence[bytes],
    through: tuple[bytes, bytes],
    levels: Sequence[Timestamp],
    before: Reduced | None = None,
) -> Cursor:
    """Return the cursor, reduced until it fits.

    ``returned`` are the logs of its moment that are of its own list, which ``through`` names, and
    ``levels`` are the times at which the next pages end. ``before`` is how the cursor was reduced
    that this one follows at the same moment.
    """
    goes_on = before is not None and before.through is not None
    if not goes_on and _fits(cursor):
        return cursor
    details = cursor.reduced or Reduced()
    keys = [reader.key for reader in readers]
    if goes_on or len(cursor.returned) + len(cursor.known) > FEW:
        details = replace(details, through=through)
        most = FEW if cursor.memory else MAX_RETURNED
        if len(returned) > most or (
            before is not None and before.partial and before.through == through
        ):
            again = details.again_keys(keys) | {through[1]}
            details = replace(details, partial=True, again=pack_again(keys, again))
            others = {key: each for key, each in cursor.positions.items() if key != through[1]}
            cursor = replace(cursor, positions=others)
        cursor = replace(cursor, returned=tuple(returned[-most:]), known=(), reduced=details)
        if _fits(cursor):
            return cursor
    small = cursor
    for bits in WIDTHS:
        hints = coarser(cursor, len(readers), bits, levels)
        own = tuple(levels[: level_count(bits)]) if 0 < bits < 8 else ()
        small = replace(cursor, hints=hints, reduced=replace(details, bits=bits, levels=own))
        if _fits(small):
            return small
        if bits <= 4:
            small = _without_positions(small, keys)
            if _fits(small):
                return small
    return small


def _fits(cursor: Cursor) -> bool:
    return len(encoded(cursor)) <= MAX_BYTES


def _without_positions(cursor: Cursor, keys: Sequence[bytes]) -> Cursor:
    """Leave out the positions that do not fit; their lists are read from the top."""
    details = cursor.reduced or Reduced()
    before = details.again_keys(keys)
    every = frozenset(before | cursor.positions.keys())
    bare = replace(cursor, positions={}, reduced=replace(details, again=pack_again(keys, every)))
    room = MAX_BYTES - len(encoded(bare)) - 2
    kept: dict[bytes, Position] = {}
    for key, position in sorted(cursor.positions.items(), key=lambda item: -_calls(item[1])):
        room -= KEY_BYTES + len(encoded(position))
        if room < 0:
            break
        kept[key] = position
    again = pack_again(keys, every - kept.keys())
    return replace(cursor, positions=kept, reduced=replace(details, again=again))


def _calls(position: Position) -> int:
    """Return how far down the list the position is, which tells what it costs to find again."""
    return 2**31 if position.anchor is None else position.anchor.offset


def pack_again(keys: Sequence[bytes], again: frozenset[bytes]) -> bytes:
    """Write which lists are to be read from the top, a bit for each list."""
    packed = bytearray(-(-len(keys) // 8)) if again else b""
    for index, key in enumerate(keys):
        if key in again:
            packed[index // 8] |= 1 << index % 8  # type: ignore[index]
    return bytes(packed)
