"""Credentials: the headers of a request, and the refresh of tokens that expire.

These are not ``httpx.Auth`` flows, because httpx reads the whole body of a refusal, however large,
before the flow can send the second request.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import msgspec
from joserfc import jwt

from gateway.errors import ErrorCode, UpstreamError
from gateway.events import Events
from gateway.normalise import timestamps
from gateway.single_flight import SingleFlight
from gateway.upstream.answer import Answer
from gateway.upstream.envelopes import ReadError, error_in_success
from gateway.upstream.errors import refusal
from gateway.upstream.exchange import exchange
from gateway.upstream.known_secrets import KnownSecrets, in_headers
from gateway.upstream.measured import measured
from gateway.upstream.network_errors import Peer
from gateway.upstream.operation import Operation
from gateway.upstream.progress import Progress

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

SECOND = 1_000_000_000
REFRESH_MARGIN = 60 * SECOND
"""Nanoseconds before expiry at which a token is refreshed, so that none expires in transit."""
SIGNED_LIFETIME, SIGNED_EARLIER = 600, 60
"""Seconds for which a signed token is valid, the most that vendors accept, and how many of them are
in the past: vendors whose clock is late refuse tokens of the future."""
MAX_LIFETIME = 30 * 24 * 3600 * SECOND
"""Maximum lifetime in nanoseconds; no vendor documents a longer one."""

_SENDABLE = re.compile(r"[!-~]+")
_PASSABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class Credential(Protocol):
    """A credential as ``UpstreamClient`` needs it."""

    @property
    def secrets(self) -> Iterable[str]:
        """The fixed secrets; fetched tokens are added to those of the source as they arrive."""

    def for_operation(self, operation: Operation) -> Credential:
        """Return the credential for an operation; UpstreamError if its caller sent none."""

    async def headers(self) -> Mapping[str, str]:
        """Return the headers for the next request; UpstreamError if there are none."""

    def forget(self, headers: Mapping[str, str]) -> bool:
        """Drop headers that the vendor refused; return whether another attempt may help."""

    async def close(self) -> None:
        """Cancel a refresh that is in flight."""


class FixedCredential:
    """Headers that never change; ``others`` are sent with them and are not secret."""

    def __init__(self, headers: Mapping[str, str], others: Mapping[str, str] | None = None) -> None:
        self._headers = {**headers, **(others or {})}
        self._secrets = tuple(in_headers(headers))

    @property
    def secrets(self) -> Iterable[str]:
        """The credentials in the headers."""
        return self._secrets

    def for_operation(self, operation: Operation) -> Credential:
        """Return the same credential for every operation."""
        del operation
        return self

    async def headers(self) -> Mapping[str, str]:
        """Return the headers."""
        return self._headers

    def forget(self, headers: Mapping[str, str]) -> bool:
        """Return False: there is no other credential to try."""
        del headers
        return False

    async def close(self) -> None:
        """Do nothing: no refresh is ever in flight."""


class PassedCredential(FixedCredential):
    """The caller's own credential, received in ``header`` and passed on in ``sent_as``."""

    def __init__(
        self, source: str, header: str, sent_as: str, others: Mapping[str, str] | None = None
    ) -> None:
        super().__init__({})
        self._source = source
        self._header = header
        self._sent_as = sent_as
        self._others = others or {}

    def for_operation(self, operation: Operation) -> Credential:
        """Return the caller's credential; UpstreamError if it is missing or can't be passed on."""
        value = operation.passed.get(self._header.lower(), "")
        if not _PASSABLE.fullmatch(value):
            raise UpstreamError(
                ErrorCode.UPSTREAM_UNAUTHORIZED,
                f"Source {self._source} is read with your own credential."
                f" Send it in the header {self._header}.",
                source=self._source,
                sent=False,
            )
        return FixedCredential({self._sent_as: value}, self._others)


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of HTTP Basic authentication (RFC 7617)."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


class Token(msgspec.Struct, frozen=True):
    """A token, and the Unix time in nanoseconds at which to refresh it."""

    value: str
    renewal: int


class TokenCredential:
    """Headers made of a token from ``fetch``, refreshed before it expires and when it is refused.

    Calls that need a token at the same time share one fetch, and its failure.
    """

    secrets: Iterable[str] = ()

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

    def for_operation(self, operation: Operation) -> Credential:
        """Return the same credential for every operation."""
        del operation
        return self

    async def headers(self) -> Mapping[str, str]:
        """Return the headers, after fetching a token if there is none or it is about to expire."""
        token = self._token
        if token is None or token.renewal <= self._clock():
            token = await self._flights.run("token", self._refresh)
        return self._make(token.value)

    def forget(self, headers: Mapping[str, str]) -> bool:
        """Drop the token, unless another call has replaced it meanwhile."""
        if self._token is not None and self._make(self._token.value) == headers:
            self._token = None
        return True

    async def close(self) -> None:
        """Cancel a refresh that is in flight."""
        await self._flights.cancel()

    async def _refresh(self) -> Token:
        self._token = token = await self._fetch()
        return token


