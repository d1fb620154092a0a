"""Limit on the head of a request: its address and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import ErrorCode
from gateway.web.answer import refusal_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BYTES = 2**16
"""Enough for a document in the URL, where a character may take three bytes or more."""
MAX_HEADERS = 100
"""Browsers behind proxies send about thirty."""


class HeaderLimit:
    """Refuses requests with a large head.

    A server parses the whole head before it calls an application, so it needs a limit of its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        app = self._app
        if scope["type"] == "http":
            headers = scope["headers"]
            size = len(scope["query_string"]) + len(scope.get("raw_path") or b"")
            if len(headers) > MAX_HEADERS or size + sum(map(size_of, headers)) > MAX_BYTES:
                app = refusal_response(
                    scope,
                    431,
                    f"The address and the headers may have {MAX_BYTES} bytes and {MAX_HEADERS}"
                    " lines together. Send a long document by POST, and fewer or shorter headers.",
                    code=ErrorCode.LIMIT_EXCEEDED,
                )
        await app(scope, receive, send)


def size_of(header: tuple[bytes, bytes]) -> int:
    """Return the bytes of a header."""
    return len(header[0]) + len(header[1])
