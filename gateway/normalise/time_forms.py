"""Date and time notations other than RFC 3339, as logs, languages and databases write them.

``2026-11-28 19:07:35 +0200 CEST m=+0.1`` (Go), ``Sat, 28 Nov 2026 17:07:35 GMT`` (RFC 1123), ``Sat
Nov 28 2026 19:07:35 GMT+0200 (CEST)`` (JavaScript), ``28/Nov/2026:19:07:35 +0200`` (Apache),
``2026-W48-6T17:07:35Z`` (week date), ``1795885655.123`` (seconds since 1970).

Only unambiguous texts are read. ``11/28/2026`` has no fixed order of day and month, ``CST`` means
three different offsets, and a date alone is not a moment: all of these are None. A time without a
zone is in UTC.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation

_SECOND = 1_000_000_000
_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()

# 2001-09-09 and 2100-01-01 in seconds since 1970. A number is in the unit that puts it between
# them; the ranges of the units don't overlap.
_OLDEST, _NEWEST = 10**9, 4_102_444_800
_UNITS = (_SECOND, 1_000_000, 1_000, 1)
# Numbers that mean "never": Unix time 0, and the year 1 of Go and .NET, in (milli)seconds.
_YEAR_1 = -62_135_596_800
_NEVER = {Decimal(0): 0} | dict.fromkeys(map(Decimal, (_YEAR_1, _YEAR_1 * 1000)), _YEAR_1 * _SECOND)

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
        start=1,
    )
}
_UTC = frozenset({"z", "utc", "gmt", "ut", "zulu", "etc/utc", "etc/gmt"})

_FRACTION = r"(?:[.,](?P<fraction>\d{1,40}))?"
_SIGN = r"[+\-\u2212]"
# An offset or UTC, optionally followed by a name for it and Go's monotonic clock.
_ZONE = (
    rf"(?:\s?(?P<utc>Z|UTC|GMT|UT|Zulu|Etc/UTC|Etc/GMT)(?![\w+\-\u2212])"
    rf"|\s?(?:UTC|GMT)?(?P<offset>{_SIGN}\d\d(?::?[0-5]\d(?::?[0-5]\d)?)?|(?<=UTC|GMT){_SIGN}\d))?"
    r"(?:\s(?P<name>[A-Z]{1,5}|[+-]\d{2,4})(?!\S)|\s?(?P<region>\([^()]{1,60}\)|\[[\w/+-]{1,40}\]))?"
    r"(?:\sm=[+-]\d{1,20}(?:\.\d{1,20})?)?"
)
_CLOCK = rf"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d){_FRACTION})?"

_ISO = re.compile(
    rf"(?P<date>\d{{4}}-\d\d-\d\d|\d{{4}}/\d\d/\d\d|\d{{4}}-\d{{3}}|\d{{4}}-W\d\d-[1-7])"
    rf"(?:T|,?\s{{1,4}}){_CLOCK}{_ZONE}",
    re.ASCII | re.IGNORECASE,
)
_BASIC = re.compile(
    rf"(?P<date>\d{{8}}|\d{{7}}|\d{{4}}W\d\d[1-7])T(?P<hour>\d\d)(?P<minute>\d\d)"
    rf"(?:(?P<second>\d\d){_FRACTION})?{_ZONE}",
    re.ASCII | re.IGNORECASE,
)
_DAY_FIRST = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,?\s{1,2})?(?P<day>\d{1,2})[ /-]"
    r"(?P<month>[a-z]{3,9})[ /-](?P<year>\d{4}|\d\d)"
    rf"(?:[:T]|,?\s{{1,4}}){_CLOCK}{_ZONE}",
    re.ASCII | re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,?\s{1,2})?(?P<month>[a-z]{3,9})\s{1,2}(?P<day>\d{1,2})(?:,?\s(?P<year>\d{4}))?"
    r",?\s{1,2}(?P<hour>\d{1,2}):(?P<minute>\d\d)"
    rf"(?::(?P<second>\d\d){_FRACTION})?(?:\s?(?P<half>[AP]M)\b)?{_ZONE}(?:\s(?P<last_year>\d{{4}}))?",
    re.ASCII | re.IGNORECASE,
)
_DIGITS = re.compile(r"((?:19|20)\d{6})(\d\d)(\d\d)(\d\d)(?:\.?(\d{3}))?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,40})?(?:[eE][+]?\d\d?)?", re.ASCII)
_DOTNET = re.compile(r"\\?/Date\((-?\d{1,15})(?:[+-]\d{4})?\)\\?/", re.ASCII)


def read(text: str) -> int | None:
    """Return nanoseconds since 1970, or None if the text is ambiguous or not a moment."""
    text = text.strip()
    if len(text) > 128:
        return None
    if _NUMBER.fullmatch(text):
        return from_number(Decimal(text))
    if match := _DOTNET.fullmatch(text):
        return int(match[1]) * 1_000_000
    for form in (_ISO, _BASIC, _DAY_FIRST, _MONTH_FIRST):
        if match := form.fullmatch(text):
            return _moment(match.groupdict())
    return None


def from_number(number: float | Decimal) -> int | None:
    """Return nanoseconds since 1970 for a number of seconds, or of milli-, micro- or nanoseconds.

    0 and the year 1, which mean "never", are converted like other times. A date and time in digits
    alone, ``20261128170735``, is read too. Any other number is None.
    """
    try:
        # Converted through text, since the float 0.1 is not exactly 0.1.
        exact = number if isinstance(number, Decimal) else Decimal(str(number))
    except (InvalidOperation, ValueError):
        return None  # more digits than Python converts
    if not exact.is_finite() or abs(exact) > 10**20:
        return None
    if exact in _NEVER:
        return _NEVER[exact]
    for unit in _UNITS:
        moment = int(exact * unit)
        if _OLDEST * _SECOND <= moment < _NEWEST * _SECOND:
            return moment
    match = _DIGITS.fullmatch(f"{exact:f}")
    if match is None:
        return None
    date, hour, minute, second, fraction = match.groups()
    return _moment(
        {"date": date, "hour": hour, "minute": minute, "second": second, "fraction": fraction}
    )


def _moment(parts: dict[str, str | None]) -> int | None:
    try:
        day = _date(parts).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None
    seconds = _time_of_day(parts)
    offset = _offset(parts)
    if seconds is None or offset is None:
        return None
    fraction = int((parts.get("fraction") or "0")[:9].ljust(9, "0"))
    return (day * 86_400 + seconds - offset) * _SECOND + fraction


def _date(parts: dict[str, str | None]) -> dt.date:
    if text := parts.get("date"):
        digits = text.replace("-", "").replace("/", "")
        if len(digits) == 7:  # the year and the number of the day in it
            # Subtract one day, so that day 366 of a common year overflows the year.
            date = dt.date(int(digits[:4]), 1, 1) + dt.timedelta(int(digits[4:]) - 1)
            if date.year != int(digits[:4]):
                raise ValueError
            return date
        return dt.date.fromisoformat(digits)
    first, last = parts["year"], parts.get("last_year")
    if (first is None) == (last is None):
        raise ValueError
    year = int(first or last or "")
    if year < 100:
        year += 2000 if year < 70 else 1900
    month = _MONTHS.get((parts["month"] or "")[:3].lower(), 0)
    return dt.date(year, month, int(parts["day"] or ""))


def _time_of_day(parts: dict[str, str | None]) -> int | None:
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    # ISO 8601 allows 24:00 for the end of a day, and 60 for a leap second.
    if hour == 24 and minute == second == 0 and not int(parts.get("fraction") or 0):
        return 86_400
    if hour > 23 or minute > 59 or second > 60:
        return None
    return hour * 3600 + minute * 60 + second


def _offset(parts: dict[str, str | None]) -> int | None:
    """Return the seconds east of UTC; None if a zone is named but its offset is not."""
    name, text = parts.get("name"), parts.get("offset")
    named_utc = name is not None and name.lower() in _UTC
    if text is None:
        unnamed = name is None and parts.get("region") is None
        return 0 if parts.get("utc") or named_utc or unnamed else None
    digits = re.sub(r"\D", "", text)
    if len(digits) % 2:
        digits = f"0{digits}"
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4] or 0), int(digits[4:] or 0)
    offset = hours * 3600 + minutes * 60 + seconds
    if hours > 23 or (named_utc and offset):
        return None
    return offset if text[0] == "+" else -offset
