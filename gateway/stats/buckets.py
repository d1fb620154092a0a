"""Buckets of time, aligned to UTC: days begin at midnight, weeks on Monday."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.errors import ErrorCode, RequestError
from gateway.feed.cursor import LATEST
from gateway.model import Timestamp
from gateway.normalise import timestamps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.feed.filters import Filter
    from gateway.stats.reading import Span

MAX_BUCKETS = 750
"""A month in hours, or half a day in minutes."""
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
MAX_SIZE = 366 * DAY
MONDAY = -3 * DAY
"""The Monday before 1970, which began on a Thursday."""


class Buckets(msgspec.Struct, frozen=True, dict=True):
    """A number of buckets of one size in nanoseconds, from ``begin`` on."""

    begin: int
    size: int
    count: int

    def knowledge(self, span: Span) -> Sequence[tuple[bool, bool]]:
        """Return for each bucket whether all and whether some of its logs were read."""
        kept: dict[Span, Sequence[tuple[bool, bool]]] = self.__dict__.setdefault("knowledge_of", {})
        if span not in kept:
            since = span.asked[0]
            starts = [self.start(index) for index in range(self.count)]
            begins = [start if since is None else max(start, since) for start in starts]
            kept[span] = [
                (span.knows(begin), span.touches(begin, start + self.size))
                for begin, start in zip(begins, starts, strict=True)
            ]
        return kept[span]

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


def check(size: int, wanted: Filter, now: int) -> None:
    """Raise RequestError if the times of a filter make too many buckets, before it is read."""
    since, _ = wanted.bounds("triggered_at")
    if since is None:
        return
    _, count = _extent(since, _end(wanted, now), size)
    if count > MAX_BUCKETS:
        raise _unusable(
            f"The times of the filter make {count} of them; at most {MAX_BUCKETS} are given."
            " Ask for larger ones, or for a shorter time."
        )


def lay_out(size: int, wanted: Filter, span: Span, oldest: Timestamp | None, now: int) -> Buckets:
    """Return the buckets for the times of a filter, up to now at most; the newest if too many.

    Without a lower bound they begin where the reading does: at ``span``, or at the ``oldest`` match
    where all were read.
    """
    end = _end(wanted, now)
    begin, _ = wanted.bounds("triggered_at")
    if begin is None:
        begin = oldest if span.is_complete else span.since
        begin = end if begin is None or begin >= LATEST else min(begin, end)
    first, count = _extent(begin, end, size)
    kept = min(count, MAX_BUCKETS)
    return Buckets(first + (count - kept) * size, size, kept)


def _end(wanted: Filter, now: int) -> int:
    _, until = wanted.bounds("triggered_at")
    return now if until is None else min(until, now)


def _extent(begin: int, end: int, size: int) -> tuple[int, int]:
    """Return where the first bucket starts, and how many there are."""
    first = _floor(begin, size)
    return first, max(0, (end - first) // size + 1)


def _floor(moment: int, size: int) -> int:
    origin = MONDAY if size % (7 * DAY) == 0 else 0
    return (moment - origin) // size * size + origin


def _unusable(why: str) -> RequestError:
    return RequestError(ErrorCode.INVALID_BUCKET, f"The buckets can't be made: {why}")
