"""Pages of any list: the parameters of the next one, and the rows of one that was read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from gateway.normalise.fields import Fields, UnreadableError
from gateway.upstream.answer import decode_row
from gateway.vendors.calls import Params
from gateway.vendors.described.calls import ListTable
from gateway.vendors.described.outcomes import first_value
from gateway.vendors.described.paging import (
    CursorPaging,
    LastIdPaging,
    LinkPaging,
    OffsetPaging,
    PagePaging,
    PagesTable,
)
from gateway.vendors.described.paths import plain_steps, value_at
from gateway.vendors.described.templates import Variables, filled, params_of
from gateway.vendors.described.terms import HEADER

MAX_TOKEN = 4000
"""Maximum length of a token in characters; a longer one could not be sent."""
_NEXT = re.compile(r'<([^<>]*)>[^<]*?;\s*rel\s*=\s*"?next\b', re.IGNORECASE)

UNTOLD = 100
"""Rows of a page that are assumed where a vendor has numbered pages of a size of its own."""


class Rows(NamedTuple):
    """The rows of a page.

    ``token`` leads to the next one. ``more`` is False only if no row follows for certain. ``size``
    is the number of rows that the vendor says a page has.
    """

    rows: list[Any]
    more: bool
    token: str | None
    total: int | None
    size: int | None


class Listing:
    """A list, as a description has it."""

    def __init__(self, table: PagesTable) -> None:
        self.table = table
        self._paging = table.paging
        self._items = value_at(table.items)
        self._find_more = table.more
        self._find_total = table.total if isinstance(table, ListTable) else None
        self.by_token = isinstance(self._paging, CursorPaging | LinkPaging | LastIdPaging)
        """Whether the next page is found by a token of the vendor."""
        self.by_page = isinstance(self._paging, PagePaging)
        """Whether pages have numbers."""
        self.by_offset = isinstance(self._paging, OffsetPaging)
        """Whether pages begin after a number of rows."""
        self.by_post = isinstance(table, ListTable) and table.method == "POST"
        """Whether parameters are sent in a body."""
        steps = plain_steps(table.items) if table.items else ()
        self.raw_rows = table.items if steps is not None else None
        """The path of the rows that need not be decoded; None if they have no plain one."""

    def limit(self, wanted: int) -> int:
        """Return the number of rows to request; always the same where a vendor is not told it.

        Otherwise the number of a page would mean other rows each time.
        """
        if self.table.size:
            return min(wanted, self.table.size.max)
        return UNTOLD if self.by_page else wanted

    def params(
        self, variables: Variables, limit: int, *, offset: int = 0, token: str | None = None
    ) -> Params:
        """Return the parameters of a page."""
        params = params_of(self.table.params, variables)
        if self.table.size:
            params.append((self.table.size.param, str(limit)))
        paging = self._paging
        if isinstance(paging, PagePaging):
            params.append((paging.param, str(offset // limit + paging.first)))
        elif isinstance(paging, OffsetPaging):
            params.append((paging.param, str(offset)))
        elif isinstance(paging, CursorPaging | LinkPaging | LastIdPaging) and token:
            params.append((paging.param, token))
        return tuple(params)

    def body(self, params: Params, variables: Variables) -> dict[str, Any]:
        """Return the JSON object that is sent in place of parameters."""
        document: dict[str, Any] = filled(getattr(self.table, "body", {}), variables)
        paging = self._paging
        numbers = {self.table.size.param} if self.table.size else set()
        if isinstance(paging, PagePaging | OffsetPaging):
            numbers.add(paging.param)
        for name, text in params:
            *parents, last = name.split(".")
            parent = document
            for step in parents:
                parent = parent.setdefault(step, {})
            parent[last] = int(text) if name in numbers else text
        return document

    def rows(self, document: Any, headers: Mapping[str, str]) -> Rows | None:
        """Return the rows of a page; None if the document is none."""
        # Go encodes an empty list as null.
        rows = [] if document is None else self._items(document)
        if rows is None and self.table.items and self._has_items(document):
            rows = []
        if not isinstance(rows, list):
            return None
        token = self._token(document, headers, rows)
        return Rows(
            rows,
            self._more(document, headers, rows, token),
            token,
            _count(_found(self._find_total, document, headers)),
            _count(_found(getattr(self._paging, "size", None), document, headers)),
        )

    def _has_items(self, document: Any) -> bool:
        """Return whether the field of the rows is null, and not absent."""
        steps = plain_steps(self.table.items)
        if steps is None:
            return isinstance(document, dict)
        parent = value_at(".".join(steps[:-1]))(document)
        return isinstance(parent, dict) and steps[-1] in parent

    def _more(
        self, document: Any, headers: Mapping[str, str], rows: Sequence[Any], token: str | None
    ) -> bool:
        if self._paging.kind == "none" or (not rows and token is None):
            return False
        told = _found(self._find_more, document, headers)
        if told is not None:
            return bool(told)
        # A list by offsets may go on after a short page.
        return token is not None or not self.by_token

    def _token(self, document: Any, headers: Mapping[str, str], rows: Sequence[Any]) -> str | None:
        paging = self._paging
        found: Any = None
        if isinstance(paging, CursorPaging):
            found = _found(paging.next, document, headers)
        elif isinstance(paging, LinkPaging):
            link = _NEXT.search(headers.get("Link", ""))
            found = _parameter(link[1], paging.param) if link else None
        elif isinstance(paging, LastIdPaging) and rows:
            found = _last_id(rows[-1], paging.field)
        if isinstance(found, bool) or not isinstance(found, str | int):
            return None
        text = str(found)
        if "://" in text and isinstance(paging, CursorPaging):
            text = _parameter(text, paging.param) or ""
        return text if 0 < len(text) <= MAX_TOKEN and text.isprintable() else None


def _last_id(row: Any, field: str) -> Any:
    try:
        document = Fields(decode_row(row) if isinstance(row, msgspec.Raw) else row).document
    except UnreadableError:
        return None
    return first_value((field,))(document)


def _found(place: str | None, document: Any, headers: Mapping[str, str]) -> Any:
    """Return the value at a place in the document or the headers of an answer."""
    if place is None:
        return None
    if place.startswith(HEADER):
        return headers.get(place.removeprefix(HEADER))
    return value_at(place)(document)


def _parameter(address: str, name: str) -> str | None:
    """Return a parameter of an address; nothing else of it can be trusted."""
    try:
        values = parse_qs(urlsplit(address).query).get(name)
    except ValueError:
        return None
    return values[0] if values else None


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
