"""Parse the waits that vendors ask for in their headers, in all common forms.

``Retry-After`` is in seconds or a date (RFC 9110, 10.2.3), and rate limits have never been
standardised, so a reset is seconds, milliseconds, a Unix time, a date or a duration such as
``1m30s``. A plain number is interpreted by its size: a Unix time, read as seconds, would be a wait
of 50 years.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator, Mapping

from gateway.normalise import timestamps

MAX_PAUSE = 300.0
"""Maximum pause in seconds, even if a vendor asks for a longer one."""
PLAUSIBLE = 24 * 3600.0
"""Maximum plausible wait in seconds."""

_NUMBER = r"\d{1,20}(?:\.\d{1,9})?"
_SECONDS = re.compile(_NUMBER, re.ASCII)
_FIRST = re.compile(rf'"?\+?(-?{_NUMBER})"?\s*(?:;.*)?', re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d\d(?:\.\d{1,9})?)", re.ASCII)
"""A duration such as ``00:01:30``."""
_UNIX_UNITS = ((10**18, 1e9), (10**15, 1e6), (10**12, 1e3), (10**9, 1.0))
"""Unix times of 2001 in nanoseconds, microseconds, milliseconds and seconds, and how many of each
make a second."""
_DURATION = re.compile(
    rf"P?(?:(?P<D>{_NUMBER})\s*d(?:ays?)?)?T?\s*(?:(?P<h>{_NUMBER})\s*h(?:ours?|rs?)?)?"
    rf"\s*(?:(?P<m>{_NUMBER})\s*m(?:in(?:ute)?s?)?(?!s))?"
    rf"\s*(?:(?P<s>{_NUMBER})\s*s(?:ec(?:ond)?s?)?)?\s*(?:(?P<ms>{_NUMBER})\s*ms)?",
    re.ASCII | re.IGNORECASE,
)
_UNITS = {"D": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LEFT = re.compile(r"\b(?:remaining|r)\s*=\s*([\d.]+)", re.ASCII)
_RESET = re.compile(r"\b(?:reset|t)\s*=\s*([\d.]+)", re.ASCII)
_WINDOW = re.compile(r";\s*w\s*=\s*([\d.]+)", re.ASCII)
_POLICY = re.compile(r"""((?:"[^"]*"|[^,"])+)""")
_ITEM = re.compile(r"\s*(?:[A-Za-z]{3,9}, )?[^,]+")
_QUOTED = re.compile(r'"[^"]*"')
_NAME = re.compile(
    r"(?:[a-z]+-){0,2}?rate-?limit-(?:(?P<before>[a-z]+(?:-[a-z]+)?)-)??"
    r"(?P<what>remaining|resets?(?:-(?:after|at|in|time|ms|milliseconds|seconds))?)"
    r"(?:-(?P<after>[a-z]+(?:-[a-z]+)?))?"
)
_RETRY_NAME = re.compile(r"(?:[a-z]+-){0,4}retry-after(?P<unit>-ms|-milliseconds|-seconds)?")
_WINDOWS = {"second": "1", "minute": "60", "hour": "3600", "day": "86400"}
"""Seconds of the windows that limits without a reset are named after."""


def retry_after(headers: Mapping[str, str], now: int) -> float | None:
    """Return the seconds to wait before the next attempt; None if the vendor names no such wait.

    ``now`` is in Unix nanoseconds. A moment in the past is 0 seconds.
    """
    found = []
    for name, value in headers.items():
        if "retry-after" in name and (match := _RETRY_NAME.fullmatch(name)):
            unit = match["unit"] or ""
            if unit not in {"", "-seconds"}:
                if _SECONDS.fullmatch(value.strip()):
                    return float(value) / 1000
            elif value:
                # The standard name comes first.
                found.append((name != "retry-after", value))
    return _read_all(min(found)[1], now) if found else None


def exhausted(headers: Mapping[str, str], now: int) -> Iterator[float]:
    """Return the seconds until the reset of each limit that is used up."""
    for reset in _used_up(headers):
        if (seconds := _read(reset, now)) is not None:
            yield seconds


def is_exhausted(headers: Mapping[str, str]) -> bool:
    """Return whether any limit is used up, even if it names no reset."""
    return any(True for _ in _used_up(headers))


def _used_up(headers: Mapping[str, str]) -> Iterator[str]:
    """Return the reset of each limit without calls left, ``""`` if it has none."""
    found = {name: value for name, value in headers.items() if "limit" in name}
    return (reset for left, reset in _limits(found) if found and _is_none(left))


def _limits(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Return the remaining calls and the reset of each limit in the headers, ``""`` without one.

    The RateLimit header has had two forms: ``limit=9, remaining=0, reset=30``, and
    ``"one";r=0;t=30, "other";r=8;t=900`` (versions 07 and 08 of the draft). Separate headers hold
    one limit, or a list of several in the same order.
    """
    whole = headers.get("ratelimit", "")
    windows = {
        policy.partition(";")[0].strip(): window[1]
        for policy in _POLICY.findall(headers.get("ratelimit-policy", ""))
        if (window := _WINDOW.search(_QUOTED.sub("", policy)))
    }
    for policy in [whole] if "remaining" in whole else _POLICY.findall(whole):
        parameters = _QUOTED.sub("", policy)
        left, reset = _LEFT.search(parameters), _RESET.search(parameters)
        when = reset[1] if reset else windows.get(policy.partition(";")[0].strip())
        if left:
            yield left[1], when or ""
    remaining: dict[str, str] = {}
    resets: dict[str, str] = {}
    for name, value in headers.items():
        if match := _NAME.fullmatch(name):
            limit = match["before"] or match["after"] or ""
            if match["what"] == "remaining":
                remaining[limit] = value
            else:
                in_ms = match["what"].endswith(("-ms", "-milliseconds"))
                resets[limit] = f"{value}ms" if in_ms else value
    for limit, left_values in remaining.items():
        reset_values = resets.get(limit) or resets.get("") or _WINDOWS.get(limit, "")
        lefts = left_values.split(",")
        # A date contains a comma, too, and a single reset applies to all limits.
        whens = reset_values.split(",") if len(lefts) > 1 else [reset_values]
        if len(whens) < len(lefts):
            whens = [reset_values] * len(lefts)
        yield from zip(lefts, whens, strict=False)


