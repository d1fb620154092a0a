"""The web application: the one place where the gateway's parts are joined."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.callers import Authenticator
from gateway.config import is_loopback
from gateway.errors import ErrorCode
from gateway.limits import Limits
from gateway.schema import build_schema
from gateway.service import Gateway
from gateway.web.answer import refused
from gateway.web.cors import cors
from gateway.web.explorer import explorer_page, explorer_routes
from gateway.web.header_limit import BoundedHead
from gateway.web.host import LoopbackHost
from gateway.web.view import GraphQLView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.settings import Settings


def create_app(
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    authenticator: Authenticator | None = None,
) -> Starlette:
    """Make the application; a test gives the transport in place of the vendors' network."""
    gateway = Gateway(settings, transport=transport)
    introspection = settings.server.introspection
    graphiql = settings.server.graphiql and introspection and not settings.documents.trusted
    limits = Limits(settings.limits, settings.server.deadline)
    view = GraphQLView(
        build_schema(limits, introspection=introspection, incremental=settings.server.incremental),
        gateway,
        authenticator or Authenticator(settings.auth),
        limits,
        explorer_page if graphiql else None,
    )

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        """Tell that requests are served; a vendor that is down is no reason not to be."""
        if "none" not in settings.auth.methods:
            # The names of the sources are for known callers.
            return JSONResponse({"status": "ready"})
        sources = {}
        for source in gateway.sources.values():
            seen = source.client.health
            failed = (seen.last_failure_at or 0) > (seen.last_success_at or 0)
            error = seen.last_error if failed else None
            sources[source.name] = error.code.name if error else "OK"
        return JSONResponse({"status": "ready", "sources": sources})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with gateway:
            await gateway.open_journal()
            yield

    app = Starlette(
        routes=[
            Route("/graphql", view),
            Route("/healthz", health),
            Route("/readyz", ready),
            *(explorer_routes() if graphiql else ()),
        ],
        middleware=[
            *cors(settings),
            Middleware(ServerErrorMiddleware, handler=_fail),
            Middleware(BoundedHead),
            *([Middleware(LoopbackHost)] if is_loopback(settings.server.host) else ()),
        ],
        exception_handlers={HTTPException: _refuse},
        lifespan=lifespan,
    )
    # It would send callers with their credentials to wherever the Host header says, and by HTTP.
    app.router.redirect_slashes = False
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for no other
    response = refused(request.scope, error.status_code, f"{error.detail}.")
    response.headers.update(error.headers or {})
    return response


async def _fail(request: Request, _: Exception) -> Response:
    """Tell of a defect; Starlette raises it again, for the server's log."""
    return refused(
        request.scope,
        500,
        "The gateway has a defect. Its log tells more.",
        code=ErrorCode.INTERNAL_ERROR,
    )
