"""A vendor that has no simulator: its sample documents, served as its description says.

It pages, bounds and filters many copies of the sample rows. What it can't show is a mistake in the
description itself, which ``records.json`` is for.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any
from urllib.parse import parse_qs

import httpx

from gateway.model import Timestamp
from gateway.normalise import timestamps
from gateway.vendors.described.calls import BoundTable
from gateway.vendors.described.paging import (
    CursorPaging,
    LastIdPaging,
    OffsetPaging,
    PagePaging,
    PagesTable,
)
from gateway.vendors.described.paths import plain_steps, value_at
from gateway.vendors.described.templates import VARIABLE
from gateway.vendors.described.terms import HEADER
from tests.vendors.described_case import Samples, compiled_of, set_at

COUNT = 130
STEP = 61_500_000_000
"""Nanoseconds between two rows: a minute and a half second, so that bounds are not rows' times."""

Row = dict[str, Any]
Params = dict[str, list[str]]


class DocumentVendor:
    """Answers requests with documents like the samples; ``calls`` has their methods and paths."""

    def __init__(self, provider: str, start: int) -> None:
        self.compiled = compiled_of(provider)
        self.description = self.compiled.description
        self.samples = Samples(provider)
        self.calls: list[tuple[str, str]] = []
        self.hooks: list[Row] = self._listed(self.description.hooks, "hooks")
        self.rows = [self._copy(number, start) for number in range(COUNT)]

    def _listed(self, table: PagesTable | None, name: str) -> list[Row]:
        return list(value_at(table.items)(self.samples.read(name))) if table else []

    def _copy(self, number: int, start: int) -> Row:
        """Return a copy of a sample row; the first is the newest one."""
        log = self.description.log
        samples = self._listed(self.description.list, "list")
        row = copy.deepcopy(samples[number % len(samples)])
        id = self._id(COUNT - number)
        set_at(row, log.id.path[0], id)
        if log.triggered_at:
            time = Timestamp((start - number * STEP) // 1_000_000 * 1_000_000)
            set_at(row, log.triggered_at.path[0], timestamps.format_millis(time))
        return row

    def _id(self, number: int) -> Any:
        return number if self.description.log.id.kind == "number" else f"row-{number:05}"

    @property
    def inventory(self) -> list[Row]:
        """What all lists together have: id, stream and time of each row."""
        log = self.description.log
        found = []
        for row in self.rows:
            hook = value_at(log.hook.path[0])(row) if log.hook else None
            if self.compiled.by_hook:
                hook = value_at(self.hook_id)(self.hooks[0])
            time = value_at(log.triggered_at.path[0])(row) if log.triggered_at else None
            id = str(value_at(log.id.path[0])(row))
            found.append({"id": id, "stream": None if hook is None else str(hook), "time": time})
        return found

    @property
    def hook_id(self) -> str:
        """The path of a hook's id."""
        assert self.description.hooks is not None
        return self.description.hooks.id.path[0]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        path, _, query = request.url.raw_path.decode().partition("?")
        self.calls.append((request.method, path))
        params = parse_qs(query, keep_blank_values=True)
        for name, method in (
            ("retry", self.description.retry.method if self.description.retry else ""),
            ("attempts", "GET"),
            ("detail", "GET"),
            ("list", "GET"),
            ("hooks", "GET"),
        ):
            table = getattr(self.description, name)
            if table is None or request.method != method:
                continue
            if (found := self._matches(table.path, path)) is not None:
                answer: httpx.Response = getattr(self, f"_{name}")(params, found)
                return answer
        return httpx.Response(404, json=self.samples.read("errors")[0]["body"])

    def _matches(self, template: str, path: str) -> dict[str, str] | None:
        scopes = [VARIABLE.sub("[^/]+", it.path) for it in self.description.scopes.values()]
        pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
        pattern = pattern.replace("{scope}", f"(?:{'|'.join(scopes)})")
        found = re.fullmatch(".*?" + VARIABLE.sub(r"(?P<\1>[^/]+)", pattern), path)
        return found.groupdict() if found else None

    # Answers.

    def _hooks(self, params: Params, _: Any) -> httpx.Response:
        assert self.description.hooks is not None
        return self._page(self.description.hooks, self.hooks, params, "hooks", self.hook_id)

    def _list(self, params: Params, _: Any) -> httpx.Response:
        table = self.description.list
        rows = [
            row
            for row in self.rows
            if _is_within(self._time(row), table.until, params, upper=True)
            and _is_within(self._time(row), table.since, params, upper=False)
            and self._is_wanted(row, params)
        ]
        return self._page(table, rows, params, "list", self.description.log.id.path[0])

    def _time(self, row: Row) -> int:
        triggered_at = self.description.log.triggered_at
        assert triggered_at is not None
        return timestamps.parse(value_at(triggered_at.path[0])(row))

    def _is_wanted(self, row: Row, params: Params) -> bool:
        """Return whether a row passes the filters."""
        filters, log = self.description.list.filters, self.description.log
        for filter, field in (
            (filters.status, log.status.path),
            (filters.events, log.event.path if log.event else ()),
            (filters.hooks, log.hook.path if log.hook else ()),
            (filters.correlation_id, log.correlation_id.path if log.correlation_id else ()),
        ):
            if filter is not None and filter.param in params:
                wanted = {it for text in params[filter.param] for it in text.lower().split(",")}
                if str(value_at(field[0])(row)).lower() not in wanted:
                    return False
        return True

    def _page(
        self, table: PagesTable, rows: list[Row], params: Params, name: str, id: str
    ) -> httpx.Response:
        size = int(params[table.size.param][0]) if table.size else len(rows)
        assert not table.size or 0 < size <= table.size.max
        paging, begin = table.paging, 0
        if isinstance(paging, PagePaging):
            begin = (int(params[paging.param][0]) - paging.first) * size
        elif isinstance(paging, OffsetPaging):
            begin = int(params[paging.param][0])
        elif isinstance(paging, CursorPaging) and paging.param in params:
            begin = int(params[paging.param][0].removeprefix("after-"))
        elif isinstance(paging, LastIdPaging) and paging.param in params:
            ids = [str(value_at(id)(row)) for row in rows]
            begin = ids.index(params[paging.param][0]) + 1
        shown = rows[begin : begin + size]
        more = begin + size < len(rows)
        headers: dict[str, str] = {}
        document = set_at(self.samples.read(name), table.items, shown)
        next_page = f"after-{begin + size}" if more else None
        places = {
            table.more: more,
            getattr(table, "total", None): len(rows),
            getattr(paging, "next", None): next_page,
            getattr(paging, "size", None): size,
        }
        for place, value in places.items():
            if place and place.startswith(HEADER):
                headers[place.removeprefix(HEADER)] = str(value or "")
            elif place and plain_steps(place):
                set_at(document, place, value)
        return httpx.Response(200, json=document, headers=headers)

    def _row(self, found: dict[str, str], params: Params) -> Row | None:
        wanted = {found.get("id"), *(value for values in params.values() for value in values)}
        path = self.description.log.id.path[0]
        return next((row for row in self.rows if str(value_at(path)(row)) in wanted), None)

    def _detail(self, params: Params, found: dict[str, str]) -> httpx.Response:
        table, row = self.description.detail, self._row(found, params)
        assert table is not None
        if row is None:
            return httpx.Response(404, json=self.samples.read("errors")[-1]["body"])
        document = self.samples.read("detail")
        return httpx.Response(
            200, json=set_at(document, table.item, value_at(table.item)(document) | row)
        )

    def _attempts(self, params: Params, found: dict[str, str]) -> httpx.Response:
        if self._row(found, params) is None:
            return httpx.Response(404, json=self.samples.read("errors")[-1]["body"])
        return httpx.Response(200, json=self.samples.read("attempts"))

    def _retry(self, params: Params, found: dict[str, str]) -> httpx.Response:
        table, row = self.description.retry, self._row(found, params)
        assert table is not None
        if row is None:
            return httpx.Response(404, json=self.samples.read("errors")[-1]["body"])
        document: Any = self.samples.read("retry", {})
        if table.makes == "NEW_LOG":
            path = self.description.log.id.path[0]
            row = set_at(copy.deepcopy(row), path, self._id(len(self.rows) + 1))
            self.rows.insert(0, row)
            if table.new_id:
                document = set_at(document, table.new_id, value_at(path)(row))
        if table.log:
            document = set_at(document, table.log, row)
        return httpx.Response(200, content=json.dumps(document))


def _is_within(time: int, bound: BoundTable | None, params: Params, *, upper: bool) -> bool:
    if bound is None or bound.param not in params:
        return True
    (text,) = params[bound.param]
    if bound.format in {"epoch-s", "epoch-ms"}:
        moment = int(text) * (1_000_000_000 if bound.format == "epoch-s" else 1_000_000)
    else:
        assert text.endswith("Z") == (bound.format == "rfc3339")
        moment = timestamps.parse(text)
    if time == moment:
        return bound.inclusive
    return (time < moment) == upper
