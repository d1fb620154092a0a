"""Continue a list with time windows after a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.model import Timestamp

MILLISECOND = 1_000_000
ROUNDING = 2_000_000_000
"""Nanoseconds by which a kit and its vendor may round a bound up, unless they take larger steps."""


def rounded(moment: Timestamp, granularity: int) -> Timestamp:
    """Return a moment rounded up to a multiple of so many nanoseconds.

    Steps of a millisecond, which kits round to, are left to them.
    """
    if granularity <= MILLISECOND:
        return moment
    return Timestamp(-(-moment // granularity) * granularity)


def widest(until: Timestamp, granularity: int) -> Timestamp:
    """Return the latest time of a log that a vendor may list in a window up to ``until``."""
    return Timestamp(until + max(ROUNDING, 2 * granularity))


def continuations(
    times: Sequence[Timestamp], size: int, granularity: int = MILLISECOND
) -> Iterator[Timestamp]:
    """Yield the possible ends of the next window, best first.

    ``times`` are those of the rows of a page, newest first, and ``size`` is the number of its rows.
    Windows overlap by two rows, unless too many share a moment.
    """
    if len(times) > 1:
        until = rounded(times[-2], granularity)
        overlap = sum(time <= until for time in times)
        if 2 * overlap <= size:
            yield until
    yield rounded(times[-1], granularity)
