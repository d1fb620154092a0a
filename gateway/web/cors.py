"""CORS: which requests and responses browsers allow to pages of the configured origins.

Credentials that a browser would add by itself, such as cookies, are never allowed: a page has to
send a key or token explicitly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gateway.web.answer import refusal_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from gateway.settings import Settings

METHODS = ("GET", "POST")
READABLE = (
    "Cache-Status",
    "ETag",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
"""The headers of a response that a page may read."""


class _Cors(CORSMiddleware):
    """CORS for the endpoint only, with refusals in the form of GraphQL."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, or add the headers of CORS to a response."""
        if scope["type"] == "http" and scope["path"] == "/graphql":
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight request."""
        response = super().preflight_response(request_headers)
        fault = self._fault(request_headers)
        if fault is None:
            return response
        refusal = refusal_response(
            {"headers": request_headers.raw}, 400, f"No permission by CORS: {fault}"
        )
        # With these, a page of a configured origin can read the refusal.
        for name in ("vary", "access-control-allow-origin"):
            if name in response.headers:
                refusal.headers[name] = response.headers[name]
        return refusal

    def _fault(self, headers: Headers) -> str | None:
        origin = headers["origin"]
        if not self.is_allowed_origin(origin):
            if origin == "null":
                return (
                    "the page has no origin, as a file or a sandboxed frame. Serve it from a site"
                    " that cors_origins names, or send the request from outside of the page."
                )
            return "cors_origins does not name the page's origin."
        if headers["access-control-request-method"] not in METHODS:
            return "the request would have another method than GET and POST."
        for name in headers.get("access-control-request-headers", "").split(","):
            if not _may_send(name.strip(" \t")):
                return "the request would have a header that no page may send."
        return None


def _may_send(name: str) -> bool:
    """Return whether a page of a configured origin may send a header.

    Tracing and client libraries add headers of their own, which are ignored here. Headers by which
    a proxy reports the client's address, or a browser its user, are not allowed.
    """
    valid = not name or bool(_NAME.fullmatch(name))
    return valid and not _RESERVED.match(name.lower())


_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_RESERVED = re.compile(
    r"(cookie2?|forwarded|host|x-real-ip|true-client-ip|cf-connecting-ip|x-client-ip"
    r"|x-cluster-client-ip|proxy-.*|sec-.*|x-forwarded-.*|x-original-.*)\Z"
)


def cors(settings: Settings) -> Sequence[Middleware]:
    """Return the middleware for CORS; none where no origin is configured.

    It runs before everything that may refuse a request, so that a page can read the reason.
    """
    if not settings.server.cors_origins:
        return ()
    return [
        Middleware(
            _Cors,
            allow_origins=settings.server.cors_origins,
            allow_methods=METHODS,
            allow_headers=("*",),
            allow_private_network=True,
            expose_headers=READABLE,
        )
    ]
