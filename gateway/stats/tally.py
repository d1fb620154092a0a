"""Count the matches of a reading by time and by what they share."""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gateway import ids
from gateway.feed.failure_groups import status_code_of
from gateway.feed.merge import Turn
from gateway.model import Timestamp
from gateway.stats import buckets
from gateway.stats.buckets import Buckets

if TYPE_CHECKING:
    from gateway.model import FailureCategory, WebhookLog, WebhookLogStatus
    from gateway.stats.reading import ListReading, Reading, Span

LOGS_PER_TURN = 200
"""Logs that are counted between two looks at the clock."""


class StatsDimension(enum.Enum):
    """What counts can be grouped by."""

    SOURCE = "Source of the log."
    HOOK = "Hook that sent the delivery."
    STATUS = "Result of the delivery."
    FAILURE = "Category of the failure."
    EVENT = "The vendor's name of the event."
    STATUS_CODE = "HTTP status of the receiver's response."


def _category(log: WebhookLog) -> FailureCategory | None:
    return log.failure.category if log.failure else None


_VALUES: dict[StatsDimension, Callable[[WebhookLog], Any]] = {
    StatsDimension.SOURCE: lambda log: log.source,
    StatsDimension.HOOK: lambda log: log.hook_id,
    StatsDimension.STATUS: lambda log: log.status,
    StatsDimension.FAILURE: _category,
    StatsDimension.EVENT: lambda log: log.event,
    StatsDimension.STATUS_CODE: status_code_of,
}


class Durations(msgspec.Struct, frozen=True):
    """Percentiles of response times in milliseconds, by nearest rank, of ``count`` logs."""

    count: int
    p50: float
    p95: float
    max: float


class Key(msgspec.Struct, frozen=True):
    """What the logs of a group share; None is no value, or not grouped by."""

    source: str | None = None
    hook_id: str | None = None
    status: WebhookLogStatus | None = None
    failure: FailureCategory | None = None
    event: str | None = None
    status_code: int | None = None


class Bucket(msgspec.Struct, frozen=True):
    """The logs of a time.

    ``count`` is exact, or None if it is not known. ``found`` is how many were read, None if nothing
    was.
    """

    start: Timestamp
    end: Timestamp
    count: int | None
    found: int | None
    durations: Durations | None


class Series:
    """The logs that share a key, all together and by bucket.

    Unless they are ``countable``, no vendor counts them, as the key is not of whole lists.
    """

    def __init__(
        self, key: Key, reading: Reading, layout: Buckets | None, *, countable: bool
    ) -> None:
        self.key = key
        self._countable = countable
        self.reading = reading
        self._layout = layout
        self._logs: list[WebhookLog] = []

    def add(self, log: WebhookLog) -> None:
        """Add a log."""
        self._logs.append(log)

    @property
    def _source(self) -> str | None:
        """The source of all logs, if it is known."""
        hook_id = self.key.hook_id
        return ids.decode(hook_id).source if hook_id else self.key.source

    def finish(self) -> None:
        """Count what was added."""
        span = self.span = self.reading.span(self._source, self.key.hook_id)
        in_span = [log for log in self._logs if is_within(log, span)]
        self.found = None if span.is_empty and not self._logs else len(in_span)
        self.durations = durations_of(in_span)
        self.buckets = [] if self._layout is None else list(self._buckets(self._layout, span))
        self._logs = []

    def _buckets(self, layout: Buckets, span: Span) -> Iterable[Bucket]:
        placed: list[list[WebhookLog]] = [[] for _ in range(layout.count)]
        for log in self._logs:
            if (index := layout.index(log.triggered_at)) is not None:
                placed[index].append(log)
        since, _ = self.reading.wanted.bounds("triggered_at")
        for index, logs in enumerate(placed):
            start, end = layout.start(index), layout.start(index + 1)
            begin = start if since is None else max(start, since)
            found = len(logs)
            yield Bucket(
                start=Timestamp(start),
                end=Timestamp(end),
                count=found if span.knows(begin) else None,
                found=found if found or span.touches(begin, end) else None,
                durations=durations_of(logs),
            )

    async def count(self) -> int | None:
        """Return the exact number of logs, or None if it is not known."""
        if self.span.is_complete:
            return self.found
        if not self._countable:
            return None
        return await self.reading.count(self._source, self.key.hook_id)


class Stats(msgspec.Struct, frozen=True):
    """Counts of the matches of a filter.

    ``groups`` are the largest of ``group_count`` groups.
    """

    reading: Reading
    total: Series
    groups: Sequence[Series]
    group_count: int


def is_within(log: WebhookLog, span: Span) -> bool:
    """Return whether a log is of the time of which all is known; all are if there is none."""
    if span.is_empty or span.is_complete:
        return True
    return log.triggered_at is not None and log.triggered_at >= span.since


def durations_of(logs: Iterable[WebhookLog]) -> Durations | None:
    """Return the percentiles of the logs' durations; None if none of them has one."""
    found = sorted(log.duration_ms for log in logs if log.duration_ms is not None)
    if not found:
        return None
    return Durations(len(found), _rank(found, 50), _rank(found, 95), found[-1])


def _rank(ordered: Sequence[float], percent: int) -> float:
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


async def tally(
    reading: Reading, size: int | None, by: Sequence[StatsDimension], most: int
) -> Stats:
    """Count the matches by buckets of a size in nanoseconds, and by up to ``most`` groups."""
    layout = None
    if size is not None:
        oldest = min(
            (
                row.log.triggered_at
                for one in reading.lists
                for row in one.rows
                if row.log.triggered_at is not None
            ),
            default=None,
        )
        layout = buckets.lay_out(size, reading.wanted, reading.span(), oldest, reading.now)
        _, until = reading.wanted.bounds("triggered_at")
        if until is None or until > reading.now:
            # The buckets go on until now.
            reading.operation.is_lasting = False
    total = Series(Key(), reading, layout, countable=True)
    groups: dict[tuple[Any, ...], Series] = {}
    values = [_VALUES[one] for one in by]
    names = [_NAMES[one] for one in by]
    of_lists = {StatsDimension.SOURCE, StatsDimension.HOOK}.issuperset(by)
    turn = Turn()
    for logs in _chunks(reading.lists):
        for log in logs:
            total.add(log)
            if not by:
                continue
            shared = tuple([value(log) for value in values])
            if (group := groups.get(shared)) is None:
                key = Key(**dict(zip(names, shared, strict=True)))
                countable = of_lists and (key.hook_id is not None or StatsDimension.HOOK not in by)
                group = groups[shared] = Series(key, reading, layout, countable=countable)
            group.add(log)
        await turn.end()
    for series in (total, *groups.values()):
        series.finish()
        await turn.end()
    ordered = sorted(groups.values(), key=lambda one: -(one.found or 0))
    return Stats(reading, total, ordered[:most], len(ordered))


def _chunks(lists: Sequence[ListReading]) -> Iterable[Sequence[WebhookLog]]:
    for one in lists:
        rows = iter(one.rows)
        while some := [row.log for row in itertools.islice(rows, LOGS_PER_TURN)]:
            yield some


_NAMES = {
    StatsDimension.SOURCE: "source",
    StatsDimension.HOOK: "hook_id",
    StatsDimension.STATUS: "status",
    StatsDimension.FAILURE: "failure",
    StatsDimension.EVENT: "event",
    StatsDimension.STATUS_CODE: "status_code",
}
