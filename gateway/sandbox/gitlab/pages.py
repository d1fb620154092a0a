"""GitLab's pages: numbers in headers, and links.

https://docs.gitlab.com/api/rest/#pagination
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

_Row = TypeVar("_Row")

DEFAULT_PAGE = 20


def paginate(
    request: Request, rows: Sequence[_Row], *, high: int, counted: bool = True
) -> tuple[Sequence[_Row], dict[str, str]]:
    """Return the requested page, and its headers.

    Without ``counted``, the headers have no total and no last page, as with very long lists.
    """
    page = _number(request, "page", 1)
    size = _number(request, "per_page", DEFAULT_PAGE)
    if not 1 <= size <= high:
        raise HTTPException(400, "per_page does not have a valid value")
    last = max(1, -(-len(rows) // size))
    numbers = {"first": 1, "prev": page - 1, "next": page + 1, "last": last}
    if page == 1:
        del numbers["prev"]
    if page >= last:
        del numbers["next"]
    if not counted:
        del numbers["last"]
    values = dict(request.query_params) | {"per_page": str(size)}
    target = f"{request.url.scheme}://{request.url.netloc}{request.scope['raw_path'].decode()}"
    headers = {
        "X-Page": str(page),
        "X-Per-Page": str(size),
        "X-Next-Page": str(numbers.get("next", "")),
        "X-Prev-Page": str(numbers.get("prev", "")),
        "Link": ", ".join(
            f'<{target}?{urlencode(values | {"page": number})}>; rel="{relation}"'
            for relation, number in numbers.items()
        ),
    }
    if counted:
        headers |= {"X-Total": str(len(rows)), "X-Total-Pages": str(last)}
    return rows[(page - 1) * size : page * size], headers


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal():
        raise HTTPException(400, f"{name} is invalid")
    return int(text) if name == "per_page" else max(1, int(text))
