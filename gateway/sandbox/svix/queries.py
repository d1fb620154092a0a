"""The query parameters of Svix's lists, and the envelope of a list."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from gateway.sandbox.svix.ksuid import LENGTH
from gateway.sandbox.vendor import answer

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request
    from starlette.responses import Response

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 250
_TRUTHS = {"true": True, "false": False}
_ORDERS = ("ascending", "descending")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Query:
    """The parameters of a request; whatever the API does not accept is a 422."""

    def __init__(self, request: Request) -> None:
        self._values = request.query_params

    def text(self, name: str) -> str | None:
        """Return a text."""
        return self._values.get(name)

    def texts(self, name: str) -> list[str]:
        """Return a list, for which the parameter is repeated or has commas."""
        return [part for text in self._values.getlist(name) for part in text.split(",")]

    def truth(self, name: str, *, default: bool) -> bool:
        """Return a boolean."""
        text = self.text(name)
        if text is None:
            return default
        if text not in _TRUTHS:
            raise _invalid(name, "expected a boolean")
        return _TRUTHS[text]

    def number(self, name: str, allowed: Collection[int]) -> int | None:
        """Return one of some numbers."""
        text = self.text(name)
        if text is None:
            return None
        if not text.isdecimal() or int(text) not in allowed:
            raise _invalid(name, "value is not a valid enumeration member")
        return int(text)

    def limit(self) -> int:
        """Return the size of the page."""
        text = self.text("limit") or str(_DEFAULT_LIMIT)
        if not text.isdecimal() or not 1 <= int(text) <= _MAX_LIMIT:
            raise _invalid("limit", f"expected a number between 1 and {_MAX_LIMIT}")
        return int(text)

    def order(self) -> str:
        """Return the order of a list of objects."""
        text = self.text("order") or _ORDERS[0]
        if text not in _ORDERS:
            raise _invalid("order", "value is not a valid enumeration member")
        return text

    def iterator(self, prefix: str) -> str | None:
        """Return the id behind which a page starts, or before which, if that begins with "-"."""
        text = self.text("iterator")
        if text is None:
            return None
        digits = text.removeprefix("-").removeprefix(prefix)
        if text.removeprefix("-") != prefix + digits or len(digits) != LENGTH:
            raise _invalid("iterator", "invalid iterator")
        return text

    def moment(self, name: str) -> int | None:
        """Return a time in nanoseconds since 1970."""
        text = self.text(name)
        if text is None:
            return None
        try:
            time = dt.datetime.fromisoformat(text)
        except ValueError:
            raise _invalid(name, "invalid datetime format") from None
        if time.tzinfo is None:
            raise _invalid(name, "premature end of input")
        return (time - _EPOCH) // dt.timedelta(microseconds=1) * 1000


def list_answer(data: list[dict[str, Any]], *, done: bool) -> Response:
    """Return a page with the iterators in both directions."""
    return answer(
        {
            "data": data,
            "iterator": data[-1]["id"] if data else None,
            "prevIterator": f"-{data[0]['id']}" if data else None,
            "done": done,
        }
    )


def _invalid(name: str, message: str) -> HTTPException:
    return HTTPException(422, f"{name}: {message}")
