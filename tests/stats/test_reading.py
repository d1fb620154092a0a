"""How far lists are read for statistics, and what is a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.feed import filters
from gateway.model import Timestamp, WebhookLogStatus
from gateway.stats import scan
from gateway.stats.buckets import MAX_BUCKETS, check, parse_size
from gateway.stats.tally import StatsDimension, tally
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Found
from tests.feed.test_filters import NOW, SECOND, SOURCES
from tests.stats.lists import fail, fill, read, source
from tests.stats.lists import log as plain
from tests.support.fake_source import FakeSource
from tests.support.virtual_time import VIRTUAL_TIME, Backend


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


SHOP, ROAD = SOURCES
FAILED, SUCCEEDED, PENDING = (WebhookLogStatus[name] for name in ("FAILED", "SUCCEEDED", "PENDING"))
LAST_20 = {"triggeredAt": {"gte": "PT20S"}}


def listed(
    name: str, ages: Sequence[int], *, page_size: int = 4, kind: str = "offset"
) -> FakeSource:
    made = source(name, [kind], page_size)
    fill(made, 0, [plain()] * len(ages), ages)
    return made


async def counts(made: Sequence[FakeSource], wanted: Any = None, **options: Any) -> list[Any]:
    reading = await read(made, wanted, **options)
    result = await tally(reading, 10 * SECOND, [], 1)
    return [bucket.count for bucket in result.total.buckets]


async def found(made: Sequence[FakeSource], wanted: Any = None, **options: Any) -> list[Any]:
    reading = await read(made, wanted, **options)
    result = await tally(reading, 10 * SECOND, [], 1)
    return [bucket.found for bucket in result.total.buckets]


# Logs of 0 and 1 seconds ago are in the last bucket of ten seconds, those of 2 to 11 in the one
# before it, and so on.


async def test_time_without_logs_is_zero_where_it_was_read() -> None:
    made = [listed(SHOP, [0, 0, 25])]
    assert await counts(made, {"triggeredAt": {"gte": "PT41S"}}) == [0, 1, 0, 0, 2]


async def test_time_below_a_sample_is_a_gap() -> None:
    made = [listed(SHOP, range(60))]
    wanted = {"triggeredAt": {"gte": "PT41S"}}
    assert await counts(made, wanted) == [10, 10, 10, 10, 2]
    assert await counts(made, wanted, scan_limit=16) == [None, None, None, 10, 2]
    # A part of the third bucket was read.
    assert await found(made, wanted, scan_limit=16) == [None, None, 4, 10, 2]


async def test_source_that_fails_leaves_gaps_for_all_but_the_others() -> None:
    """A zero would say that nothing was delivered."""
    made = [listed(SHOP, [0, 15]), listed(ROAD, [5])]
    fail(made[1], "find", 0)
    wanted = {"triggeredAt": {"gte": "PT11S"}}
    assert await counts(made, wanted) == [None, None]
    assert await found(made, wanted) == [0, 1]
    result = await tally(await read(made, wanted), 10 * SECOND, [StatsDimension.SOURCE], 9)
    assert [group.key.source for group in result.groups] == [SHOP]
    assert [bucket.count for bucket in result.groups[0].buckets] == [0, 1]
    assert not result.reading.span().is_complete
    assert await result.total.count() is None
    assert await result.groups[0].count() == 1


async def test_nothing_is_known_if_all_sources_fail() -> None:
    made = [listed(SHOP, [0]), listed(ROAD, [0])]
    for one in made:
        fail(one, "find", 0)
    result = await tally(await read(made, LAST_20), 10 * SECOND, [], 9)
    assert result.total.found is None
    assert result.reading.span().begin is result.reading.span().end is None
    assert {(one.count, one.found) for one in result.total.buckets} == {(None, None)}
    assert all(report.failed for report in result.reading.reports)


async def test_list_that_fails_later_is_known_as_far_as_it_was_read() -> None:
    made = [listed(SHOP, range(60))]
    fail(made[0], "0", 3)
    wanted = {"triggeredAt": {"gte": "PT31S"}}
    assert (await counts(made, wanted))[-2:] == [None, 2]
    reading = await read(made, wanted)
    assert not reading.is_sampled
    assert reading.reports[0].error is not None


async def test_time_after_the_reading_is_a_gap() -> None:
    """While a vendor is down, its cached pages tell nothing about the time since."""
    made = [listed(SHOP, range(30, 60))]
    made[0].now = NOW - 25 * SECOND
    made[0].freeze()
    assert await counts(made, {"triggeredAt": {"gte": "PT41S"}}) == [10, 2, None, None, None]
    reading = await read(made, LAST_20)
    assert not reading.span().is_complete
    assert reading.span().until == NOW - 25 * SECOND


async def test_late_log_shortens_what_is_known_by_twice_its_delay() -> None:
    made = listed(SHOP, range(60), page_size=10)
    logs = made.logs[0]
    logs.insert(8, logs.pop(5))  # after others that are up to three seconds older
    reading = await read([made], scan_limit=20)
    assert reading.scanned == 20
    assert reading.span().since == NOW - 19 * SECOND + 1 + 2 * 3 * SECOND


async def test_list_in_no_order_is_known_once_all_of_it_was_read() -> None:
    made = listed(SHOP, range(60), page_size=20)
    made.logs[0].reverse()
    reading = await read([made], scan_limit=20)
    assert reading.span().is_empty
    assert await counts([made], LAST_20, scan_limit=20) == [None, None, None]
    assert (await read([made])).span().is_complete


async def test_scan_limit_bounds_the_rows_beyond_the_first_pages() -> None:
    made = [listed(SHOP, range(100), page_size=10), listed(ROAD, range(100), page_size=10)]
    reading = await read(made, scan_limit=45)
    assert 45 <= reading.scanned < 45 + 10
    assert reading.is_sampled
    assert sum(len(one.calls) for one in made) <= 8


async def test_lists_that_are_known_least_far_back_are_read_on() -> None:
    """So many calls are made for the busy list that both are known equally far."""
    busy, calm = listed(SHOP, range(80), page_size=5), listed(ROAD, range(0, 800, 10), page_size=5)
    await read([busy, calm], scan_limit=40)
    assert len(calm.calls) == 1
    assert len(busy.calls) > 4


async def test_reading_ends_before_the_deadline() -> None:
    made = listed(SHOP, range(100))
    operation = Operation(0)
    reading = await scan.read(
        [made],  # type: ignore[list-item]
        filters.prepare(None, NOW, SOURCES),
        operation,
        scan_limit=1000,
        now=NOW,
    )
    assert len(made.calls) <= 1
    assert not reading.span().is_complete
    assert not operation.result.is_lasting


async def test_source_that_hangs_does_not_take_the_time_of_the_others() -> None:
    """Otherwise nothing is known of any source while one vendor hangs."""

    class Hanging(FakeSource):
        async def find_streams(self, operation: Operation) -> Found:
            await asyncio.sleep(operation.deadline - asyncio.get_running_loop().time())
            raise UpstreamError(ErrorCode.UPSTREAM_TIMEOUT, "It hangs.", source=self.name)

    made = [Hanging(SHOP, ["offset"]), listed(ROAD, range(60))]
    wanted = {"triggeredAt": {"gte": "PT41S"}}
    result = await tally(await read(made, wanted), 10 * SECOND, [StatsDimension.SOURCE], 9)
    assert [report.failed for report in result.reading.reports] == [True, False]
    assert [bucket.count for bucket in result.groups[0].buckets] == [10, 10, 10, 10, 2]
    assert result.total.found == 42


async def test_source_that_is_slow_is_read_on_when_it_answers() -> None:
    class Slow(FakeSource):
        async def find_streams(self, operation: Operation) -> Found:
            await asyncio.sleep(scan.PATIENCE + 1)
            return await super().find_streams(operation)

    slow = Slow(SHOP, ["offset"], page_size=4)
    slow.now = NOW
    fill(slow, 0, [plain()] * 60, range(60))
    reading = await read([slow, listed(ROAD, range(60))])
    assert reading.span().is_complete
    assert [one.source for one in reading.lists] == [SHOP, ROAD]


async def test_nothing_is_known_of_a_time_that_was_not_reached() -> None:
    """A zero would say that nothing was delivered then."""
    wanted = {"triggeredAt": {"gte": "PT50S", "lt": "PT40S"}}
    result = await tally(await read([listed(SHOP, range(60))], wanted, scan_limit=8), None, [], 9)
    assert result.total.found is None
    assert result.reading.span().begin is result.reading.span().end is None


@pytest.mark.parametrize(
    ("wanted", "status", "expected"),
    [
        (None, None, 60),
        ({"status": {"eq": FAILED}}, None, 20),
        ({"status": {"neq": FAILED}}, None, 40),
        (None, FAILED, 20),
        ({"status": {"eq": FAILED}}, FAILED, 20),
        ({"status": {"neq": FAILED}}, FAILED, None),
        ({"status": {"eq": FAILED}, "event": {"neq": "push"}}, None, None),
        (LAST_20, None, None),
    ],
)
async def test_vendor_counts_by_status(
    wanted: Any, status: WebhookLogStatus | None, expected: int | None
) -> None:
    made = listed(SHOP, [])
    logs = [plain(status=FAILED if age % 3 == 0 else PENDING) for age in range(60)]
    fill(made, 0, logs, range(60))
    made.counts_statuses = True
    reading = await read([made], wanted, scan_limit=1)
    assert reading.is_sampled
    assert await reading.count(SHOP, None, status) == expected


async def test_wrong_total_of_a_filtered_list_is_no_count() -> None:
    made = listed(SHOP, range(60))
    made.counts_statuses = True
    made.miscounts = 3
    reading = await read([made], scan_limit=1)
    assert await reading.count(SHOP, None, SUCCEEDED) is None


async def test_logs_without_a_time_are_counted_but_in_no_bucket() -> None:
    made = listed(SHOP, [0, 1])
    made.add(0, None)
    result = await tally(await read([made]), 10 * SECOND, [], 1)
    assert result.total.found == 3
    assert sum(bucket.count or 0 for bucket in result.total.buckets) == 2


async def test_buckets_without_a_lower_bound_begin_at_the_oldest_log() -> None:
    assert await counts([listed(SHOP, [0, 25])]) == [1, 0, 0, 1]
    assert await counts([]) == [0]
    # The newest are kept.
    many = await counts([listed(SHOP, [0, 20 * MAX_BUCKETS * 10])])
    assert len(many) == MAX_BUCKETS
    assert sum(many) == 1


async def test_upper_bound_ends_the_buckets() -> None:
    wanted = {"triggeredAt": {"gte": "PT41S", "lt": "PT21S"}}
    assert await counts([listed(SHOP, range(60))], wanted) == [10, 10]
    later = {"triggeredAt": {"gte": "PT1S", "lt": "2100-01-01T00:00:00Z"}}
    assert await counts([listed(SHOP, range(60))], later) == [2]
    future = {"triggeredAt": {"gte": "2100-01-01T00:00:00Z"}}
    assert await counts([listed(SHOP, range(60))], future) == []


def test_too_many_buckets_are_refused() -> None:
    with pytest.raises(RequestError) as caught:
        check(SECOND, filters.prepare({"triggeredAt": {"gte": "P1D"}}, NOW, SOURCES), NOW)
    assert caught.value.code is ErrorCode.INVALID_BUCKET
    assert str(caught.value) == (
        "The buckets can't be made: The times of the filter make 86401 of them; at most 750 are"
        " given. Ask for larger ones, or for a shorter time."
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT1S", 1), ("PT5M", 300), ("P1DT12H", 129_600), ("P2W", 14 * 86_400)]
)
def test_size_of_buckets(text: str, seconds: int) -> None:
    assert parse_size(text) == seconds * SECOND


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hour", "'hour' is not a duration such as PT5M, PT1H or P1D."),
        ("P1M", "'P1M' counts in years or months, whose length varies; give weeks, days, hours,"
         " minutes or seconds, such as P30D."),
        ("PT0S", "'PT0S' is not between PT1S and P366D."),
        ("-PT1H", "'-PT1H' is not between PT1S and P366D."),
        ("P9999D", "'P9999D' is not between PT1S and P366D."),
    ],
)  # fmt: skip
def test_unusable_size_is_refused(text: str, why: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_size(text)
    assert caught.value.code is ErrorCode.INVALID_BUCKET
    assert str(caught.value) == f"The buckets can't be made: {why}"


async def test_percentiles_are_by_nearest_rank() -> None:
    made = listed(SHOP, [1] * 20)
    made.logs[0] = [
        plain(id=str(number), duration_ms=float(number), triggered_at=Timestamp(NOW))
        for number in range(1, 21)
    ]
    made.logs[0].append(plain(id="none", triggered_at=Timestamp(NOW)))
    durations = (await tally(await read([made]), None, [], 1)).total.durations
    assert durations is not None
    assert (durations.count, durations.p50, durations.p95, durations.max) == (20, 10, 19, 20)
