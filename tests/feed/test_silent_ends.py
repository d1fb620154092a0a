"""Lists that seem to have ended, or to be newest first, although rows of them were passed over.

Either the rows come, or the report tells that some may be missing.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.feed.vendor_lists import List, newest_first, read_all, said, source


@pytest.mark.sampled(5)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("cap", [9, 10, 13])
@pytest.mark.parametrize("provider", ["codearts", "yandex-tracker"])
async def test_second_list_behind_the_first_is_not_passed_over_in_silence(
    provider: str, cap: int, first: int
) -> None:
    """Two lists, one after the other, look newest first until a window reaches their ends."""
    rows = newest_first(24)
    given, pages, _ = await read_all(
        source(provider, List(rows=rows[::2] + rows[1::2], cap=cap)), first
    )
    is_told = any(report.error for page in pages for report in page.reports)
    assert sorted(given) == list(range(1, 25)) or is_told, said(pages)


@pytest.mark.parametrize("first", [100, 10, 3])
async def test_crowded_second_is_read_once_and_to_its_end(first: int) -> None:
    """Rows above the cursor, of the same second, share its page with those below."""
    rows: list[tuple[int, float | None]] = [
        (20 - number, 0.167 + number // 7 * 0.01 / 60) for number in range(20)
    ]
    given, pages, _ = await read_all(source("codearts", List(rows=rows, cap=10)), first)
    assert given == list(range(20, 0, -1)), said(pages)
    assert not any(report.error for page in pages for report in page.reports), said(pages)


@pytest.mark.sampled(11)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("cap", [10, 25, 100])
@pytest.mark.parametrize("tie", [9, 10, 25, 49, 60])
@pytest.mark.parametrize("provider", ["codearts", "yandex-tracker"])
async def test_first_page_of_one_moment_does_not_tell_the_order(
    provider: str, tie: int, cap: int, first: int
) -> None:
    """Of a list that is oldest first, only the logs of that moment would be read by time."""
    rows: list[tuple[int, float | None]] = [
        (number + 1, 120.0 - number // tie) for number in range(120)
    ]
    given, pages, _ = await read_all(source(provider, List(rows=rows, cap=cap)), first)
    is_told = any(report.error for page in pages for report in page.reports)
    assert given == list(range(1, 121)) or is_told, said(pages)


async def test_vendor_count_is_compared_with_list_that_was_read_by_time() -> None:
    rows = newest_first(60)
    lists = List(rows=rows[::2] + rows[1::2], cap=9, total="right")
    given, pages, total = await read_all(source("codearts", lists), 100)
    assert len(given) < 60
    assert total is None
    assert f"The vendor counts 60 logs but lists {len(given)}." in said(pages)


async def test_vendor_count_is_compared_with_pages_that_repeat_rows() -> None:
    """Numbered pages that shrink lead back up, and nothing but the count shows it."""
    lists = List(rows=newest_first(60), total="right", says_size=False)
    caps = iter([50])

    def shrink(_: Any) -> None:
        lists.cap = next(caps, 5)

    lists.before_call = shrink
    given, pages, total = await read_all(source("language-weaver", lists), 100)
    assert len(given) < 60
    assert total is None
    assert f"The vendor counts 60 logs but lists {len(given)}." in said(pages)


async def test_undated_row_does_not_hide_that_a_second_was_passed_over() -> None:
    """It is in every window, so that windows seem to overlap."""
    rows: list[tuple[int, float | None]] = [
        (40 - number, number // 2 * 0.1 / 60) for number in range(40)
    ]
    rows[5] = (35, None)
    given, pages, _ = await read_all(source("codearts", List(rows=rows, cap=10, rounds=True)), 100)
    assert len(given) < 40
    assert any(report.error for page in pages for report in page.reports)


@pytest.mark.parametrize("first", [100, 3])
@pytest.mark.parametrize("provider", ["codearts", "yandex-tracker"])
async def test_list_does_not_end_in_silence_within_a_second(provider: str, first: int) -> None:
    """A bound in whole seconds can't reach below the first page of a second."""
    rows: list[tuple[int, float | None]] = [
        (20 - number, number // 2 * 0.05 / 60) for number in range(20)
    ]
    given, pages, _ = await read_all(source(provider, List(rows=rows, cap=10, rounds=True)), first)
    is_told = any(report.error for page in pages for report in page.reports)
    assert sorted(given) == list(range(1, 21)) or is_told, said(pages)
