"""GitHub's forms of responses: limits in the headers, errors, and links to other pages."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from gateway.sandbox.vendor import answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

MAX_PAGE = 100
_DEFAULT_PAGE = 30
_LIMIT = 5000
_ORIGIN = "https://api.github.example"
"""What GitHub calls itself in links, wherever it was called."""

_MESSAGES = {
    401: "Bad credentials",
    403: "Resource not accessible by personal access token",
    404: "Not Found",
    422: "Validation Failed",
}


def respond(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None, *, left: int = 4711
) -> Response:
    """Return a JSON response; ``left`` is the number of requests that the limit still allows."""
    limits = {"X-RateLimit-Limit": str(_LIMIT), "X-RateLimit-Remaining": str(left)}
    return answer(content, status, limits | dict(headers or {}))


def refuse(status: int, detail: str, now: float) -> Response:
    """Return an error; ``detail`` is the message, or the invalid field for a 422.

    Too many requests are a 403, whose header tells when the next are allowed.
    """
    content: dict[str, Any] = {
        "message": detail or _MESSAGES.get(status) or _phrase(status),
        "documentation_url": "https://docs.github.com/rest",
        "status": str(status),
    }
    if status == 429:
        content |= {"message": "API rate limit exceeded for user ID 583231.", "status": "403"}
        return respond(content, 403, {"X-RateLimit-Reset": str(math.ceil(now + 60))}, left=0)
    if status == 422:
        content["message"] = _MESSAGES[422]
        content["errors"] = [{"resource": "Hook", "field": detail, "code": "invalid"}]
    return respond(content, status)


def page_size(request: Request) -> int:
    """Return ``per_page``, held within the bounds as GitHub does instead of refusing it."""
    text = request.query_params.get("per_page", "")
    return min(int(text), MAX_PAGE) if text.isdecimal() and int(text) else _DEFAULT_PAGE


def links(request: Request, pages: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the ``Link`` header to pages, by relation, each with the parameters that it changes.

    The header is left out if there is no other page.
    """
    path = request.scope["path"].lstrip("/").partition("/")[2]
    values = dict(request.query_params)
    return (
        {
            "Link": ", ".join(
                f'<{_ORIGIN}/{path}?{urlencode({**values, **changes})}>; rel="{relation}"'
                for relation, changes in pages.items()
            )
        }
        if pages
        else {}
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Server Error"
