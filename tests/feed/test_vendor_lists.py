"""Lists of the real vendors over HTTP, with caps, totals, orders and shifts of any kind.

The kits and the readers together must return each row once. A list that is silently incomplete is
the worst fault that this gateway can have.
"""

from __future__ import annotations

import random
from typing import Any

import httpx
import pytest

from tests.feed.vendor_lists import LISTED, List, document, newest_first, read_all, said, source
from tests.vendors.vendors import Vendor, answer, make, token


@pytest.mark.sampled(37)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("total", ["none", "right", "zero", "40", "so far"])
@pytest.mark.parametrize("cap", [20, 25, 100])
@pytest.mark.parametrize("provider", LISTED)
async def test_short_pages_and_wrong_totals_lose_no_row(
    provider: str, cap: int, total: str, first: int
) -> None:
    lists = List(rows=newest_first(60), cap=cap, total=total)
    given, pages, counted = await read_all(source(provider, lists), first)
    assert given == list(range(60, 0, -1)), said(pages)
    assert counted in {60, None}
    assert not any(report.error for page in pages for report in page.reports)


@pytest.mark.sampled(13)
@pytest.mark.parametrize("total", ["none", "right", "zero", "so far", "page"])
@pytest.mark.parametrize("says_size", [True, False])
@pytest.mark.parametrize("count", [25, 26, 27, 51, 53])
@pytest.mark.parametrize("provider", LISTED)
async def test_last_page_of_few_rows_is_read_and_ends_the_list(
    provider: str, count: int, total: str, *, says_size: bool
) -> None:
    lists = List(rows=newest_first(count), cap=25, total=total, says_size=says_size)
    given, pages, counted = await read_all(source(provider, lists), 100)
    assert given == list(range(count, 0, -1)), said(pages)
    assert counted in {count, None}
    assert not any(report.error for page in pages for report in page.reports), said(pages)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("first", [100, 3, 1])
