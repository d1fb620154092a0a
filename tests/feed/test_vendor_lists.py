"""Lists of the real vendors over HTTP, with caps, totals, orders and shifts of any kind.

The kits and the readers together must return each row once. A list that is silently incomplete is
the worst fault that this gateway can have.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from gateway.feed import cursor, filters
from gateway.feed.feed import Feed, Slice
from gateway.model import Timestamp
from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from tests.vendors.cases import CASES
from tests.vendors.vendors import INTEGRATION, PROVIDERS, START, Vendor, answer, make, token

FILTER = filters.prepare(None, Timestamp(START), ["it"])
SETTINGS: dict[str, dict[str, Any]] = {
    "codearts": {"hooks": [7]},
    "yandex-tracker": {"triggers": {"DEV": [41]}, "queues": []},
    "language-weaver": {},
    "elastic-path": {"integrations": [INTEGRATION]},
}


class List(msgspec.Struct, kw_only=True):
    """A vendor's list of logs: ids from 1 on and the minutes since they were recorded, in order.

    ``cap`` is the maximum number of rows on a page, and ``total`` the length that the vendor
    reports.
    ``before_call`` may change the rows between two calls.
    """

    rows: list[tuple[int, float | None]]
    cap: int = 100
    total: str = "none"
    heeds_windows: bool = True
    before_call: Callable[[list[tuple[int, float | None]]], None] = lambda _: None

    def page(self, offset: int, limit: int, until: str | None) -> tuple[list[Any], int | None]:
        """Return rows, and the total that the vendor reports."""
        rows = self.rows
        if until is not None and self.heeds_windows:
            bound = dt.datetime.fromisoformat(until.replace("+0000", "+00:00"))
            rows = [row for row in rows if row[1] is None or moment(row[1]) <= bound]
        found = rows[offset : offset + min(limit, self.cap)]
        totals = {
            "none": None,
            "right": len(rows),
            "zero": 0,
            "40": 40,
            "so far": offset + len(found),
        }
        return found, totals[self.total]


@functools.cache
def moment(minutes: float) -> dt.datetime:
    begin = dt.datetime.fromtimestamp(START / 1e9, dt.UTC).replace(microsecond=0)
    return begin - dt.timedelta(minutes=minutes)


def document(provider: str, row: tuple[int, float | None]) -> dict[str, Any]:
    text = "" if row[1] is None else moment(row[1]).isoformat().replace("+00:00", "Z")
    return {"id": row[0], **CASES[provider].timed(text)}


def respond(provider: str, lists: List) -> Callable[[httpx.Request], httpx.Response]:
    """Return a handler that responds like the vendor."""

    def handle(request: httpx.Request) -> httpx.Response:
        if granted := token(request):
            return granted
        values = request.url.params
        if "log" not in request.url.path and "audit" not in request.url.path:
            return answer({"data": []})
        lists.before_call(lists.rows)
        if provider == "codearts":
            found, total = lists.page(
                int(values["offset"]), int(values["limit"]), values.get("created_before")
            )
            headers: Any = {} if total is None else {"X-Total": str(total)}
            return answer([document(provider, row) for row in found], **headers)
        if provider == "yandex-tracker":
            found, _ = lists.page(0, int(values["limit"]), values.get("to"))
            return answer([document(provider, row) for row in found])
        if provider == "language-weaver":
            number, size = int(values["page"]), int(values["perPage"])
            found, total = lists.page((number - 1) * min(size, lists.cap), size, None)
            envelope = {"page": number, "perPage": min(size, lists.cap)}
            if total is not None:
                envelope["totalItems"] = total
            return answer({"entries": [document(provider, row) for row in found], **envelope})
        found, total = lists.page(int(values["page[offset]"]), int(values["page[limit]"]), None)
        rows = [document(provider, row) for row in found]
        results = {} if total is None else {"results": {"total": total}}
        return answer({"data": rows, **results})

    return handle


def source(provider: str, lists: List) -> Source:
    return make(provider, Vendor(respond(provider, lists)), **SETTINGS[provider])


async def read_all(made: Source, first: int) -> tuple[list[int], list[Slice], int | None]:
    """Read a list to its end; return the ids, the pages, and the first page's total."""
    given: list[int] = []
    pages: list[Slice] = []
    total: int | None = None
    after = None
    while not pages or pages[-1].has_next:
        feed = Feed(
            [made],
            FILTER,
            Operation(5),
            scan_limit=10_000,
            now=Timestamp(START),
        )
        page = await feed.forward(first, after)
        if not pages:
            total = await feed.count(page)
        pages.append(page)
        given += [int(entry.log.upstream_id) for entry in page.entries]
        after = cursor.decode(cursor.encode(page.end), FILTER)
        assert len(pages) < 200
    return given, pages, total


def said(pages: list[Slice]) -> list[str]:
    return [
        text
        for page in pages
        for report in page.reports
        for text in (*report.notes, *([str(report.error)] if report.error else []))
    ]


def newest_first(count: int) -> list[tuple[int, float | None]]:
    return [(count - number, float(number)) for number in range(count)]


@pytest.mark.sampled(7)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("total", ["none", "right", "zero", "40", "so far"])
@pytest.mark.parametrize("cap", [20, 25, 100])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_short_pages_and_wrong_totals_lose_no_row(
    provider: str, cap: int, total: str, first: int
) -> None:
    lists = List(rows=newest_first(60), cap=cap, total=total)
    given, pages, counted = await read_all(source(provider, lists), first)
    assert given == list(range(60, 0, -1)), said(pages)
    assert counted in {60, None}
    assert not any(report.error for page in pages for report in page.reports)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("odd", [None, 9000.0, -60.0], ids=["undated", "old", "ahead"])
@pytest.mark.parametrize("index", [0, 1, 19, 20, 49, 59])
@pytest.mark.parametrize("provider", PROVIDERS)
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


@pytest.mark.sampled(5)
@pytest.mark.parametrize("first", [100, 7])
@pytest.mark.parametrize("order", ["oldest first", "none", "undated"])
@pytest.mark.parametrize("provider", PROVIDERS)
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


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("provider", "change", "total"),
    [
        (provider, change, total)
        for provider in PROVIDERS
        for change in ("arrives", "leaves", "repeats")
        for total in ("none", "right")
        # Numbered pages can't overlap, so only a total reveals a deletion.
        if (provider, change, total) != ("language-weaver", "leaves", "none")
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