class SignedCredential(TokenCredential):
    """Headers made of a token that is signed here, and made again before it expires.

    The token is a JWT (RFC 7519) that ``key`` signs by RS256. It says nothing but who the
    ``issuer`` is. Each is added to ``known`` secrets.
    """

    def __init__(
        self,
        issuer: str,
        key: RSAKey,
        headers: Callable[[str], Mapping[str, str]],
        clock: Callable[[], int],
        known: KnownSecrets,
    ) -> None:
        super().__init__(self._signed, headers, clock)
        self._issuer = issuer
        self._key = key
        self._known = known

    async def _signed(self) -> Token:
        issued = self._clock() // SECOND - SIGNED_EARLIER
        expires = issued + SIGNED_LIFETIME
        claims = {"iat": issued, "exp": expires, "iss": self._issuer}
        value = jwt.encode({"alg": "RS256"}, claims, self._key, algorithms=["RS256"])
        self._known.add_token(value)
        return Token(value, expires * SECOND - REFRESH_MARGIN)


class TokenEndpoint:
    """Where tokens are fetched: one POST, outside the source's own limits and credential.

    ``timeout`` is in seconds; ``clock`` is in Unix nanoseconds. ``http`` is the source's own
    client, which the source closes. Fetched tokens are added to ``secrets``. ``setting`` names the
    setting with the address. ``events`` are told of calls, whose endpoint is "token".
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
        secrets: KnownSecrets | None = None,
        setting: str = "base_url",
        events: Events | None = None,
    ) -> None:
        self._events = events or Events()
        self._setting = setting
        name = f"The token endpoint of source {source}"
        self._peer = Peer(source, name, setting, too_large=f"Check {setting}")
        self._source = source
        self._url = url
        self._http = http
        self._read_error = read_error
        self._timeout = timeout
        self._clock = clock
        self._secrets = secrets or KnownSecrets()

    def credential(
        self,
        fetch: Callable[[], Awaitable[Token]],
        headers: Callable[[str], Mapping[str, str]],
    ) -> TokenCredential:
        """Return a credential whose tokens ``fetch`` gets from this endpoint."""
        return TokenCredential(fetch, headers, self._clock)

    def signed(
        self, issuer: str, key: RSAKey, headers: Callable[[str], Mapping[str, str]]
    ) -> SignedCredential:
        """Return a credential whose tokens are signed here, for a vendor that issues none."""
        return SignedCredential(issuer, key, headers, self._clock, self._secrets)

    async def post(
        self, *, json: Any = None, form: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], httpx.Headers]:
        """Send the credential; return the response's object (empty if it has none) and headers.

        Raises UpstreamError unless the response is 2xx and not an error.
        """
        with measured(self._events, self._source, "POST", "token") as timing:
            timing.send()
            document, answer = await self._post(json, form)
            timing.status = answer.status
            return document, answer.headers

    async def _post(
        self, json: Any, form: Mapping[str, str] | None
    ) -> tuple[dict[str, Any], Answer]:
        request = self._http.build_request("POST", self._url, json=json, data=form)
        progress = Progress()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await exchange(self._http, request, self._peer, progress)
        except TimeoutError:
            raise UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"Source {self._source} gave no token within {self._timeout:g} seconds."
                " Try again, or raise its timeout."
                if progress.sent
                else progress.timed_out(self._peer, self._timeout),
                source=self._source,
            ) from None
        # Do not mask the response: its token may be one that is already known as a secret.
        masked = answer.masked(self._secrets)
        document, vendor_error = _decoded(answer), None
        if not (isinstance(document, dict) and any("token" in name.lower() for name in document)):
            vendor_error = error_in_success(_decoded(masked), self._read_error)
        if not httpx.codes.is_success(answer.status) or vendor_error is not None:
            raise refusal(
                masked,
                self._read_error,
                source=self._source,
                now=self._clock(),
                url=request.url,
                token_setting=self._setting,
                vendor=vendor_error if httpx.codes.is_success(answer.status) else None,
            )
        # Some specifications wrap the response in "data", although the vendor's own clients expect
        # no wrapper.
        if isinstance(document, dict) and isinstance(document.get("data"), dict):
            document = document["data"]
        return document if isinstance(document, dict) else {}, answer

    def token(self, value: Any, seconds: float, until: Any = None) -> Token:
        """Return a usable token, which is masked from now on; UpstreamError if it is unusable.

        It is valid until the vendor's expiry time, or for some seconds if that is missing or
        already past by this machine's clock. A short-lived token is used for half of its lifetime.
        """
        if not (isinstance(value, str) and _SENDABLE.fullmatch(value)):
            raise UpstreamError(
                ErrorCode.UPSTREAM_INVALID_RESPONSE,
                f"Source {self._source} got an answer without a token from its token endpoint."
                f" Check {self._setting}.",
                source=self._source,
            )
        self._secrets.add_token(value)
        now = self._clock()
        try:
            life = timestamps.parse(until) - now
        except (TypeError, ValueError):
            life = 0
        if life <= 0:
            life = int(seconds * SECOND)
        life = min(life, MAX_LIFETIME)
        return Token(value, now + max(life - REFRESH_MARGIN, life // 2))


def _decoded(answer: Answer) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
