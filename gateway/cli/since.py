"""The values of ``--since``: moments and durations as people type them."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

from gateway.model import Timestamp
from gateway.normalise.timestamps import EARLIEST, parse, parse_moment

_SECOND = 1_000_000_000
_DAY = 86_400
_UNITS = {
    "s sec secs second seconds": 1,
    "m min mins minute minutes": 60,
    "h hr hrs hour hours": 3600,
    "d day days": _DAY,
    "w wk wks week weeks": 7 * _DAY,
}
_SECONDS = {name: seconds for names, seconds in _UNITS.items() for name in names.split()}
_PART = re.compile(r"(\d{1,12}(?:[.,]\d{1,9})?)\s*([a-z]+)[\s,]*", re.ASCII | re.IGNORECASE)
_ISO_PART = re.compile(r"(\d{1,12}(?:[.,]\d{1,9})?)([WDHMS])", re.ASCII)
_ISO = re.compile(
    r"[+-]?P(?=.)(?:[\d.,]+W)?(?:[\d.,]+D)?(?:T(?=.)(?:[\d.,]+H)?(?:[\d.,]+M)?(?:[\d.,]+S)?)?",
    re.ASCII,
)
_EXAMPLES = (
    "Give a duration back from now such as 30m, 1h, 7d or P1DT12H, a time such as"
    " 2026-03-04T09:10:11Z or 2026-03-04, or now, today or yesterday."
)


def parse_since(text: str, now: Timestamp) -> Timestamp:
    """Return the moment for a duration back from ``now``, a time, or a word.

    Durations are ``90s``, ``1h30m``, ``2 days ago`` or of ISO 8601. Times are of ISO 8601, and in
    UTC unless they have an offset, as in the list; a date means its first moment. Raises ValueError
    with a sentence that names the mistake and how to correct it.
    """
    given = " ".join(text.split())
    shown = repr(text[:40])
    moment = _word(given.lower(), now)
    if moment is None:
        moment = _time(given, now)
    if moment is None:
        moment = _duration(given, shown, now)
    if moment is None:
        raise ValueError(f"{shown} is neither a duration nor a time. {_EXAMPLES}")
    if moment < EARLIEST:
        raise ValueError(f"{shown} reaches back to before the year 1.")
    return moment


def _word(word: str, now: Timestamp) -> Timestamp | None:
    midnight = now - now % (_DAY * _SECOND)
    words = {"now": now, "today": midnight, "yesterday": midnight - _DAY * _SECOND}
    return Timestamp(words[word]) if word in words else None


def _duration(given: str, shown: str, now: Timestamp) -> Timestamp | None:
    upper = given.upper()
    if _ISO.fullmatch(upper):
        seconds = Decimal(0)
        date, _, time = upper.partition("T")
        for part, units in (
            (date, {"W": 7 * _DAY, "D": _DAY}),
            (time, {"H": 3600, "M": 60, "S": 1}),
        ):
            for number, unit in _ISO_PART.findall(part):
                seconds += Decimal(number.replace(",", ".")) * units[unit]
        return _back(seconds, now)
    if re.fullmatch(r"[+-]?P[\dT.,YMWDHS]+", upper):
        return parse_moment(upper, now)  # years, months, or a mistake
    if re.fullmatch(r"\d+", given):
        raise ValueError(f"{shown} has no unit. {_EXAMPLES}")
    words = re.sub(r"^-\s*|\s+ago$", "", given, flags=re.IGNORECASE)
    if not re.fullmatch(rf"(?:{_PART.pattern})+", words, re.ASCII | re.IGNORECASE):
        return None
    seconds = Decimal(0)
    for number, unit in _PART.findall(words):
        if unit == "M" or unit.lower() in ("mo", "month", "months", "y", "yr", "year", "years"):
            raise ValueError(
                f"{shown} counts in months or years, whose length varies. Give days, such as 30d;"
                " minutes are a lower-case m."
            )
        if unit.lower() not in _SECONDS:
            raise ValueError(f"{shown} has the unknown unit {unit!r}. {_EXAMPLES}")
        seconds += Decimal(number.replace(",", ".")) * _SECONDS[unit.lower()]
    return _back(seconds, now)


def _back(seconds: Decimal, now: Timestamp) -> Timestamp:
    return Timestamp(now - int(seconds * _SECOND))


def _time(given: str, now: Timestamp) -> Timestamp | None:
    # The zone may be a separate word after the time, as in 2026-03-04 09:10:11 UTC.
    text = re.sub(r"\s*(utc|gmt|z)$", "Z", given, flags=re.IGNORECASE)
    text = re.sub(r"\s+(?=[+-]\d\d)", "", text)
    try:
        return parse(text)  # with all digits of a fraction
    except ValueError:
        pass
    try:
        if re.match(r"T?\d\d:\d\d", text, re.IGNORECASE):
            today = dt.datetime.fromtimestamp(now // _SECOND, dt.UTC).date()
            moment = dt.datetime.combine(today, dt.time.fromisoformat(text.upper()))
        else:
            moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    elapsed = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return Timestamp((elapsed // dt.timedelta(microseconds=1)) * 1000)
