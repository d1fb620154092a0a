"""Lists of the real vendors over HTTP: the vendor, its responses, and a loop over all pages."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
from pydantic import SecretStr

from gateway.feed import cursor, filters
from gateway.feed.feed import Feed, Slice
from gateway.model import Timestamp
from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from tests.benchmarks.described import DESCRIPTION
from tests.vendors.cases import CASES
from tests.vendors.vendors import INTEGRATION, START, Vendor, answer, make, token

FILTER = filters.prepare(None, Timestamp(START), ["it"])
SETTINGS: dict[str, dict[str, Any]] = {
    "codearts": {"hooks": [7]},
    "yandex-tracker": {"triggers": {"DEV": [41]}, "queues": []},
    "language-weaver": {},
    "elastic-path": {"integrations": [INTEGRATION]},
}
LISTED = (*SETTINGS, "described")
"""The vendors in Python, and the same as one of them by description."""


class List(msgspec.Struct, kw_only=True):
    """A vendor's list of logs: ids from 1 on and the minutes since they were recorded, in order.

    ``cap`` is the most rows of a page, ``caps`` those of the calls in turn, ``rows_of_page``
    the rows of each whatever is asked for, and ``total`` what the vendor says of the list's length.
    ``before_call`` may change the rows between two calls.
    """

    rows: list[tuple[int, float | None]]
    cap: int = 100
    caps: tuple[int, ...] = ()
    rows_of_page: int | None = None
    total: str = "none"
    heeds_windows: bool = True
    rounds: bool = False
    excludes: bool = False
    says_size: bool = True
    before_call: Callable[[list[tuple[int, float | None]]], None] = lambda _: None

    def page(self, offset: int, limit: int, until: str | None) -> tuple[list[Any], int | None]:
        """Return rows, and the total that the vendor reports."""
        rows = self.rows
        if until is not None and self.heeds_windows:
            bound = dt.datetime.fromisoformat(until.replace("+0000", "+00:00"))
            if self.rounds:
                bound = bound.replace(microsecond=0)
            if self.excludes:
                bound -= dt.timedelta(microseconds=1)
            rows = [row for row in rows if row[1] is None or moment(row[1]) <= bound]
        if self.caps:
            self.cap, *others = self.caps
            self.caps = (*others, self.cap)
        found = rows[offset : offset + (self.rows_of_page or min(limit, self.cap))]
        totals = {
            "none": None,
            "right": len(rows),
            "zero": 0,
            "40": 40,
            "so far": offset + len(found),
            "page": len(found),
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
            if lists.caps:
                lists.cap = lists.caps[0]
            actual = lists.rows_of_page or min(size, lists.cap)
            found, total = lists.page((number - 1) * actual, size, None)
            envelope = {"page": number}
            if lists.says_size:
                envelope["perPage"] = actual
            if total is not None:
                envelope["totalItems"] = total
            return answer({"entries": [document(provider, row) for row in found], **envelope})
        found, total = lists.page(int(values["page[offset]"]), int(values["page[limit]"]), None)
        rows = [document(provider, row) for row in found]
        results = {} if total is None else {"results": {"total": total}}
        return answer({"data": rows, **results})

    return handle


def source(provider: str, lists: List) -> Source:
    if provider == "described":
        vendor = Vendor(respond("language-weaver", lists))
        auth = {"type": "token", "token": SecretStr("u_key")}
        return make(provider, vendor, description=str(DESCRIPTION), auth=auth)
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
