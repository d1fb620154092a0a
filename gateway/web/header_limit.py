"""How large the head of a request may be: its address and its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import ErrorCode
from gateway.web.answer import refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

BYTES = 2**16
"""A document may come in the address, whose signs take up to three bytes each there."""
HEADERS = 100
"""Browsers behind proxies send some thirty."""


class BoundedHead:
    """Refuses requests with a large head, before anything looks at it.

    A server reads a head to its end before it calls an application; it needs a bound of its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        app = self._app
        if scope["type"] == "http":
            headers = scope["headers"]
            size = len(scope["query_string"]) + len(scope.get("raw_path") or b"")
            if len(headers) > HEADERS or size + sum(map(_size, headers)) > BYTES:
                app = refused(
                    scope,
                    431,
                    f"The address and the headers may have {BYTES} bytes and {HEADERS} lines"
                    " together. Send a long document by POST.",
                    code=ErrorCode.LIMIT_EXCEEDED,
                )
        await app(scope, receive, send)


def _size(header: tuple[bytes, bytes]) -> int:
    return len(header[0]) + len(header[1])
