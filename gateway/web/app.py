"""The web application, which connects all parts of the gateway."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.callers import Authenticator
from gateway.config import is_loopback
from gateway.errors import ErrorCode
from gateway.events import Events, RequestEnded
from gateway.limits import Limits
from gateway.schema import Schema, build_schema
from gateway.service import Gateway
from gateway.web.answer import refusal_response
from gateway.web.answers import KeptAnswers
from gateway.web.concurrency import ConcurrencyLimit
from gateway.web.console import console_documents, console_routes
from gateway.web.cors import cors
from gateway.web.door import Door
from gateway.web.explorer import explorer_page, explorer_routes
from gateway.web.header_limit import HeaderLimit
from gateway.web.host import LoopbackHost
from gateway.web.observed import RequestEvents
from gateway.web.prefix import PathPrefix
from gateway.web.rates import MemoryStore
from gateway.web.view import GraphQLView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.cache.evictions import EvictionLog
    from gateway.settings import Settings
    from gateway.upstream.call_counts import CallCounts


class Parts(NamedTuple):
    """What an application is made of, as far as the next one may take it over."""

    gateway: Gateway
    authenticator: Authenticator
    limits: Limits
    schema: Schema
    requests: MemoryStore
    concurrency: ConcurrencyLimit


def create_app(
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    authenticator: Authenticator | None = None,
    evictions: EvictionLog | None = None,
    call_counts: CallCounts | None = None,
    events: Events | None = None,
    earlier: Starlette | None = None,
) -> Starlette:
    """Return the application; ``transport`` replaces the network in tests.

    ``evictions`` and ``call_counts`` connect it with the other workers of the server. ``events``
    are told of what happens; whoever wants to hear of requests has subscribed before. From an
    ``earlier`` application of this process, the parts are taken over that have the same settings.
    """
    events = events or Events()
    before: Parts | None = earlier.state.parts if earlier is not None else None
    gateway = Gateway(
        settings,
        transport=transport,
        evictions=evictions,
        call_counts=call_counts,
        events=events,
        earlier=before.gateway if before else None,
    )
    graphiql = (
        settings.server.graphiql
        and settings.server.introspection
        and not settings.documents.trusted
    )
    prefix = settings.server.root_path
    if before and _schema_of(before.gateway.settings) == _schema_of(settings):
        # Operations of both applications are within the limit together.
        limits, schema, concurrency = before.limits, before.schema, before.concurrency
    else:
        limits = Limits(settings.limits, settings.server.deadline, events)
        concurrency = ConcurrencyLimit(limits)
        schema = build_schema(
            limits,
            introspection=settings.server.introspection,
            incremental=settings.server.incremental,
            compiled=settings.server.compiled,
        )
    authenticator = authenticator or Authenticator(
        settings.auth, earlier=before.authenticator if before else None
    )
    requests = before.requests if before else MemoryStore()
    view = GraphQLView(
        schema,
        gateway,
        authenticator,
        limits,
        functools.partial(explorer_page, console=settings.server.console) if graphiql else None,
        console_documents() if settings.server.console else None,
        requests,
        concurrency,
    )

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        """Report readiness; the gateway is ready even while vendors are down."""
        stopping = request.scope.get("state", {}).get("stopping")
        status = "stopping" if stopping else "overloaded" if view.is_overloaded else "ready"
        http_status = 200 if status == "ready" else 503
        if "none" not in settings.auth.methods:
            # Sources are listed only if authentication is off.
            return JSONResponse({"status": status}, http_status)
        sources = {}
        for source in gateway.sources.values():
            health = source.client.health
            failed = (health.last_failure_at or 0) > (health.last_success_at or 0)
            error = health.last_error if failed else None
            sources[source.name] = error.code.name if error else "OK"
        return JSONResponse({"status": status, "sources": sources}, http_status)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with gateway:
            await gateway.open_journal()
            await gateway.take_over()
            yield

    app = Starlette(
        routes=[
            Route("/graphql", view),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *(explorer_routes() if graphiql else ()),
            *(console_routes(graphiql=graphiql) if settings.server.console else ()),
        ],
        middleware=[
            *([Middleware(RequestEvents, events)] if events.wants(RequestEnded) else ()),
            *([Middleware(PathPrefix, prefix)] if prefix else ()),
            Middleware(Door, view, KeptAnswers(gateway) if settings.cache.reuse_answers else None),
            *cors(settings),
            Middleware(ServerErrorMiddleware, handler=_fail),
            Middleware(HeaderLimit),
            *([Middleware(LoopbackHost)] if is_loopback(settings.server.host) else ()),
        ],
        # Defects of the middleware ahead of ServerErrorMiddleware are reported in the same way.
        exception_handlers={HTTPException: _refuse, Exception: _fail},
        lifespan=lifespan,
    )
    # Its redirects would send callers and their credentials to the host in Host, without TLS.
    app.router.redirect_slashes = False
    app.state.parts = Parts(gateway, authenticator, limits, schema, requests, concurrency)
    return app


def _schema_of(settings: Settings) -> tuple[object, ...]:
    """Return the settings that the schema depends on, with what is kept of the documents."""
    server = settings.server
    return (
        settings.limits,
        server.deadline,
        server.introspection,
        server.incremental,
        server.compiled,
    )


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for no other
    response = refusal_response(request.scope, error.status_code, f"{error.detail}.")
    response.headers.update(error.headers or {})
    return response


async def _fail(request: Request, _: Exception) -> Response:
    """Report a defect; Starlette raises it again for the server's log."""
    return refusal_response(
        request.scope,
        500,
        "The gateway has a defect. Its log has the details.",
        code=ErrorCode.INTERNAL_ERROR,
    )
