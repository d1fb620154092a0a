"""Buckets of time, aligned to UTC: days begin at midnight, weeks on Monday."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.errors import ErrorCode, RequestError
from gateway.feed.cursor import LATEST
from gateway.model import Timestamp
from gateway.normalise import timestamps

if TYPE_CHECKING:
    from gateway.feed.filters import Filter
    from gateway.stats.reading import Span

MAX_BUCKETS = 750
"""A month in hours, or half a day in minutes."""
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
MAX_SIZE = 366 * DAY
MONDAY = -3 * DAY
"""The Monday before 1970, which began on a Thursday."""


class Buckets(msgspec.Struct, frozen=True):
    """A number of buckets of one size in nanoseconds, from ``begin`` on."""

    begin: int
    size: int
    count: int

    def start(self, index: int) -> int:
        """Return the time at which a bucket starts; the one before ends there."""
        return self.begin + index * self.size

    def index(self, moment: Timestamp | None) -> int | None:
        """Return the index of the bucket of a moment; None if it is in none."""
        if moment is None:
            return None
        index = (moment - self.begin) // self.size
        return index if 0 <= index < self.count else None


def parse_size(text: str) -> int:
    """Parse the size of buckets to nanoseconds; RequestError if it can't be used."""
    try:
        size = timestamps.parse_duration(text)
    except ValueError as error:
        raise _unusable(str(error)) from None
    if text.startswith("-") or not SECOND <= size <= MAX_SIZE:
        raise _unusable(f"{text[:40]!r} is not between PT1S and P366D.")
    return size


def lay_out(size: int, wanted: Filter, span: Span, oldest: Timestamp | None, now: int) -> Buckets:
    """Return the buckets for the times of a filter, up to now at most.

    Without a lower bound they begin where the reading does: at ``span``, or at the ``oldest`` match
    where all were read; the newest are kept. RequestError if a filter's times need too many.
    """
    since, until = wanted.bounds("triggered_at")
    end = now if until is None else min(until, now)
    begin = since
    if begin is None:
        begin = oldest if span.is_complete else span.since
        begin = end if begin is None or begin >= LATEST else min(begin, end)
    first = _floor(begin, size)
    count = max(0, (end - first) // size + 1)
    if count <= MAX_BUCKETS:
        return Buckets(first, size, count)
    if since is not None:
        raise _unusable(
            f"The times of the filter make {count} of them; at most {MAX_BUCKETS} are given."
            " Ask for larger ones, or for a shorter time."
        )
    return Buckets(first + (count - MAX_BUCKETS) * size, size, MAX_BUCKETS)


def _floor(moment: int, size: int) -> int:
    origin = MONDAY if size % (7 * DAY) == 0 else 0
    return (moment - origin) // size * size + origin


def _unusable(why: str) -> RequestError:
    return RequestError(ErrorCode.INVALID_BUCKET, f"The buckets can't be made: {why}")
