"""The public keys that a token issuer publishes, as a JSON Web Key Set (RFC 7517)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.exchange import exchange, http_client, network

SECONDS = 5.0
"""How long the issuer may take; callers wait for it."""
MAX_BYTES = 2**20
"""Hundreds of keys, where issuers have a few."""

_ISSUER = "auth.jwt"


async def fetch(url: str, transport: httpx.AsyncBaseTransport | None = None) -> dict[str, Any]:
    """Get a set of keys: an object that has a list of ``keys``; UpstreamError if there is none.

    No redirect is followed: only the configuration says whose keys are trusted.
    """
    try:
        async with (
            asyncio.timeout(SECONDS),
            http_client(transport or network(None, 1)) as client,
        ):
            answer = await exchange(client, client.build_request("GET", url), _ISSUER)
    except TimeoutError:
        raise _error(
            ErrorCode.UPSTREAM_TIMEOUT, f"did not answer within {SECONDS:g} seconds"
        ) from None
    if not httpx.codes.is_success(answer.status):
        raise _error(ErrorCode.UPSTREAM_ERROR, f"answered {answer.status}", answer.status)
    if len(answer.content) > MAX_BYTES:
        raise _error(ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE, "answered with more than 1 MiB")
    try:
        document = msgspec.json.decode(answer.content, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        document = {}
    if not isinstance(document.get("keys"), list):
        raise _error(
            ErrorCode.UPSTREAM_INVALID_RESPONSE, "answered with something else than a set of keys"
        )
    return document


def _error(code: ErrorCode, what: str, status: int | None = None) -> UpstreamError:
    return UpstreamError(code, f"The jwks_url of {_ISSUER} {what}.", source=_ISSUER, status=status)
