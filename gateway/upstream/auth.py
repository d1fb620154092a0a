"""Credentials: what a request must carry, and how a token that expires is renewed.

These are not ``httpx.Auth`` flows, because httpx reads a refused answer whole, however large,
before it lets the flow send the second request.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import msgspec

from gateway import timestamps
from gateway.errors import ErrorCode, UpstreamError
from gateway.flight import Flights
from gateway.upstream.client import exchange, http_client

if TYPE_CHECKING:
    from gateway.upstream.client import Answer

EARLY = 60.0
"""Seconds before its end at which a token is renewed, so that none expires on the way."""


class Credential(Protocol):
    """What ``UpstreamClient`` asks for."""

    async def headers(self) -> Mapping[str, str]:
        """Give the headers for the next request; raises UpstreamError when there are none."""

    def forget(self, headers: Mapping[str, str]) -> bool:
        """Hear that the vendor refused these headers; tell whether asking again may help."""


class FixedCredential:
    """Headers that never change."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def headers(self) -> Mapping[str, str]:
        """Give the headers."""
        return self._headers

    def forget(self, headers: Mapping[str, str]) -> bool:
        """Nothing better is to be had."""
        del headers
        return False


def basic(user: str, password: str) -> dict[str, str]:
    """Make the header of HTTP Basic authentication (RFC 7617)."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


class Token(msgspec.Struct, frozen=True):
    """A token and the Unix time, in seconds, of its end."""

    value: str
    expires: float


class TokenCredential:
    """Headers made of a token that ``fetch`` gets, renewed before its end and when refused.

    However many calls wait for a token, one fetch is under way, and its failure is theirs too.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token]],
        headers: Callable[[str], Mapping[str, str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._make = headers
        self._clock = clock
        self._token: Token | None = None
        self._flights: Flights[Token] = Flights()

    async def headers(self) -> Mapping[str, str]:
        """Give the headers, fetching a token when there is none or it is about to end."""
        token = self._token
        if token is None or token.expires - EARLY <= self._clock():
            token = await self._flights.once("token", self._renew)
        return self._make(token.value)

    def forget(self, headers: Mapping[str, str]) -> bool:
        """Drop the token, unless another call has replaced it meanwhile."""
        if self._token is not None and self._make(self._token.value) == headers:
            self._token = None
        return True

    async def _renew(self) -> Token:
        self._token = token = await self._fetch()
        return token


class TokenEndpoint:
    """Where tokens are got: one POST, outside the source's own limits and credential."""

    def __init__(
        self, source: str, url: str, *, timeout: float, transport: httpx.AsyncBaseTransport
    ) -> None:
        self.source = source
        self.url = url
        self._timeout = timeout
        self._http = http_client(transport)

    async def post(
        self, *, json: Any = None, form: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], httpx.Headers]:
        """Send the credential; the answer's object (empty when it has none) and its headers."""
        request = self._http.build_request("POST", self.url, json=json, data=form)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await exchange(self._http, request, self.source)
        except TimeoutError:
            raise UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"Source {self.source} gave no token within {self._timeout:g} seconds."
                f" Try again, or raise its timeout.",
                source=self.source,
            ) from None
        if not httpx.codes.is_success(answer.status):
            raise self._refused(answer)
        try:
            document = msgspec.json.decode(answer.content) if answer.content else {}
        except (msgspec.DecodeError, RecursionError):
            document = {}
        # Elastic Path's specification wraps the answer in "data", its clients read it bare.
        if isinstance(document, dict) and isinstance(document.get("data"), dict):
            document = document["data"]
        return document if isinstance(document, dict) else {}, answer.headers

    def token(self, value: Any, expires: float) -> Token:
        """Check that a token came; UpstreamError when it did not."""
        if isinstance(value, str) and value.isascii() and value.isprintable():
            return Token(value, expires)
        raise UpstreamError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            f"Source {self.source} was given no token by its token endpoint."
            " Check the url under auth.",
            source=self.source,
        )

    def _refused(self, answer: Answer) -> UpstreamError:
        refused = answer.status in {400, 401, 403}
        return UpstreamError(
            ErrorCode.UPSTREAM_UNAUTHORIZED if refused else ErrorCode.UPSTREAM_ERROR,
            f"Source {self.source} got no token: its token endpoint answered {answer.status}. "
            + ("Check the credential under auth." if refused else "Try again later."),
            source=self.source,
            status=answer.status,
        )


def expiry(text: Any, otherwise: float, clock: Callable[[], float] = time.time) -> float:
    """Read the end of a token from a time in text, or take ``otherwise`` seconds from now."""
    try:
        return timestamps.parse(text) / 1e9
    except (TypeError, ValueError):
        return clock() + otherwise
