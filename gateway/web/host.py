"""Protection of a gateway on loopback against DNS rebinding.

A web page can make a name of its own site resolve to 127.0.0.1. The browser then treats a gateway
on this machine as a part of that site, and lets the page read all responses. Only the name in
``Host`` shows the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from gateway.config import is_loopback
from gateway.web.answer import refusal_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class LoopbackHost:
    """Refuses requests whose ``Host`` is not a name or an address of loopback.

    Requests without one, which HTTP/1.0 allows, come from no browser.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        app = self._app
        if scope["type"] != "lifespan" and not all(map(_is_loopback, _hosts(scope))):
            app = refusal_response(
                scope,
                421,
                "This gateway listens on loopback only, and answers to no other Host. Call it"
                " 127.0.0.1 or localhost, have a proxy in front of it send that as Host, or listen"
                " on another address with --host or [server] host.",
            )
        await app(scope, receive, send)


def _hosts(scope: Scope) -> list[str]:
    return Headers(scope=scope).getlist("host")


def _is_loopback(host: str) -> bool:
    """Return whether a host is loopback; it may have a port, or the dot of a full DNS name."""
    name, _, port = host.rpartition(":")
    name = name if name and port.isdecimal() else host
    return is_loopback(name)
