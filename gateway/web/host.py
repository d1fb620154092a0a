"""Whom a gateway without authentication listens to.

A page of any site can have its own name resolve to 127.0.0.1, and its browser then takes a gateway
on this machine for a part of that site: the page may read all answers (DNS rebinding). The only
trace is the name in ``Host``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from gateway.config import is_loopback
from gateway.web.answer import refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class LoopbackHost:
    """Refuses requests whose ``Host`` is not a name or address of this machine's loopback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        app = self._app
        if scope["type"] != "lifespan" and not _is_ours(Headers(scope=scope).get("host", "")):
            app = refused(
                scope,
                421,
                "This gateway listens on its own machine only: call it 127.0.0.1 or localhost."
                " A proxy in front of it must put that into the Host header.",
            )
        await app(scope, receive, send)


def _is_ours(host: str) -> bool:
    """Tell whether a host, with or without a port, is this machine."""
    name, _, port = host.rpartition(":")
    return is_loopback((name if name and port.isdecimal() else host).lower())
