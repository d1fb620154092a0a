"""One vendor's HTTP API: bounded in time, in concurrency and in size; failures told in one form.

httpx leaves these to its user: a total time (its timeouts are for each read), a queue in front
of the connection pool (which collapses under waiters), a size limit, and cookies that must not
travel from one answer to the next request.
"""

from __future__ import annotations

import asyncio
import http.cookiejar
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from gateway import __version__
from gateway.errors import ErrorCode, UpstreamError
from gateway.redaction import redact_text

if TYPE_CHECKING:
    import pathlib

    from gateway.upstream.auth import Credential
    from gateway.upstream.operation import Operation

MAX_BYTES = 16 * 2**20
"""More than any vendor's page of 100 logs needs, little enough to hold for every source at once."""

Params = Sequence[tuple[str, str]]

# It writes whole URLs, with the secrets in their queries.
logging.getLogger("httpx").setLevel(logging.WARNING)


class VendorError(msgspec.Struct, frozen=True):
    """What the vendor itself says about a failure."""

    code: str | None = None
    message: str | None = None
    request_id: str | None = None


ReadError = Callable[[Any, Mapping[str, str]], VendorError]
"""Finds the vendor's words in a decoded error body (None when it is no JSON) and the headers."""


class Health(msgspec.Struct, frozen=True):
    """How a source's calls went lately; the times are Unix times in nanoseconds."""

    last_success_at: int | None = None
    last_failure_at: int | None = None
    last_error: UpstreamError | None = None


class Answer(msgspec.Struct, frozen=True):
    """A 2xx answer, read to its end."""

    status: int
    headers: httpx.Headers
    content: bytes


