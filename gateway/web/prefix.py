"""A path prefix that a proxy adds to every address and does not strip."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class PathPrefix:
    """Also serves the application below ``prefix``.

    Requests without the prefix, from proxies that strip it and from health checks, are served as
    well.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Strip the prefix, and pass the request on."""
        # Below a prefix /graphql or /console, the pages' files still have to be found without it.
        if (
            scope["type"] == "http"
            and scope["path"].startswith(f"{self._prefix}/")
            and not scope["path"].startswith(("/graphql/static/", "/console/static/"))
        ):
            scope = {**scope, "path": scope["path"].removeprefix(self._prefix)}
        await self._app(scope, receive, send)
