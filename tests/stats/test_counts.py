"""Counts agree with a count over all logs, or say what they are of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from gateway.errors import RequestError
from gateway.feed import filters
from gateway.feed.failure_groups import group_of
from gateway.model import WebhookLog
from gateway.normalise.timestamps import format_rfc3339
from gateway.stats.failures import group_failures
from gateway.stats.tally import Series, StatsDimension, durations_of, tally
from tests.feed.test_filters import DOCUMENTS, NOW, SECOND, SOURCES
from tests.stats.lists import all_logs, fail, read, sources
from tests.support.examples import examples
from tests.support.fake_source import FakeSource

VALUES: dict[StatsDimension, Callable[[WebhookLog], Any]] = {
    StatsDimension.SOURCE: lambda log: log.source,
    StatsDimension.HOOK: lambda log: log.hook_id,
    StatsDimension.STATUS: lambda log: log.status,
    StatsDimension.FAILURE: lambda log: log.failure and log.failure.category,
    StatsDimension.EVENT: lambda log: log.event,
    StatsDimension.STATUS_CODE: lambda log: log.response and log.response.status_code,
}
SIZES = st.sampled_from([1, 2, 7, 60])
BY = st.lists(st.sampled_from(list(StatsDimension)), max_size=3, unique=True)
ANY = {"triggeredAt": {"gte": "PT20S"}}


def key_of(series: Series, by: Sequence[StatsDimension]) -> tuple[Any, ...]:
    names = {"source": "source", "hook": "hook_id", "statuscode": "status_code"}
    return tuple(
        getattr(series.key, names.get(one.name.lower().replace("_", ""), one.name.lower()))
        for one in by
    )


def refused(wanted: Any) -> bool:
    try:
        filters.prepare(wanted, NOW, SOURCES)
    except RequestError:
        return True
    return False


FAULTS = st.none() | st.tuples(st.integers(0, 1), st.sampled_from(["find", "0"]), st.integers(0, 3))
"""The source that fails, what of it, and after how many calls."""
WANTED = st.none() | st.just(ANY) | DOCUMENTS.filter(lambda made: not refused(made))


def check_series(series: Series, true: Sequence[WebhookLog], read_logs: set[str]) -> None:
    """Check what is said of a group against all of its logs, read or not."""
    span = series.span
    if span.is_complete:
        assert series.found == len(true)
        assert series.durations == durations_of(true)
    elif not span.is_empty:
        known = [log for log in true if (log.triggered_at or 0) >= span.since]
        if span.is_whole:
            assert series.found == len(known)
            assert series.durations == durations_of(known)
        else:
            assert (series.found or 0) <= len(known)
    for bucket in series.buckets:
        inside = [log for log in true if bucket.start <= (log.triggered_at or 0) < bucket.end]
        found = sum(log.id in read_logs for log in inside)
        assert bucket.count in {None, len(inside)}
        assert bucket.found == found or (bucket.found is None and found == 0)
        assert bucket.count is None or bucket.count == bucket.found


@examples(400)
@given(
    made=sources(),
    wanted=WANTED,
    size=SIZES,
    by=BY,
    scan_limit=st.sampled_from([1, 5, 20, 1000]),
    fault=st.none()
    | st.tuples(st.integers(0, 1), st.sampled_from(["find", "0"]), st.integers(0, 3)),
)
async def test_counts_are_those_of_all_logs_or_say_what_they_are_of(
    made: list[FakeSource],
    wanted: Any,
    size: int,
    by: list[StatsDimension],
    scan_limit: int,
    fault: tuple[int, str, int] | None,
) -> None:
    if fault is not None:
        fail(made[fault[0] % len(made)], *fault[1:])
    reading = await read(made, wanted, scan_limit=scan_limit)
    stats = await tally(reading, size * SECOND, by, 100)
    true = all_logs(made, wanted)
    read_logs = {row.log.id for one in reading.lists for row in one.rows}
    span = reading.span()
    event(f"complete {span.is_complete}, sampled {reading.is_sampled}, known {not span.is_empty}")
    check_series(stats.total, true, read_logs)
    assert await stats.total.count() in {None, len(true)}
    if span.is_complete:
        assert not reading.is_sampled
        assert await stats.total.count() == len(true)
    expected = Counter(tuple(VALUES[one](log) for one in by) for log in true) if by else Counter()
    for group in stats.groups:
        key = key_of(group, by)
        own = [log for log in true if tuple(VALUES[one](log) for one in by) == key]
        check_series(group, own, read_logs)
        assert await group.count() in {None, expected[key]}
    assert stats.group_count == len(stats.groups) <= len(expected)
    if span.is_complete:
        assert {key_of(group, by): group.found for group in stats.groups} == expected


@examples(200)
@given(made=sources(), wanted=WANTED, scan_limit=st.sampled_from([1, 10, 1000]))
async def test_groups_of_failures_are_those_of_all_logs(
    made: list[FakeSource], wanted: Any, scan_limit: int
) -> None:
    reading = await read(made, wanted, scan_limit=scan_limit)
    found = await group_failures(reading, 100)
    true = all_logs(made, wanted)
    everything = all_logs(made)
    expected = Counter(map(group_of, true))
    for group in found.groups:
        assert group.count in {None, expected[group.id]}
        assert group.found <= expected[group.id]
        own = [log for log in true if group_of(log) == group.id]
        assert group_of(group.sample) == group.id
        assert {log.hook_id for log in own} == {group.hook_id}
        # The id is a filter for just these logs.
        chosen = all_logs(made, {"failureGroup": {"eq": group.id}})
        assert chosen == [log for log in everything if group_of(log) == group.id]
    if reading.span().is_complete:
        assert {one.id: one.count for one in found.groups} == {
            id: count for id, count in expected.items() if id is not None
        }
        seen = [group.last_seen or 0 for group in found.groups]
        assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (86_400, "2026-03-04T00:00:00Z"),
        (7 * 86_400, "2026-03-02T00:00:00Z"),  # a Monday
        (3600, "2026-03-04T09:00:00Z"),
        (900, "2026-03-04T09:00:00Z"),
        (60, "2026-03-04T09:10:00Z"),
    ],
)
async def test_buckets_are_aligned_to_utc(size: int, text: str) -> None:
    reading = await read([])
    stats = await tally(reading, size * SECOND, [], 1)
    [bucket] = stats.total.buckets
    assert format_rfc3339(bucket.start) == text
    assert bucket.end == bucket.start + size * SECOND
