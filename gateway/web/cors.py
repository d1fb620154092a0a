"""What browsers let pages of other origins send, and read of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config import Settings

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


def cors(settings: Settings) -> Sequence[Middleware]:
    """Make what tells browsers of the configured origins; nothing where there is none.

    Credentials that a browser would add by itself, such as cookies, are not asked for: a page has
    to have its caller's key or token, and to send it.
    """
    if not settings.server.cors_origins:
        return ()
    passed = [one.auth.header for one in settings.sources if one.auth.type == "pass-through"]
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.server.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=(*SENT, *passed),
            expose_headers=READ,
        )
    ]