class UpstreamClient:
    """Calls one vendor's API for one source.

    ``timeout`` is in seconds and for one call, waiting for a free connection included.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        *,
        credential: Credential,
        read_error: ReadError,
        timeout: float,
        concurrency: int,
        transport: httpx.AsyncBaseTransport,
    ) -> None:
        self.source = source
        self.base_url = base_url
        self.health = Health()
        self._credential = credential
        self._read_error = read_error
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._http = http_client(transport)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def json(
        self, path: str, params: Params = (), *, operation: Operation, method: str = "GET"
    ) -> tuple[Any, httpx.Headers]:
        """Call and decode; the headers come with the document, since some vendors page in them."""
        answer = await self.send(method, path, params, operation=operation)
        if not answer.content.strip():
            raise self._invalid("answered with an empty body")
        try:
            return decode(answer.content), answer.headers
        except (msgspec.DecodeError, RecursionError):
            kind = answer.headers.get("content-type", "").partition(";")[0].strip()
            if "html" in kind or answer.content.lstrip()[:1] == b"<":
                raise self._invalid(
                    "answered with a web page instead of JSON; check base_url, and whether a proxy"
                    " or a login page stands in between"
                ) from None
            raise self._invalid("answered with something that is not whole JSON") from None

    async def send(
        self, method: str, path: str, params: Params = (), *, operation: Operation
    ) -> Answer:
        """Call, renewing the credential once on 401; raise UpstreamError unless the answer is 2xx."""
        try:
            answer = await self._send(method, path, params, operation)
        except UpstreamError as error:
            self.health = msgspec.structs.replace(
                self.health, last_failure_at=time.time_ns(), last_error=error
            )
            raise
        self.health = msgspec.structs.replace(self.health, last_success_at=time.time_ns())
        return answer

    async def _send(self, method: str, path: str, params: Params, operation: Operation) -> Answer:
        now = asyncio.get_running_loop().time()
        until = min(operation.deadline, now + self._timeout)
        try:
            async with asyncio.timeout_at(until), self._slots:
                headers = await self._credential.headers()
                answer = await self._exchange(method, path, params, headers, operation)
                if answer.status == httpx.codes.UNAUTHORIZED and self._credential.forget(headers):
                    headers = await self._credential.headers()
                    answer = await self._exchange(method, path, params, headers, operation)
        except TimeoutError:
            raise UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"Source {self.source} did not answer within {max(0.0, until - now):.3g} seconds."
                " Try again, or raise its timeout or the server's deadline.",
                source=self.source,
            ) from None
        if not httpx.codes.is_success(answer.status):
            raise self._failure(answer)
        return answer

    async def _exchange(
        self,
        method: str,
        path: str,
        params: Params,
        headers: Mapping[str, str],
        operation: Operation,
    ) -> Answer:
        operation.calls[self.source] += 1
        request = self._http.build_request(
            method, self.base_url + path, params=list(params) or None, headers=dict(headers)
        )
        return await exchange(self._http, request, self.source)

    def _invalid(self, what: str) -> UpstreamError:
        return UpstreamError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            f"Source {self.source} {what}.",
            source=self.source,
        )

    def _failure(self, answer: Answer) -> UpstreamError:
        try:
            body = msgspec.json.decode(answer.content)
        except (msgspec.DecodeError, RecursionError):
            body = None
        vendor = self._read_error(body, answer.headers)
        code, advice = _explain(answer.status)
        said = f" and said: {_short(vendor.message)}" if vendor.message else ""
        return UpstreamError(
            code,
            f"Source {self.source} answered {_phrase(answer.status)}{said.rstrip('.')}. {advice}",
            source=self.source,
            status=answer.status,
            vendor_code=_short(vendor.code),
            vendor_message=_short(vendor.message),
            request_id=_short(vendor.request_id),
        )


def decode(content: bytes) -> Any:
    """Decode JSON; msgspec.DecodeError when it is none, RecursionError when it is too deep.

    Bodies that a vendor has cut in the middle of a character make its JSON invalid in a way that
    does no harm: such halves are read as U+FFFD.
    """
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        text = _HALF.sub(r"\\ufffd", content.decode(errors="replace").removeprefix("\ufeff"))
        return msgspec.json.decode(text)


_HALF = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


async def exchange(client: httpx.AsyncClient, request: httpx.Request, source: str) -> Answer:
    """Send one request and read the whole answer, whatever its status, within ``MAX_BYTES``."""
    try:
        response = await client.send(request, stream=True)
        try:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_BYTES:
                    raise UpstreamError(
                        ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE,
                        f"Source {source} answered with more than {MAX_BYTES // 2**20} MiB."
                        " Lower its page_size.",
                        source=source,
                        status=response.status_code,
                    )
        finally:
            await response.aclose()
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise _unreachable(error, source) from None
    return Answer(response.status_code, response.headers, bytes(content))


def _unreachable(error: httpx.HTTPError, source: str) -> UpstreamError:
    if isinstance(error, httpx.TimeoutException):
        code, what = ErrorCode.UPSTREAM_TIMEOUT, "did not answer in time; try again"
    elif isinstance(error, httpx.DecodingError):
        code, what = ErrorCode.UPSTREAM_INVALID_RESPONSE, "sent an answer that can't be unpacked"
    elif isinstance(error, httpx.ConnectError):
        code = ErrorCode.UPSTREAM_UNREACHABLE
        text = str(error).lower()
        if "certificate" in text or "ssl" in text:
            what = "could not be reached safely: its TLS certificate was refused; set ca_bundle"
        elif "name" in text or "address" in text or "resolve" in text:
            what = "could not be reached: its host name does not resolve; check base_url"
        else:
            what = "could not be reached: the connection was refused; check base_url and network"
    else:
        code, what = ErrorCode.UPSTREAM_UNREACHABLE, "broke the connection; try again"
    return UpstreamError(code, f"Source {source} {what}.", source=source)


def _explain(status: int) -> tuple[ErrorCode, str]:
    match status:
        case 401:
            return ErrorCode.UPSTREAM_UNAUTHORIZED, "Check the source's credential under auth."
        case 403:
            return ErrorCode.UPSTREAM_FORBIDDEN, "Give the credential the right to read this."
        case 404:
            return ErrorCode.UPSTREAM_NOT_FOUND, "Check base_url and the configured place."
        case 429:
            return ErrorCode.UPSTREAM_RATE_LIMITED, "Ask again later, or lower its concurrency."
        case _ if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return ErrorCode.UPSTREAM_ERROR, "The vendor has trouble; try again later."
    return ErrorCode.UPSTREAM_REJECTED, "Check the source's configuration."


def _phrase(status: int) -> str:
    return f"{status} {httpx.codes.get_reason_phrase(status)}".strip()


def _short(text: str | None) -> str | None:
    return None if text is None else redact_text(text[:2000])[:300]


class _NoCookies(http.cookiejar.CookieJar):
    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keep nothing: what one answer sets must not reach the next request."""


def http_client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    """Make a client that adds nothing of its own: no cookies, redirects, proxies or pool waits."""
    return httpx.AsyncClient(
        transport=transport,
        timeout=None,  # noqa: S113 - each call stands under the operation's deadline
        cookies=_NoCookies(),
        headers={"User-Agent": f"webhook-log-gateway/{__version__}", "Accept": "application/json"},
    )


def network(ca_bundle: pathlib.Path | None, concurrency: int) -> httpx.AsyncBaseTransport:
    """Make the real transport, with TLS verified and never more connections than callers."""
    verify = ssl.create_default_context(cafile=str(ca_bundle)) if ca_bundle else True
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    return httpx.AsyncHTTPTransport(verify=verify, limits=limits)
