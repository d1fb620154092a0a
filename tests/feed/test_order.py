"""One odd time must not affect the rows around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feed.cursor import UNDATED
from gateway.feed.order import SECOND, Order, in_order, is_unordered, positions
from gateway.feed.stream_pages import ListedRow
from gateway.model import CacheStatus, Freshness, Timestamp
from tests.support.fake_source import log

HOUR = 3600 * SECOND
FRESHNESS = Freshness(status=CacheStatus.MISS, fetched_at=Timestamp(0), fresh_until=Timestamp(0))


def at(*hours: float | None) -> list[Timestamp | None]:
    return [None if hour is None else Timestamp(int(hour * HOUR)) for hour in hours]


def rows(*hours: float | None) -> list[ListedRow]:
    return [
        ListedRow(log("one", index, time), bytes([index] * 6), FRESHNESS)
        for index, time in enumerate(at(*hours))
    ]


def placed(order: Order, *hours: float | None, last: bool = False) -> list[float]:
    return [each.time / HOUR for each in order.add(rows(*hours), last=last)]


@pytest.mark.parametrize(
    ("hours", "flags"),
    [
        ([9, 8, 8, 7], "yyyy"),
        ([9, 1, 8, 7], "ynyy"),
        ([9, 99, 8, 7], "ynyy"),
        ([1, 9, 8, 7], "nyyy"),
        ([99, 9, 8, 7], "yyyy"),
        ([9, None, 8, None], "ynyn"),
        ([9, 1, 8], "yny"),
        ([1, 9], "ny"),
        ([], ""),
    ],
)
def test_longest_run_that_never_rises_is_in_order(hours: list[float | None], flags: str) -> None:
    assert in_order(at(*hours)) == [flag == "y" for flag in flags]


def test_odd_rows_keep_the_position_of_the_ordered_row_before_them() -> None:
    times = at(None, 1, 9, 8.5, None, 99, 8, 7)
    found = positions(times, in_order(times), None)
    assert [time / HOUR for time in found] == [9, 9, 9, 8.5, 8.5, 8.5, 8, 7]


def test_suspicious_last_row_waits_for_the_next_page() -> None:
    """After 10, 9, 1 the next row may be 8. Then 1 is odd, and must not move other rows."""
    order = Order(None)
    assert placed(order, 10, 9.75, 1) == [10, 9.75]
    assert placed(order, 9.5, 9.25, 9, 8.75) == [9.75, 9.5, 9.25, 9, 8.75]
    order = Order(None)
    assert placed(order, 10, 9.75, 1) == [10, 9.75]
    assert placed(order, last=True) == [1]


def test_rows_without_a_time_wait_for_a_row_with_one() -> None:
    order = Order(None)
    assert placed(order, None, None) == []
    assert placed(order, None, 5, 4.5, 4) == [5, 5, 5, 5, 4.5, 4]
    order = Order(None)
    assert placed(order, None, None, last=True) == [UNDATED / HOUR] * 2


def test_list_sorted_oldest_first_keeps_its_order_at_the_lowest_time() -> None:
    order = Order(None)
    assert placed(order, 1, 2, 3, 4, 5) == [1] * 5
    assert order.unordered
    assert placed(order, 6, 0.5, 7) == [1, 0.5, 0.5]
    assert is_unordered(at(1, 2, 3, 4, 5), in_order(at(1, 2, 3, 4, 5)))


@given(
    pages=st.lists(st.lists(st.none() | st.integers(0, 50), max_size=12), max_size=5),
    level=st.none() | st.integers(0, 50),
)
def test_every_row_gets_one_position_and_positions_never_rise(
    pages: list[list[int | None]], level: int | None
) -> None:
    order = Order(None if level is None else Timestamp(level * HOUR))
    found = [each for page in pages for each in order.add(rows(*page))]
    found += order.add([], last=True)
    assert len(found) == sum(map(len, pages))
    times = [each.time for each in found]
    assert times == sorted(times, reverse=True)
    assert level is None or all(time <= level * HOUR for time in times)
