"""The query parameters of Hookdeck's lists, and the envelope of a list."""

from __future__ import annotations

import base64
import datetime as dt
import operator
import re
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.exceptions import HTTPException

from gateway.sandbox.vendor import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

_Row = TypeVar("_Row")
Key = tuple[int, ...]
"""What rows are ordered by."""

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 255
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "le": operator.le,
    "lte": operator.le,
}
_PAGING = frozenset({"order_by", "dir", "limit", "next", "prev"})


class Query:
    """The parameters of a request, of which only those ``known`` are accepted.

    A parameter ``name[key]`` has an operator or, if it is one of several values, an index. Anything
    that is not accepted is a 422.
    """

    def __init__(self, request: Request, known: frozenset[str]) -> None:
        self._values: dict[str, list[tuple[str | None, str]]] = {}
        for parameter, value in request.query_params.multi_items():
            match = re.fullmatch(r"(\w+)(?:\[(\w+)\])?", parameter)
            if match is None or match[1] not in known | _PAGING:
                raise _invalid(f'"{parameter}" is not allowed')
            self._values.setdefault(match[1], []).append((match[2], value))

    def text(self, name: str) -> str | None:
        """Return the value of a parameter, the last if there are several."""
        return self._values[name][-1][1] if name in self._values else None

    def has_more_than(self, names: Collection[str]) -> bool:
        """Return whether there are filters other than these."""
        return not self._values.keys() <= {*names, *_PAGING, "include"}

    def any_of(self, name: str, allowed: frozenset[str] | None = None) -> frozenset[str] | None:
        """Return the values of a parameter that may be repeated, or None."""
        values = frozenset(value for _, value in self._values.get(name, ()))
        if allowed is not None and not values <= allowed:
            raise _invalid(f'"{name}" must be one of [{", ".join(sorted(allowed))}]')
        return values or None

    def compares(self, name: str, parse: Callable[[str, str], int]) -> Callable[[int | None], bool]:
        """Return whether a number passes all operators, and is one of the values without one.

        ``parse`` reads a value, by the name of its parameter. What is null passes no operator.
        """
        given = self._values.get(name, ())
        values = {parse(name, text) for key, text in given if key is None or key.isdecimal()}
        tests = [
            (self._operator(name, key), parse(name, text))
            for key, text in given
            if not (key is None or key.isdecimal())
        ]
        return lambda number: (
            (not values or number in values)
            and all(number is not None and test(number, bound) for test, bound in tests)
        )

    def limit(self) -> int:
        """Return the size of the page."""
        limit = number("limit", self.text("limit") or str(_DEFAULT_LIMIT))
        if limit > _MAX_LIMIT:
            raise _invalid(f'"limit" must be less than or equal to {_MAX_LIMIT}')
        return limit

    def page(
        self, rows: Sequence[_Row], key: Callable[[_Row], Key], document: Callable[[_Row], Any]
    ) -> Response:
        """Return the page that the request is for; the rows are given oldest first.

        Without ``dir`` the oldest come first.
        """
        descending = self.text("dir") == "desc"
        self.any_of("dir", frozenset({"asc", "desc"}))
        self.any_of("order_by", frozenset({"created_at"}))
        ordered = rows[::-1] if descending else rows
        limit = self.limit()
        low, high = 0, limit
        if token := self.text("next"):
            low = _position(map(key, ordered), token, descending=descending, behind=True)
            high = low + limit
        elif token := self.text("prev"):
            high = _position(map(key, ordered), token, descending=descending, behind=False)
            low = max(0, high - limit)
        page = ordered[low:high]
        pagination: dict[str, Any] = {
            "order_by": "created_at",
            "dir": "desc" if descending else "asc",
            "limit": limit,
        }
        if page and high < len(ordered):
            pagination["next"] = _token(key(page[-1]))
        if page and low > 0:
            pagination["prev"] = _token(key(page[0]))
        models = [document(row) for row in page]
        return answer({"pagination": pagination, "count": len(models), "models": models})

    @staticmethod
    def _operator(name: str, key: str) -> Callable[[Any, Any], bool]:
        if key not in _OPERATORS:
            raise _invalid(f'"{name}.{key}" is not allowed')
        return _OPERATORS[key]


def _position(keys: Iterable[Key], token: str, *, descending: bool, behind: bool) -> int:
    """Return how many keys come before a token's; with ``behind``, count that as well."""
    try:
        text = base64.urlsafe_b64decode(token + "==").decode()
        sought = tuple(map(int, text.split(",")))
    except ValueError:
        raise _invalid("the pagination cursor is not valid") from None
    before = operator.gt if descending else operator.lt
    return sum(before(key, sought) or (behind and key == sought) for key in keys)


def _token(key: Key) -> str:
    text = ",".join(map(str, key))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def milliseconds(name: str, text: str) -> int:
    """Parse a time to milliseconds since 1970."""
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(f'"{name}" must be a valid date') from None
    time = time.replace(tzinfo=time.tzinfo or dt.UTC)
    return (time - _EPOCH) // dt.timedelta(milliseconds=1)


def number(name: str, text: str) -> int:
    """Parse a whole number."""
    if not text.isdecimal():
        raise _invalid(f'"{name}" must be an integer')
    return int(text)


def _invalid(message: str) -> HTTPException:
    return HTTPException(422, message)
