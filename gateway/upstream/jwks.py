"""The published keys of a token issuer, as a JSON Web Key Set (RFC 7517)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.exchange import exchange, http_client, network_transport
from gateway.upstream.network_errors import Peer

SECONDS = 5.0
"""Seconds that the issuer may take; kept short, since callers wait for it."""
MAX_BYTES = 2**20
"""Enough for hundreds of keys; issuers have a few."""

_ISSUER = "auth.jwt"
_PEER = Peer(
    _ISSUER,
    "The jwks_url of auth.jwt",
    "jwks_url",
    trust="the environment variable SSL_CERT_FILE",
    too_large="Check jwks_url",
)


async def fetch(url: str, transport: httpx.AsyncBaseTransport | None = None) -> dict[str, Any]:
    """Fetch a key set, an object with a list ``keys``; UpstreamError if there is none.

    No redirect is followed: only the configuration decides which keys are trusted.
    """
    try:
        async with (
            asyncio.timeout(SECONDS),
            http_client(transport or network_transport(None, 1)) as client,
        ):
            answer = await exchange(client, client.build_request("GET", url), _PEER)
    except TimeoutError:
        raise _error(
            ErrorCode.UPSTREAM_TIMEOUT, f"did not answer within {SECONDS:g} seconds"
        ) from None
    if not httpx.codes.is_success(answer.status):
        raise _error(ErrorCode.UPSTREAM_ERROR, f"answered {answer.status}", answer.status)
    if len(answer.content) > MAX_BYTES:
        raise _error(ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE, "answered with more than 1 MiB")
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not (isinstance(document, dict) and isinstance(document.get("keys"), list)):
        raise _error(
            ErrorCode.UPSTREAM_INVALID_RESPONSE, "answered with something other than a set of keys"
        )
    return document


def _error(code: ErrorCode, what: str, status: int | None = None) -> UpstreamError:
    return UpstreamError(code, f"The jwks_url of {_ISSUER} {what}.", source=_ISSUER, status=status)
