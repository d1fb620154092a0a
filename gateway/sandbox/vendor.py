"""The interface of a simulated vendor, and helpers for its endpoints."""

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
    """One vendor's API, served below ``prefixes``.

    An endpoint refuses a request by raising ``HTTPException``, from which ``error`` makes the
    vendor's own body. Requests below ``token_paths`` issue credentials; ``fixed_credentials`` are
    (header, value) pairs that do not expire.

    For faults: ``newer_parameters`` are those that older revisions of the API refuse, and
    ``version_path`` is a prefix whose last segment some revisions lack; either may be empty.
    """

    name: ClassVar[str]
    prefixes: ClassVar[tuple[str, ...]]
    token_paths: ClassVar[tuple[str, ...]]
    newer_parameters: ClassVar[frozenset[str]]
    version_path: ClassVar[str]
    archive: Archive
    tokens: Tokens
    fixed_credentials: Pairs

    def routes(self) -> list[Route]:
        """Return all endpoints."""

    def error(self, status: int, detail: str) -> Response:
        """Return an error in the vendor's format; without ``detail``, with its usual message."""

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source that covers all of the vendor's data, as TOML, and its secrets by name.

        ``url`` is the address of the sandbox. The table refers to a secret as a file of its name
        below ``secrets/``. Its ``rate_limit`` is that of the simulator, far above the vendor's.
        """

    def identify(self, log: Delivery) -> tuple[str, str | None]:
        """Return the id and the time of a log, as the vendor writes them."""


def vendor_at(path: str, vendors: Iterable[Vendor]) -> Vendor | None:
    """Return the vendor that a path belongs to."""
    prefix = "/" + path.lstrip("/").partition("/")[0]
    return next((vendor for vendor in vendors if prefix in vendor.prefixes), None)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(
        msgspec.json.encode(content), status, headers=headers, media_type="application/json"
    )


async def form(request: Request) -> dict[str, str]:
    """Parse a URL-encoded form; anything else is a 400."""
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
    """Parse a parameter; anything but a whole number within the bounds is a 400."""
    if text is None and default is not None:
        return default
    if text is None or not text.isdecimal() or not low <= int(text) <= high:
        raise HTTPException(400, f"Parameter {name} must be between {low} and {high}.")
    return int(text)


def moment(request: Request, name: str, zone: dt.timezone) -> int | None:
    """Parse a time parameter to epoch milliseconds; ``zone`` applies if it has no offset."""
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
    """Format nanoseconds since 1970 with so many fraction digits (at least 1), without a zone."""
    seconds, nanoseconds = divmod(time, SECOND)
    clock = dt.datetime.fromtimestamp(seconds, zone).replace(tzinfo=None)
    return f"{clock.isoformat(separator)}.{f'{nanoseconds:09d}'[:digits]}"
