"""Revalidation by ``ETag`` and ``If-None-Match`` (RFC 9110, 13.1.2)."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ETags:
    """ASGI middleware that adds an ``ETag`` to successful responses, as a proxy may.

    A request that sends a current one gets a 304 without a body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("method") != "GET":
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("If-None-Match", "")
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        start: Message = {}

        async def send_with_etag(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            # The simulated vendors send each body in one message.
            if start["status"] == 200:
                headers = MutableHeaders(scope=start)
                tag = f'"{blake2b(message["body"], digest_size=16).hexdigest()}"'
                headers["ETag"] = tag
                if tag in tags:
                    start["status"], message["body"] = 304, b""
                    del headers["Content-Length"], headers["Content-Type"]
            await send(start)
            await send(message)

        await self._app(scope, receive, send_with_etag)
