"""Credentials: what a request must carry, and how a token that expires is renewed.

These are not ``httpx.Auth`` flows, because httpx reads a refused answer whole, however large,
before it lets the flow send the second request.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import httpx
import msgspec

from gateway.errors import ErrorCode, UpstreamError
from gateway.normalise import timestamps
from gateway.single_flight import SingleFlight
from gateway.upstream.errors import ReadError, refusal
from gateway.upstream.exchange import exchange
from gateway.upstream.operation import Operation

SECOND = 1_000_000_000
EARLY = 60 * SECOND
"""How long before its end a token is renewed, so that none expires on the way."""
LONGEST = 30 * 24 * 3600 * SECOND
"""No token of any vendor is said to live longer."""

_SENDABLE = re.compile(r"[!-~]+")
_PASSABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class Credential(Protocol):
    """What ``UpstreamClient`` asks for."""

    def of(self, operation: Operation) -> Credential:
        """Give the credential for an operation; UpstreamError when its caller sent none."""

    async def headers(self) -> Mapping[str, str]:
        """Give the headers for the next request; raises UpstreamError when there are none."""

    def forget(self, headers: Mapping[str, str]) -> bool:
        """Hear that the vendor refused these headers; tell whether asking again may help."""

    async def close(self) -> None:
        """End what is under way."""


class FixedCredential:
    """Headers that never change."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def of(self, operation: Operation) -> Credential:
        """Give the one credential that there is."""
        del operation
        return self

    async def headers(self) -> Mapping[str, str]:
        """Give the headers."""
        return self._headers

    def forget(self, headers: Mapping[str, str]) -> bool:
        """Nothing better is to be had."""
        del headers
        return False

    async def close(self) -> None:
        """Nothing is ever under way."""


class PassedCredential(FixedCredential):
    """The credential that each caller sends, in ``header``, passed on in ``sent_as``."""

    def __init__(
        self, source: str, header: str, sent_as: str, others: Mapping[str, str] | None = None
    ) -> None:
        super().__init__({})
        self._source = source
        self._header = header
        self._sent_as = sent_as
        self._others = others or {}

    def of(self, operation: Operation) -> Credential:
        """Give the caller's credential; UpstreamError when it sent none that can be passed on."""
        value = operation.passed.get(self._header.lower(), "")
        if not _PASSABLE.fullmatch(value):
            raise UpstreamError(
                ErrorCode.UPSTREAM_UNAUTHORIZED,
                f"Source {self._source} is read with your own credential."
                f" Send it in the header {self._header}.",
                source=self._source,
                sent=False,
            )
        return FixedCredential({self._sent_as: value, **self._others})


def basic(user: str, password: str) -> dict[str, str]:
    """Make the header of HTTP Basic authentication (RFC 7617)."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


class Token(msgspec.Struct, frozen=True):
    """A token, and the Unix time in nanoseconds from which another one is used."""

    value: str
    renewal: int


class TokenCredential:
    """Headers made of a token that ``fetch`` gets, renewed before its end and when refused.

    However many calls wait for a token, one fetch is under way, and its failure is theirs too.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token]],
        headers: Callable[[str], Mapping[str, str]],
        clock: Callable[[], int],
    ) -> None:
        self._fetch = fetch
        self._make = headers
        self._clock = clock
        self._token: Token | None = None
        self._flights: SingleFlight[Token] = SingleFlight()

    def of(self, operation: Operation) -> Credential:
        """Give the one credential that there is."""
        del operation
        return self

    async def headers(self) -> Mapping[str, str]:
        """Give the headers, fetching a token when there is none or it is about to end."""
        token = self._token
        if token is None or token.renewal <= self._clock():
            token = await self._flights.once("token", self._renew)
        return self._make(token.value)

    def forget(self, headers: Mapping[str, str]) -> bool:
        """Drop the token, unless another call has replaced it meanwhile."""
        if self._token is not None and self._make(self._token.value) == headers:
            self._token = None
        return True

    async def close(self) -> None:
        """End a renewal that is under way."""
        await self._flights.cancel()

    async def _renew(self) -> Token:
        self._token = token = await self._fetch()
        return token


class TokenEndpoint:
    """Where tokens are got: one POST, outside the source's own limits and credential.

    ``timeout`` is in seconds; ``clock`` gives Unix time in nanoseconds. ``http`` is the source's
    own client, and closed by that.
    """

    def __init__(
        self,
        source: str,
        url: str,
        *,
        http: httpx.AsyncClient,
        read_error: ReadError,
        timeout: float,
        clock: Callable[[], int],
    ) -> None:
        self._source = source
        self._url = url
        self._http = http
        self._read_error = read_error
        self._timeout = timeout
        self._clock = clock

    def credential(
        self,
        fetch: Callable[[], Awaitable[Token]],
        headers: Callable[[str], Mapping[str, str]],
    ) -> TokenCredential:
        """Make the credential of the tokens that ``fetch`` gets from here."""
        return TokenCredential(fetch, headers, self._clock)

    async def post(
        self, *, json: Any = None, form: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], httpx.Headers]:
        """Send the credential; the answer's object (empty when it has none) and its headers.

        Raises UpstreamError unless the answer is 2xx.
        """
        request = self._http.build_request("POST", self._url, json=json, data=form)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await exchange(self._http, request, self._source)
        except TimeoutError:
            raise UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"Source {self._source} gave no token within {self._timeout:g} seconds."
                " Try again, or raise its timeout.",
                source=self._source,
            ) from None
        if not httpx.codes.is_success(answer.status):
            raise refusal(
                answer, self._read_error, source=self._source, now=self._clock(), path=None
            )
        try:
            document = answer.json()
        except ValueError:
            document = None
        # Some specifications wrap the answer in "data", though the vendor's clients read it bare.
        if isinstance(document, dict) and isinstance(document.get("data"), dict):
            document = document["data"]
        return document if isinstance(document, dict) else {}, answer.headers

    def token(self, value: Any, seconds: float, until: Any = None) -> Token:
        """Check that a token came; UpstreamError when it did not.

        It lives until a moment, as the vendor writes it, or for as many seconds where that tells
        nothing, as when it has passed by this machine's clock. A token that lives shortly is used
        for half of its life.
        """
        if not (isinstance(value, str) and _SENDABLE.fullmatch(value)):
            raise UpstreamError(
                ErrorCode.UPSTREAM_INVALID_RESPONSE,
                f"Source {self._source} got an answer without a token from its token endpoint."
                " Check base_url, and url under auth where there is one.",
                source=self._source,
            )
        now = self._clock()
        try:
            life = timestamps.parse(until) - now
        except (TypeError, ValueError):
            life = 0
        if life <= 0:
            life = int(seconds * SECOND)
        life = min(life, LONGEST)
        return Token(value, now + max(life - EARLY, life // 2))
