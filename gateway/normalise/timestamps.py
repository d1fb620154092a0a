"""Times as text: parsed from vendors and callers, formatted for both.

Vendors write times in many forms. Callers use RFC 3339, or an ISO 8601 duration back from now.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import Literal

from gateway.model import Timestamp
from gateway.normalise import time_forms

_SECOND = 1_000_000_000
_DAY = 24 * 60 * 60
_NAIVE_EPOCH = dt.datetime.fromisoformat("1970-01-01")
_EPOCH_ORDINAL = _NAIVE_EPOCH.toordinal()
# A lookup takes a third of the time of an f-string.
_DIGITS = tuple(f"{number:02}" for number in range(60))

EARLIEST = Timestamp((1 - _EPOCH_ORDINAL) * _DAY * _SECOND)
"""The first nanosecond of the year 1; Python's calendar begins with it."""

LATEST = Timestamp((dt.date.max.toordinal() + 1 - _EPOCH_ORDINAL) * _DAY * _SECOND - 1)
"""The last nanosecond of the year 9999."""

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|(60)))"
    r"(?:\.(\d{1,9}))?"
    r"([Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?",
    re.ASCII,
)
_DURATION = re.compile(
    r"-?P(?=[T\d])(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?"
    r"(?:(\d{1,12})W)?(?:(\d{1,12})D)?"
    r"(?:T(?=\d)(?:(\d{1,12})H)?(?:(\d{1,12})M)?(?:(\d{1,12})S)?)?",
    re.ASCII,
)


def parse(value: str | float) -> Timestamp:
    """Parse a vendor's time: a text in any unambiguous notation, or a number since 1970.

    RFC 3339 with 0 to 9 fraction digits is parsed here; ``gateway.normalise.time_forms`` lists the
    other notations. A time without an offset is in UTC: one vendor's documentation requires
    offsets, shows an example without one, and says that its times are in UTC. A leap second becomes
    the first second of the next minute. Raises ValueError for anything else, and for a moment
    outside the years 1 to 9999 in UTC. The message does not repeat the value, which may be a
    secret.
    """
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    moment: int | None
    if match is not None:
        moment = _timestamp(match)
    elif isinstance(value, str):
        moment = time_forms.read(value)
    else:
        moment = time_forms.from_number(value)
    if moment is None or not EARLIEST <= moment <= LATEST:
        raise ValueError("This is not a date and time such as 2026-03-04T09:10:11.120Z.")
    return Timestamp(moment)


def parse_moment(text: str, now: Timestamp) -> Timestamp:
    """Parse a caller's time: RFC 3339, or an ISO 8601 duration back from ``now``.

    The offset is required, because a caller's clock need not be UTC. ``PT1H`` and ``-PT1H`` are
    both an hour ago, as in Linear's filters. Raises ValueError with a sentence for the caller.
    """
    shown = repr(text[:40])
    if match := _INSTANT.fullmatch(text):
        if match[4] is None:
            raise ValueError(f"{shown} needs an offset from UTC at its end: Z, or one like +08:00.")
        timestamp = _timestamp(match)
        if timestamp is None:
            raise ValueError(f"{shown} is not a day of the calendar between the years 1 and 9999.")
        return timestamp
    if duration := _DURATION.fullmatch(text):
        return _back(shown, duration, now)
    raise ValueError(
        f"{shown} is neither a date and time such as 2026-03-04T09:10:11Z"
        " nor a duration back from now such as PT1H, P1DT12H or P2W."
    )


def is_duration(text: str) -> bool:
    """Return whether ``parse_moment`` counts a text back from now."""
    return _DURATION.fullmatch(text) is not None


def format_rfc3339(timestamp: Timestamp) -> str:
    """Format a time in UTC, ending in ``Z``, with 0, 3, 6 or 9 fraction digits as needed.

    It must lie between EARLIEST and LATEST, as every parsed time does.
    """
    seconds, nanoseconds = divmod(timestamp, _SECOND)
    if nanoseconds == 0:
        return f"{_clock(seconds)}Z"
    fraction = f"{nanoseconds:09}"
    if fraction.endswith("000"):
        fraction = fraction[:3] if fraction.endswith("000000") else fraction[:6]
    return f"{_clock(seconds)}.{fraction}Z"


def format_millis(timestamp: Timestamp, offset: Literal["Z", "+0000"] = "Z") -> str:
    """Format a time in UTC with exactly 3 fraction digits, truncated to the millisecond.

    For the vendors' time filters; some expect the offset ``+0000``. The time must lie between
    EARLIEST and LATEST.
    """
    seconds, nanoseconds = divmod(timestamp, _SECOND)
    return f"{_clock(seconds)}.{nanoseconds // 1_000_000:03}{offset}"


def _timestamp(match: re.Match[str]) -> Timestamp | None:
    clock, leap, fraction, offset = match.groups()
    if leap is not None:
        clock = clock[:-2] + "59"
    try:
        elapsed = dt.datetime.fromisoformat(clock) - _NAIVE_EPOCH
    except ValueError:
        return None
    seconds = elapsed.days * _DAY + elapsed.seconds + (leap is not None)
    if offset is not None and len(offset) > 1:
        seconds -= _offset(offset)
    nanoseconds = 0 if fraction is None else int(fraction.ljust(9, "0"))
    timestamp = seconds * _SECOND + nanoseconds
    return Timestamp(timestamp) if EARLIEST <= timestamp <= LATEST else None


@functools.lru_cache(maxsize=128)
def _offset(text: str) -> int:
    seconds = int(text[1:3]) * 3600 + int(text[-2:]) * 60
    return -seconds if text[0] == "-" else seconds


def parse_duration(text: str) -> int:
    """Parse an ISO 8601 duration to nanoseconds; ValueError with a sentence for the caller."""
    shown = repr(text[:40])
    if match := _DURATION.fullmatch(text):
        return _elapsed(shown, match) * _SECOND
    raise ValueError(f"{shown} is not a duration such as PT5M, PT1H or P1D.")


def _back(shown: str, duration: re.Match[str], now: Timestamp) -> Timestamp:
    timestamp = now - _elapsed(shown, duration) * _SECOND
    if timestamp < EARLIEST:
        raise ValueError(f"{shown} reaches back to before the year 1.")
    return Timestamp(timestamp)


def _elapsed(shown: str, duration: re.Match[str]) -> int:
    """Return the length of a duration in seconds."""
    if duration["years"] or duration["months"]:
        raise ValueError(
            f"{shown} counts in years or months, whose length varies;"
            " give weeks, days, hours, minutes or seconds, such as P30D."
        )
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in duration.groups()[2:])
    return (weeks * 7 + days) * _DAY + hours * 3600 + minutes * 60 + seconds


def _clock(seconds: int) -> str:
    days, second = divmod(seconds, _DAY)
    minute, second = divmod(second, 60)
    return f"{_date(days)}T{_DIGITS[minute // 60]}:{_DIGITS[minute % 60]}:{_DIGITS[second]}"


@functools.lru_cache(maxsize=1024)
def _date(days: int) -> str:
    return dt.date.fromordinal(_EPOCH_ORDINAL + days).isoformat()
