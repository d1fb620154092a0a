"""The rows of a cached page, placed once for all lists that begin with it.

Most pages are newest first, with a time and an id of its own in every row. Where a list begins with
such a page, its rows have the same positions for every caller, so they are cached with the page.
``Reader`` takes them without reading the page row by row. Only if it has to continue after them is
the page read again in the ordinary way, which leads to the same rows.
"""

from __future__ import annotations

import bisect
import itertools
import operator
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.feed.cursor import Anchor
from gateway.feed.order import CONTEXT, count_settled, is_of_one_moment
from gateway.model import Freshness, Timestamp, WebhookLog

if TYPE_CHECKING:
    from gateway.vendors.pages import Page


class Row(msgspec.Struct, frozen=True):
    """A log with its position in the merged order.

    ``anchor`` is its position in a list with offsets. ``until`` is the time from which a list with
    windows must be requested to contain it again, if its own time may be wrong. ``freshness`` is
    None on the first page of a list, whose rows callers share.
    """

    log: WebhookLog
    mark: bytes
    time: Timestamp
    anchor: Anchor | None
    freshness: Freshness | None
    until: Timestamp | None = None


class Run(msgspec.Struct, frozen=True):
    """Rows of a page that are next in a list.

    The first ``certain`` rows are in order. The others are, unless the next page has newer rows.
    ``keys`` are the negative times of the rows, in ascending order.
    """

    rows: Sequence[Row]
    certain: int
    keys: Sequence[int]

    def count_above(self, bound: int) -> int:
        """Return how many of the certain rows are no older than a moment."""
        return bisect.bisect_right(self.keys, -bound, 0, self.certain)

    @property
    def tail(self) -> Sequence[Row]:
        """The rows that are not certain, as they stand if nothing follows the page."""
        until = self.rows[self.certain - 1].time
        return [msgspec.structs.replace(row, until=until) for row in self.rows[self.certain :]]


class ReadyPage:
    """The rows of a page that is newest first, by position."""

    def __init__(self, page: Page, times: Sequence[Timestamp], *, by_offset: bool) -> None:
        total = -1 if page.total is None else page.total
        self._rows = [
            Row(log, mark, time, Anchor(index, mark, total) if by_offset else None, None)
            for index, (log, mark, time) in enumerate(
                zip(page.logs, page.marks, times, strict=True)
            )
        ]
        self._times = times
        self._keys = [-time for time in times]
        self._from_top = Run(self._rows, _certain(times), self._keys)
        self.is_of_one_moment = is_of_one_moment(times)

    def from_top(self) -> Run:
        """Return the rows of a list that begins with the page."""
        return self._from_top

    def below(self, bound: Timestamp, returned: Collection[bytes]) -> Run | None:
        """Return the rows that are no newer than ``bound`` and not ``returned``.

        ``returned`` are marks of logs of that very time. Returns None if no row is certain.
        """
        times = self._times
        begin = bisect.bisect_left(self._keys, -bound)
        end = bisect.bisect_right(self._keys, -bound)
        rows = self._rows[end:]
        fresh = [row for row in self._rows[begin:end] if row.mark not in returned]
        if not fresh and not rows:
            return None
        first = self._rows.index(fresh[0], begin) if fresh else end
        moments = [bound] * len(fresh) + list(times[end:])
        before = times[max(0, first - CONTEXT) : first]
        certain = _certain(moments, before)
        if not certain:
            return None
        return Run([*fresh, *rows], certain, [-bound] * len(fresh) + self._keys[end:])

    def newer_than(self, bound: Timestamp) -> int:
        """Return how many rows are newer than a moment."""
        return bisect.bisect_left(self._keys, -bound)


def ready(page: Page, *, by_offset: bool) -> ReadyPage | None:
    """Return the page's rows with their positions; None unless all of them are in order."""
    kept = page.__dict__
    name = "ready_by_offset" if by_offset else "ready"
    if name not in kept:
        times = [log.triggered_at for log in page.logs]
        if _is_plain(page, times) and not page.repeats:
            kept[name] = ReadyPage(page, times, by_offset=by_offset)  # type: ignore[arg-type]
        else:
            kept[name] = None
    found: ReadyPage | None = kept[name]
    return found


def _is_plain(page: Page, times: Sequence[Timestamp | None]) -> bool:
    if not times or page.offset or None in times:
        return False
    return all(map(operator.ge, times, itertools.islice(times, 1, None)))  # type: ignore[arg-type]


def _certain(times: Sequence[Timestamp], before: Sequence[Timestamp] = ()) -> int:
    return count_settled(times, [True] * len(times), before=before)