@pytest.mark.parametrize("ties", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 9])
@pytest.mark.parametrize("provider", LISTED)
async def test_short_list_is_not_taken_for_small_pages(
    provider: str, count: int, ties: int, first: int
) -> None:
    rows: list[tuple[int, float | None]] = [
        (count - number, float(number // ties)) for number in range(count)
    ]
    given, pages, _ = await read_all(source(provider, List(rows=rows)), first)
    assert given == list(range(count, 0, -1)), said(pages)
    assert not any(report.error for page in pages for report in page.reports), said(pages)


async def test_moment_with_several_logs_ends_a_list_without_an_alarm() -> None:
    rows: list[tuple[int, float | None]] = [(20 - number, number // 10) for number in range(20)]
    given, pages, _ = await read_all(source("yandex-tracker", List(rows=rows)), 100)
    assert given == list(range(20, 0, -1))
    assert not any(report.error for page in pages for report in page.reports), said(pages)


@pytest.mark.sampled(37)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("odd", [None, 9000.0, -60.0], ids=["undated", "old", "ahead"])
@pytest.mark.parametrize("index", [0, 1, 19, 20, 49, 59])
@pytest.mark.parametrize("provider", LISTED)
async def test_one_odd_time_does_not_affect_other_rows(
    provider: str, index: int, odd: float | None, first: int
) -> None:
    rows = newest_first(60)
    if odd is not None and odd < 0 and provider in {"codearts", "yandex-tracker"}:
        # A vendor that filters by time also sorts by time.
        rows.insert(0, (rows.pop(index)[0], odd))
    else:
        rows[index] = (rows[index][0], odd)
    given, pages, _ = await read_all(source(provider, List(rows=rows)), first)
    assert sorted(given) == list(range(1, 61)), said(pages)
    others = [id for id in given if id != 60 - index]
    assert others == [id for id in range(60, 0, -1) if id != 60 - index]


@pytest.mark.sampled(11)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("order", ["oldest first", "none", "undated"])
@pytest.mark.parametrize("provider", LISTED)
async def test_list_in_another_order_is_complete_or_reported_as_incomplete(
    provider: str, order: str, first: int
) -> None:
    rows = newest_first(60)
    if order == "oldest first":
        rows.reverse()
    elif order == "none":
        rows = [rows[number * 37 % 60] for number in range(60)]
    else:
        rows = [(id, None) for id, _ in rows]
    given, pages, _ = await read_all(source(provider, List(rows=rows)), first)
    if provider == "yandex-tracker":
        # It has paging by time only.
        assert len(given) == len(set(given)) == 50
        assert any(report.error for page in pages for report in page.reports)
        return
    assert given == [id for id, _ in rows], said(pages)


@pytest.mark.parametrize("first", [100, 7])
async def test_windows_that_are_ignored_are_replaced_by_offsets(first: int) -> None:
    lists = List(rows=newest_first(160), heeds_windows=False)
    given, pages, _ = await read_all(source("codearts", lists), first)
    assert given == list(range(160, 0, -1)), said(pages)
    lists = List(rows=newest_first(160), heeds_windows=False)
    given, pages, _ = await read_all(source("yandex-tracker", lists), 100)
    assert len(given) == 50
    assert any("may have more logs" in text for text in said(pages))


@pytest.mark.sampled(23)
@pytest.mark.parametrize("first", [100, 7, 1])
@pytest.mark.parametrize("total", ["none", "right", "page"])
@pytest.mark.parametrize("provider", LISTED)
async def test_pages_of_one_row_are_read_to_the_end(provider: str, total: str, first: int) -> None:
    lists = List(rows=newest_first(24), cap=1, total=total)
    given, pages, _ = await read_all(source(provider, lists), first)
    assert given == list(range(24, 0, -1)), said(pages)
    if provider != "yandex-tracker":
        # Without offsets, another log of the same millisecond could not be listed.
        assert not any(report.error for page in pages for report in page.reports)


@pytest.mark.sampled(29)
@pytest.mark.parametrize("first", [100, 7, 1])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cap", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("provider", LISTED)
async def test_list_in_no_order_on_small_pages_loses_no_row_in_silence(
    provider: str, cap: int, seed: int, first: int
) -> None:
    """On a page of a few rows, no order can be told from another."""
    rows = newest_first(25)
    random.Random(seed).shuffle(rows)
    given, pages, counted = await read_all(source(provider, List(rows=rows, cap=cap)), first)
    assert len(given) == len(set(given))
    is_told = any(report.error for page in pages for report in page.reports)
    if provider == "yandex-tracker" and len(given) <= cap and 1 in given:
        # Without offsets, a first page that happens to hold the oldest log is like a whole list.
        return
    assert sorted(given) == list(range(1, 26)) or is_told, said(pages)
    assert counted in {25, None} or is_told


@pytest.mark.sampled(11)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("says_size", [True, False])
@pytest.mark.parametrize("total", ["none", "right"])
@pytest.mark.parametrize("provider", ["language-weaver", "elastic-path"])
async def test_pages_with_more_rows_than_asked_for_lose_no_row(
    provider: str, total: str, first: int, *, says_size: bool
) -> None:
    lists = List(rows=newest_first(101), rows_of_page=80, total=total, says_size=says_size)
    given, pages, _ = await read_all(source(provider, lists), first)
    assert given == list(range(101, 0, -1)), said(pages)
    assert not any(report.error for page in pages for report in page.reports)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("total", ["so far", "page", "40"])
@pytest.mark.parametrize("provider", ["codearts", "language-weaver", "elastic-path"])
async def test_total_is_null_where_one_page_shows_more_rows(provider: str, total: str) -> None:
    """The row behind as many rows as the total says was read for the page already."""
    lists = List(rows=newest_first(101), cap=25, total=total)
    _, _, counted = await read_all(source(provider, lists), 100)
    assert counted is None


@pytest.mark.sampled(17)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("excludes", [True, False])
@pytest.mark.parametrize("rounds", [True, False])
@pytest.mark.parametrize("step", [0.01, 0.3, 40.0])
@pytest.mark.parametrize("provider", ["codearts", "yandex-tracker"])
async def test_windows_that_a_vendor_rounds_down_or_excludes_lose_no_row(
    provider: str, step: float, first: int, *, rounds: bool, excludes: bool
) -> None:
    """``step`` is the seconds between two logs; at 0.01, a page covers less than a second."""
    rows: list[tuple[int, float | None]] = [
        (120 - number, number * step / 60 + 0.001) for number in range(120)
    ]
    lists = List(rows=rows, cap=20, rounds=rounds, excludes=excludes)
    given, pages, _ = await read_all(source(provider, lists), first)
    assert len(given) == len(set(given))
    is_told = any(report.error for page in pages for report in page.reports)
    assert given == list(range(120, 0, -1)) or (is_told and step < 0.1), said(pages)
    assert not (is_told and step > 0.1)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("provider", LISTED)
async def test_short_list_of_a_vendor_without_windows_and_true_totals_takes_few_calls(
    provider: str, count: int
) -> None:
    calls = 0

    def count_call(_: Any) -> None:
        nonlocal calls
        calls += 1

    rows: list[tuple[int, float | None]] = [(count - number, 0.0) for number in range(count)]
    lists = List(rows=rows, heeds_windows=False, total="page", before_call=count_call)
    given, pages, _ = await read_all(source(provider, lists), 25)
    assert given == list(range(count, 0, -1)), said(pages)
    assert calls < 20
    if provider != "yandex-tracker":
        assert not any(report.error for page in pages for report in page.reports), said(pages)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("provider", LISTED)
async def test_list_of_few_logs_of_one_moment_is_no_cause_for_alarm(
    provider: str, count: int
) -> None:
    """Each new trigger of Tracker has such a list."""
    rows: list[tuple[int, float | None]] = [(count - number, 0.0) for number in range(count)]
    _, pages, counted = await read_all(source(provider, List(rows=rows)), 25)
    assert not any(report.error for page in pages for report in page.reports)
    assert counted == count


@pytest.mark.sampled(67)
@pytest.mark.parametrize("first", [100, 25, 7])
@pytest.mark.parametrize("total", ["none", "right"])
@pytest.mark.parametrize("caps", [(20, 7, 13, 4, 25), (30, 20, 10, 5), (20, 3), (4, 9, 2, 30)])
@pytest.mark.parametrize("step", [1, 9])
@pytest.mark.parametrize("provider", LISTED)
async def test_pages_that_change_in_size_lose_no_row_in_silence(
    provider: str, step: int, caps: tuple[int, ...], total: str, first: int
) -> None:
    rows: list[tuple[int, float | None]] = [
        (60 - number, float(number // step)) for number in range(60)
    ]
    given, pages, counted = await read_all(
        source(provider, List(rows=rows, caps=caps, total=total)), first
    )
    assert len(given) == len(set(given))
    is_told = any(report.error for page in pages for report in page.reports)
    assert given == list(range(60, 0, -1)) or is_told, said(pages)
    assert counted in {60, None} or is_told


@pytest.mark.sampled(3)
@pytest.mark.parametrize("first", [100, 7, 1])
async def test_windows_that_are_ignored_on_pages_of_one_row_do_not_keep_the_gateway_busy(
    first: int,
) -> None:
    """Reading cached pages in a circle would stop the whole process, for every caller."""
    rows: list[tuple[int, float | None]] = [
        (24 - number, float(number // 9)) for number in range(24)
    ]
    lists = List(rows=rows, cap=1, heeds_windows=False)
    given, pages, _ = await read_all(source("codearts", lists), first)
    assert given == list(range(24, 0, -1)), said(pages)


@pytest.mark.sampled(11)
@pytest.mark.parametrize(
    ("provider", "change", "total"),
    [
        (provider, change, total)
        for provider in LISTED
        for change in ("arrives", "leaves", "repeats")
        for total in ("none", "right")
        # Numbered pages can't overlap, so only a total reveals a deletion.
        if (change, total) != ("leaves", "none") or provider not in {"language-weaver", "described"}
    ],
)
async def test_list_that_changes_between_two_calls_loses_no_row(
    provider: str, change: str, total: str
) -> None:
    calls = 0
    gone: set[int] = set()

    def unrest(rows: list[tuple[int, float | None]]) -> None:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            if change == "arrives":
                rows.insert(0, (1000 + calls, -calls / 10))
            elif change == "leaves":
                gone.add(rows.pop(3)[0])
            else:
                rows.insert(30, rows[28])

    lists = List(rows=newest_first(160), total=total, before_call=unrest)
    given, pages, _ = await read_all(source(provider, lists), 25)
    assert len(given) == len(set(given))
    assert set(range(1, 161)) - gone <= set(given), said(pages)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("first", [100, 3])
@pytest.mark.parametrize("provider", ["codearts", "yandex-tracker", "elastic-path"])
async def test_logs_of_hooks_listed_before_a_failure_are_given(provider: str, first: int) -> None:
    """A later page of hooks that fails takes away the logs of its own hooks only."""
    ids = [f"2f2f0f9e-6f5c-4a0b-8f4e-{number:012}" for number in range(1, 7)]

    def respond(request: httpx.Request) -> httpx.Response:
        if granted := token(request):
            return granted
        path, values = request.url.path, request.url.params
        if path.endswith("/integrations/logs"):
            return answer({}, 404)
        if path.endswith(("/logs", "/log")):
            if values.get("offset", "0") != "0" or values.get("page[offset]", "0") != "0":
                return answer({"data": []} if provider == "elastic-path" else [])
            number = int(path.split("/")[-3 if provider == "yandex-tracker" else -2][-3:])
            rows = [document(provider, (number, float(number)))]
            return answer({"data": rows} if provider == "elastic-path" else rows)
        later = values.get("offset", "0") != "0" or values.get("page[offset]", "0") != "0"
        if later or values.get("id"):
            return answer({}, 500)
        hooks = [
            {
                "id": ids[number - 1] if provider == "elastic-path" else number,
                "actions": [{"type": "Webhook"}],
            }
            for number in range(1, 6)
        ]
        return answer({"data": hooks} if provider == "elastic-path" else hooks)

    settings: Any = {} if provider != "codearts" else {"hooks": []}
    made = make(provider, Vendor(respond), **settings)
    given, pages, _ = await read_all(made, first)
    assert sorted(given) == [1, 2, 3, 4, 5]
    assert all(report.error for page in pages for report in page.reports)
    assert not any(report.failed for page in pages for report in page.reports)
