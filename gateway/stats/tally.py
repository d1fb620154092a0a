"""Count the matches of a reading by time and by what they share."""

from __future__ import annotations

import enum
import functools
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


COUNTED = frozenset({StatsDimension.SOURCE, StatsDimension.HOOK, StatsDimension.STATUS})
"""What vendors may count by."""


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
    logs: Sequence[WebhookLog]

    @property
    def durations(self) -> Durations | None:
        """The durations of the logs that were read."""
        return durations_of(self.logs)


class Series:
    """The logs that share a key, all together and by bucket.

    Unless they are ``countable``, no vendor counts them, as the key is not of whole lists.
    """

    def __init__(
        self, key: Key, reading: Reading, layout: Buckets | None, *, countable: bool
    ) -> None:
        self.key = key
        self.reading = reading
        self._layout = layout
        self._countable = countable
        # The source of a hook is known from its id.
        self._source = ids.decode(key.hook_id).source if key.hook_id else key.source
        self._span = reading.span(self._source, key.hook_id)
        self._logs: list[WebhookLog] = []
        self._within: list[WebhookLog] = []

    def add(self, log: WebhookLog) -> None:
        """Add a log."""
        self._logs.append(log)
        if is_within(log, self._span):
            self._within.append(log)

    @property
    def span(self) -> Span:
        """What is known of the lists that may have such logs."""
        return self._span

    @property
    def found(self) -> int | None:
        """How many were read of the time of which all is known; None if nothing was read."""
        return None if self._span.is_empty and not self._logs else len(self._within)

    @functools.cached_property
    def durations(self) -> Durations | None:
        """The durations of these."""
        return durations_of(self._within)

    @functools.cached_property
    def _placed(self) -> Sequence[Sequence[WebhookLog]]:
        """The logs of each bucket."""
        layout = self._layout
        if layout is None:
            return []
        placed: list[list[WebhookLog]] = [[] for _ in range(layout.count)]
        for log in self._logs:
            if (index := layout.index(log.triggered_at)) is not None:
                placed[index].append(log)
        return placed

    @property
    def _knowledge(self) -> Sequence[tuple[bool, bool]]:
        return self._layout.knowledge(self._span) if self._layout else ()

    @property
    def bucket_counts(self) -> list[int | None]:
        """The exact number of logs in each bucket, None where it is not known."""
        pairs = zip(self._placed, self._knowledge, strict=True)
        return [len(logs) if known else None for logs, (known, _) in pairs]

    @property
    def bucket_found(self) -> list[int | None]:
        """The number of logs that were read in each bucket, None where nothing was."""
        pairs = zip(self._placed, self._knowledge, strict=True)
        return [len(logs) if logs or touched else None for logs, (_, touched) in pairs]

    @property
    def buckets(self) -> Sequence[Bucket]:
        """The buckets, oldest first."""
        if self._layout is None:
            return []
        return [
            Bucket(
                Timestamp(self._layout.start(index)),
                Timestamp(self._layout.start(index + 1)),
                count,
                found,
                logs,
            )
            for index, (count, found, logs) in enumerate(
                zip(self.bucket_counts, self.bucket_found, self._placed, strict=True)
            )
        ]

    async def count(self) -> int | None:
        """Return the exact number of logs, or None if it is not known."""
        if self._span.is_complete:
            return self.found
        if not self._countable:
            return None
        return await self.reading.count(self._source, self.key.hook_id, self.key.status)


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
            reading.operation.result.is_lasting = False
    total = Series(Key(), reading, layout, countable=True)
    groups: dict[tuple[Any, ...], Series] = {}
    values = [_VALUES[one] for one in by]
    names = [_NAMES[one] for one in by]
    of_lists = COUNTED.issuperset(by)
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
