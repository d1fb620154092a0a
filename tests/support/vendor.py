"""A vendor's network, simulated by a function."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

import httpx

Handler = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


class FakeVendor(httpx.AsyncBaseTransport):
    """A transport that passes requests to a handler and records them."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[httpx.Request] = []
        self.closed = False
        self._handler = handler

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = self._handler(request)
        return await response if inspect.isawaitable(response) else response

    async def aclose(self) -> None:
        self.closed = True

    @property
    def asked(self) -> list[str]:
        """The methods and targets of the requests, without token requests."""
        return [
            f"{request.method} {request.url.raw_path.decode()}"
            for request in self.requests
            if request.method != "POST"
        ]
