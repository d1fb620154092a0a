"""Ids of attempts and messages: KSUIDs, which sort by time.

https://github.com/segmentio/ksuid
"""

from __future__ import annotations

import string

from gateway.sandbox.deliveries import SECOND

LENGTH = 27
_EPOCH = 1_400_000_000
_BYTES = 20
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def ksuid(time: int, number: int, noise: bytes) -> str:
    """Return the id of a time in nanoseconds and a number; ids of one time sort by number."""
    seconds, nanoseconds = divmod(time, SECOND)
    parts = (seconds - _EPOCH).to_bytes(4), nanoseconds.to_bytes(4), number.to_bytes(4), noise[:8]
    rest, digits = int.from_bytes(b"".join(parts)), ""
    for _ in range(LENGTH):
        rest, digit = divmod(rest, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def number_in(text: str) -> int | None:
    """Return the number in an id; None if the text can't be one."""
    value = 0
    for digit in text:
        if digit not in _DIGITS:
            return None
        value = value * len(_DIGITS) + _DIGITS.index(digit)
    if len(text) != LENGTH or value.bit_length() > _BYTES * 8:
        return None
    return int.from_bytes(value.to_bytes(_BYTES)[8:12])
