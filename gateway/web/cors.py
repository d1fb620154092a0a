"""What browsers let pages of other origins send, and read of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gateway.web.answer import refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from gateway.settings import Settings

SENT = (
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "If-None-Match",
    "X-API-Key",
    "X-Request-Id",
    "X-Request-Timeout",
    "traceparent",
    "tracestate",
    # What Apollo's clients send of their own.
    "Apollo-Require-Preflight",
    "ApolloGraphQL-Client-Name",
    "ApolloGraphQL-Client-Version",
    "X-Apollo-Operation-Id",
    "X-Apollo-Operation-Name",
)
READ = (
    "Cache-Status",
    "ETag",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)


class _Cors(CORSMiddleware):
    """CORS for the endpoint alone, with refusals in the form of GraphQL."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what asks for permission, or pass a request on and tell of its answer."""
        if scope["type"] == "http" and scope["path"] == "/graphql":
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Give a page's browser permission for a request, or none."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        refusal = refused(
            {"headers": request_headers.raw},
            response.status_code,
            "No permission by CORS: cors_origins does not name the page's origin, or the request"
            " would have another method than GET and POST, or a header that plays no part here.",
        )
        told = ("Vary", *(name for name in response.headers if name.startswith("access-control")))
        refusal.headers.update({name: response.headers[name] for name in told})
        return refusal


def cors(settings: Settings) -> Sequence[Middleware]:
    """Make what tells browsers of the configured origins; nothing where there is none.

    It stands before all that may refuse a request, so that a page can read why.

    Credentials that a browser would add by itself, such as cookies, are not asked for: a page has
    to have its caller's key or token, and to send it.
    """
    if not settings.server.cors_origins:
        return ()
    passed = [one.auth.header for one in settings.sources if one.auth.type == "pass-through"]
    return [
        Middleware(
            _Cors,
            allow_origins=settings.server.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=(*SENT, *passed),
            expose_headers=READ,
        )
    ]
