"""What the simulated vendors have in common."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import parse_qsl

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.sandbox.deliveries import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request
    from starlette.routing import Route

    from gateway.sandbox.credentials import Tokens
    from gateway.sandbox.deliveries import Archive, Delivery

MAX_INTEGER = 2_147_483_647
MAX_PAGE = 100

Pairs = tuple[tuple[str, str], ...]


class Vendor(Protocol):
    """One vendor's API on its own path prefixes.

    An endpoint refuses a request by raising ``HTTPException``; ``error`` turns that into the
    vendor's own body, with its usual words when the detail is empty. Requests below
    ``token_paths`` issue credentials. ``fixed_credentials`` are the (header, value) pairs that
    never expire by themselves. ``identify`` gives the vendor's id of a log and its time, both as
    the vendor writes them.
    """

    name: ClassVar[str]
    prefixes: ClassVar[tuple[str, ...]]
    token_paths: ClassVar[tuple[str, ...]]
    archive: Archive
    tokens: Tokens
    fixed_credentials: Pairs

    def routes(self) -> list[Route]:
        """Give every endpoint."""

    def error(self, status: int, detail: str) -> Response:
        """Refuse a request in the vendor's way."""

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return the table of a source of all that the vendor has, as TOML, and its secrets.

        ``url`` is where the sandbox is served. The table refers to each secret as a file of that
        name below ``secrets/``.
        """

    def identify(self, log: Delivery) -> tuple[str, str | None]:
        """Give the id and the time of a log."""


def vendor_at(path: str, vendors: Iterable[Vendor]) -> Vendor | None:
    """Find the vendor that the path belongs to."""
    prefix = "/" + path.lstrip("/").partition("/")[0]
    return next((vendor for vendor in vendors if prefix in vendor.prefixes), None)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(
        msgspec.json.encode(content), status, headers=headers, media_type="application/json"
    )


async def form(request: Request) -> dict[str, str]:
    """Read a URL-encoded form; anything else is a 400."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0]
    if media_type != "application/x-www-form-urlencoded":
        raise HTTPException(400, "The request is not a form.")
    return dict(parse_qsl((await request.body()).decode()))


def whole_number(
    text: str | None,
    name: str,
    *,
    default: int | None = None,
    low: int = 1,
    high: int = MAX_INTEGER,
) -> int:
    """Read a parameter; anything but a whole number between the bounds is a 400."""
    if text is None and default is not None:
        return default
    if text is None or not text.isdecimal() or not low <= int(text) <= high:
        raise HTTPException(400, f"Parameter {name} must be between {low} and {high}.")
    return int(text)


def moment(request: Request, name: str, zone: dt.timezone) -> int | None:
    """Read a time parameter as epoch milliseconds; ``zone`` is for a time that names none."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, f"Parameter {name} is not an ISO 8601 time.") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone)
    return (time - _EPOCH) // dt.timedelta(milliseconds=1)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def timestamp(time: int, digits: int, *, separator: str = "T", zone: dt.tzinfo) -> str:
    """Write nanoseconds since 1970 with that many fraction digits (at least 1), without a zone."""
    seconds, nanoseconds = divmod(time, SECOND)
    clock = dt.datetime.fromtimestamp(seconds, zone).replace(tzinfo=None)
    return f"{clock.isoformat(separator)}.{f'{nanoseconds:09d}'[:digits]}"
