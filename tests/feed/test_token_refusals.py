"""Page tokens that are refused, forgotten, too long, or lead in circles.

Nothing may be lost in silence, repeated, or read for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from gateway.errors import ErrorCode
from gateway.feed.cursor import MAX_TOKEN
from gateway.feed.feed import Slice
from gateway.model import Timestamp, WebhookLog
from gateway.vendors.pages import Page, Window
from tests.feed.token_lists import SECOND, ReadPage, Tokens, error_with, forward, numbers, usual


def token_of(page: Slice) -> str | None:
    (position,) = page.end.positions.values()
    assert position.anchor is not None
    return position.anchor.token


async def test_cursor_names_the_page_of_its_log() -> None:
    """The rest of that page is read from it, and only then the next page."""
    source = Tokens(9)
    page = await forward(source, 5)
    assert (numbers(page), token_of(page)) == ([9, 8, 7, 6, 5], "v1_6")
    source.calls.clear()
    page = await forward(source, 2, page.end)
    assert numbers(page) == [4, 3]
    assert [window.token for _, window in source.calls] == ["v1_6", "v1_3"]


@pytest.mark.parametrize("status", [400, 404, 410, 422])
async def test_refused_token_of_a_cursor_leads_to_the_top_and_down_again(status: int) -> None:
    source = Tokens(9)
    page = await forward(source, 5)

    def answer(rows: Sequence[WebhookLog], window: Window) -> Page:
        if window.token == "v1_6":
            raise error_with(status)
        return usual(rows, window)

    source.answer = answer
    source.add(0, 20 * SECOND)
    source.add(0, 21 * SECOND)
    page = await forward(source, 9, page.end)
    assert numbers(page) == [4, 3, 2, 1]
    assert page.reports[0].error is None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, ErrorCode.UPSTREAM_UNAUTHORIZED),
        (403, ErrorCode.UPSTREAM_FORBIDDEN),
        (500, ErrorCode.UPSTREAM_ERROR),
        (None, ErrorCode.UPSTREAM_TIMEOUT),
    ],
)
async def test_other_failure_is_no_refusal_of_the_token(
    status: int | None, code: ErrorCode
) -> None:
    """Reading from the top would cost calls in an outage, and tell nothing."""

    def answer(rows: Sequence[WebhookLog], window: Window) -> Page:
        if window.token:
            raise error_with(status, code)
        return usual(rows, window)

    source = Tokens(9, answer=answer)
    page = await forward(source, 5)
    assert numbers(page) == [9, 8, 7]
    assert page.reports[0].error is not None
    assert page.reports[0].error.code is code
    # All that is left stands below what was given, so nothing of it is lost.
    source.answer = None
    page = await forward(source, 9, page.end)
    assert numbers(page) == [6, 5, 4, 3, 2, 1]


async def test_vendor_that_refuses_its_own_newest_token_is_reported() -> None:
    def answer(rows: Sequence[WebhookLog], window: Window) -> Page:
        if window.token:
            raise error_with(422)
        return usual(rows, window)

    source = Tokens(9, answer=answer)
    page = await forward(source, 5)
    assert numbers(page) == [9, 8, 7]
    assert page.reports[0].error is not None
    assert page.reports[0].error.status == 422


async def test_refused_first_page_is_reported() -> None:
    def answer(rows: Sequence[WebhookLog], window: Window) -> Page:
        del rows, window
        raise error_with(422)

    source = Tokens(9, answer=answer)
    source.errors["0"] = error_with(422)
    with pytest.raises(Exception, match="refused"):
        await forward(source, 5)
    assert len(source.calls) < 5


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("gone", [range(6, 7), range(5, 7), range(1, 7), range(4, 10)])
async def test_place_is_found_without_its_log(first: int, gone: range) -> None:
    """Where the log of the cursor is gone, others and the times show where it was."""
    source = Tokens(12)
    page = await forward(source, first)
    given = numbers(page)
    source.logs[0] = [row for row in source.rows if int(row.upstream_id) not in gone]
    page = await forward(source, 20, page.end)
    assert [*given, *numbers(page)] == [
        number for number in range(12, 0, -1) if number in given or number not in gone
    ]
    assert page.reports[0].error is None


async def test_page_that_begins_below_the_cursor_is_not_taken_for_the_rest() -> None:
    """A token may count rows in disguise, so that deletions move its page down."""

    def answer(rows: Sequence[WebhookLog], window: Window) -> Page:
        begin = int(window.token or 0)
        found = rows[begin : begin + window.limit]
        following = str(begin + len(found)) if len(rows) > begin + len(found) else None
        return Page(logs=found, read=len(found), more=bool(following), next_token=following)

    source = Tokens(12, answer=answer)
    page = await forward(source, 4)
    assert numbers(page) == [12, 11, 10, 9]
    del source.rows[:4]
    page = await forward(source, 20, page.end)
    assert numbers(page) == [8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("first", [1, 4, 5])
async def test_list_without_times_goes_on_below_its_log(first: int) -> None:
    source = Tokens()
    for _ in range(11):
        source.add(0, None)
    given: list[int] = []
    after = None
    while True:
        page = await forward(source, first, after)
        assert page.reports[0].error is None
        given += numbers(page)
        source.token_version += 1
        source.add(0, None)
        if not page.has_next:
            break
        after = page.end
    assert given == list(range(11, 0, -1))


async def test_list_without_times_goes_on_below_the_rows_above_its_log() -> None:
    source = Tokens()
    for _ in range(11):
        source.add(0, None)
    page = await forward(source, 5)
    assert numbers(page) == [11, 10, 9, 8, 7]
    del source.rows[4]
    source.token_version += 1
    page = await forward(source, 9, page.end)
    assert numbers(page) == [6, 5, 4, 3, 2, 1]
    assert page.reports[0].error is None


async def test_search_for_a_log_that_is_gone_ends_below_its_place() -> None:
    """The rest of the list may be long."""
    source = Tokens(90)
    page = await forward(source, 5)
    del source.rows[4]
    source.token_version += 1
    source.calls.clear()
    page = await forward(source, 3, page.end)
    assert numbers(page) == [85, 84, 83]
    assert len(source.calls) < 8


async def test_lost_place_of_a_list_without_times_is_told() -> None:
    source = Tokens()
    for _ in range(11):
        source.add(0, None)
    page = await forward(source, 5)
    del source.rows[:8]
    page = await forward(source, 9, page.end)
    assert numbers(page) == []
    assert page.reports[0].error is not None
    assert "its place was lost" in str(page.reports[0].error)
    assert not page.has_next


async def test_log_of_an_odd_time_is_not_repeated_after_a_refusal() -> None:
    """Times alone would show it below the place."""
    source = Tokens()
    for number in range(12):
        source.add(0, (number + 1) * SECOND)
    source.rows[2] = replace(source.rows[2], triggered_at=Timestamp(1))
    source.rows[4] = replace(source.rows[4], triggered_at=None)
    given: list[int] = []
    after = None
    while True:
        page = await forward(source, 1, after)
        given += numbers(page)
        source.token_version += 1
        if not page.has_next:
            break
        after = page.end
    assert given == list(range(12, 0, -1))


def to_itself(rows: Sequence[WebhookLog], window: Window) -> Page:
    page = usual(rows, window)
    return replace(page, next_token=window.token or page.next_token)


def to_the_top(rows: Sequence[WebhookLog], window: Window) -> Page:
    page = usual(rows, window)
    return page if page.next_token else replace(page, next_token="v1_9")


def to_ever_new_tokens(rows: Sequence[WebhookLog], window: Window) -> Page:
    number = int(window.token or 0)
    found = rows[number * 3 : number * 3 + 3] or rows[:3]
    return Page(logs=found, read=len(found), more=True, next_token=str(number + 1))


def to_empty_pages(rows: Sequence[WebhookLog], window: Window) -> Page:
    return replace(to_ever_new_tokens(rows, window), logs=rows[:0], read=0)


@pytest.mark.parametrize("first", [100, 4])
@pytest.mark.parametrize(
    ("answer", "given"),
    [
        (to_itself, [9, 8, 7, 6, 5, 4]),
        (to_the_top, list(range(9, 0, -1))),
        (to_ever_new_tokens, list(range(9, 0, -1))),
        (to_empty_pages, []),
    ],
)
async def test_tokens_that_lead_in_circles_end_the_list_with_a_report(
    answer: ReadPage, given: list[int], first: int
) -> None:
    source = Tokens(9, answer=answer)
    found: list[int] = []
    after = None
    while True:
        source.calls.clear()
        page = await forward(source, first, after)
        found += numbers(page)
        if not page.has_next:
            break
        after = page.end
    assert found == given
    assert page.reports[0].error is not None
    assert "lead back" in str(page.reports[0].error)


@pytest.mark.parametrize("first", [100, 4])
async def test_empty_page_after_the_last_costs_one_more_look_at_it(first: int) -> None:
    """Many vendors give a token after a full last page, too."""

    def answer(rows: Sequence[WebhookLog], window: Window) -> Page:
        if window.token == "end":
            return Page(logs=[], more=False)
        page = usual(rows, window)
        return page if page.next_token else replace(page, next_token="end", more=True)

    source = Tokens(9, answer=answer)
    found: list[int] = []
    after = None
    while True:
        source.calls.clear()
        page = await forward(source, first, after)
        assert page.reports[0].error is None
        found += numbers(page)
        if not page.has_next:
            break
        after = page.end
    assert found == list(range(9, 0, -1))
    assert [window.token for _, window in source.calls[-3:]] == ["v1_3", "end", "v1_3"]


async def test_empty_page_with_a_token_is_not_the_end() -> None:
    """A vendor that filters may find nothing on a page, and more on the next."""

    def answer(rows: Sequence[WebhookLog], window: Window) -> Page:
        page = usual(rows, window)
        return replace(page, logs=[], read=0) if window.token == "v1_6" else page

    page = await forward(Tokens(9, answer=answer), 100)
    assert numbers(page) == [9, 8, 7, 3, 2, 1]
    assert page.reports[0].error is None


async def test_long_token_is_left_out_of_the_cursor() -> None:
    def answer(rows: Sequence[WebhookLog], window: Window) -> Page:
        token = window.token and window.token.rstrip(".")
        page = usual(rows, replace(window, token=token))
        following = page.next_token and page.next_token.ljust(MAX_TOKEN + 1, ".")
        return replace(page, next_token=following)

    source = Tokens(9, answer=answer)
    page = await forward(source, 5)
    assert token_of(page) is None
    assert numbers(await forward(source, 9, page.end)) == [4, 3, 2, 1]