def _is_none(left: str) -> bool:
    found = _FIRST.fullmatch(left.strip())
    return found is not None and not found[1].startswith("-") and float(found[1]) < 1


def _read_all(text: str, now: int) -> float | None:
    """Return the longest wait of a header that may have come several times, in different forms."""
    if (whole := _read(text, now)) is not None:
        return whole
    found = [_read(item, now) for item in _ITEM.findall(text[:500])]
    waits = [each for each in found if each is not None]
    return max(waits) if waits and len(waits) == len(found) else None


def _read(text: str, now: int) -> float | None:
    text = text.strip()[:200]
    if numbers := _numbers(text):
        return max(_seconds_until(number, now) for number in numbers)
    bare = text.strip("\"'")
    duration = _DURATION.fullmatch(bare)
    if duration and any(duration.groups()):
        return sum(float(duration[unit] or 0) * size for unit, size in _UNITS.items())
    if clock := _CLOCK.fullmatch(bare):
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
    if (moment := _moment(bare)) is None:
        return None
    return max(0.0, moment - now / 1e9)


def _numbers(text: str) -> list[float]:
    """Parse ``30``, ``"30"``, ``30;w=60`` or a list of them; [] if any item is invalid."""
    parts = [_FIRST.fullmatch(part.strip()) for part in text.split(",")]
    if not all(part and not part[1].startswith("-") for part in parts):
        return []
    return [float(part[1]) for part in parts if part]


def _seconds_until(number: float, now: int) -> float:
    for least, units in _UNIX_UNITS:
        if number >= least:
            return max(0.0, number / units - now / 1e9)
    return number


def _moment(text: str) -> float | None:
    """Parse a date of RFC 9110 or RFC 3339 to a Unix time in seconds."""
    try:
        return timestamps.parse(text) / 1e9
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return None if moment.tzinfo is None else moment.timestamp()
