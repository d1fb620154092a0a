"""One HTTP exchange: a request sent as it is, and an answer read whole, or not at all.

httpx leaves these to its user: a limit of the size, and cookies that must not travel from one
answer to the next request.
"""

from __future__ import annotations

import functools
import http.cookiejar
import logging
import ssl
import zlib
from typing import TYPE_CHECKING, Any

import httpx

from gateway import __version__
from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.answer import Answer
from gateway.upstream.errors import unreachable

if TYPE_CHECKING:
    import pathlib

MAX_BYTES = 16 * 2**20
"""More than any vendor's page of 100 logs needs, little enough to hold for every source at once."""

# They write whole URLs, with the secrets in their queries, and headers.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def http_client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    """Make a client that adds nothing of its own: no cookies, redirects, proxies or time limits."""
    return httpx.AsyncClient(
        transport=transport,
        timeout=None,  # noqa: S113 - each call stands under the operation's deadline
        cookies=_NoCookies(),
        headers={
            "User-Agent": f"webhook-log-gateway/{__version__}",
            "Accept": "application/json",
            # The one packing that is unpacked here, bit by bit.
            "Accept-Encoding": "gzip",
        },
    )


def network(ca_bundle: pathlib.Path | None, concurrency: int) -> httpx.AsyncBaseTransport:
    """Make the real transport, with TLS verified: by the bundle alone where there is one.

    It has a connection for each of ``concurrency`` callers and one for a token, because httpx's
    pool grows slow when callers queue in it.
    """
    limits = httpx.Limits(
        max_connections=concurrency + 1, max_keepalive_connections=concurrency + 1
    )
    return httpx.AsyncHTTPTransport(verify=_trust(ca_bundle), limits=limits)


@functools.cache  # it takes 17 ms, and most sources trust the same authorities
def _trust(ca_bundle: pathlib.Path | None) -> ssl.SSLContext:
    if ca_bundle is None:
        return httpx.create_ssl_context()
    return ssl.create_default_context(cafile=ca_bundle)


async def exchange(client: httpx.AsyncClient, request: httpx.Request, source: str) -> Answer:
    """Send one request and read the whole answer, whatever its status, within ``MAX_BYTES``.

    Raises UpstreamError when there is none to be had. It sets no time limit.
    """
    try:
        response = await client.send(request, stream=True)
        try:
            content = await _read(response)
        finally:
            await response.aclose()
    # While an answer is read, errors of TLS come out of httpx as they are.
    except (httpx.HTTPError, OSError, zlib.error) as error:
        raise unreachable(error, source) from None
    if content is None:
        raise UpstreamError(
            ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE,
            f"Source {source} answered with more than {MAX_BYTES // 2**20} MiB."
            " Lower its page_size.",
            source=source,
            status=response.status_code,
        )
    return Answer(response.status_code, response.headers, bytes(content))


async def _read(response: httpx.Response) -> bytearray | None:
    """Read and unpack a body; None as soon as it is too large.

    httpx would unpack each piece whole, in any packing and as often as its header says, and 3 KB
    can hold 1 GB. What is packed otherwise than it was asked for is left as it is.
    """
    packing = response.headers.get("Content-Encoding", "").lower()
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16) if packing == "gzip" else None
    content = bytearray()
    async for chunk in response.aiter_raw() if packing else response.aiter_bytes():
        if unpacker is None:
            content += chunk
        elif not unpacker.eof:
            content += unpacker.decompress(chunk, MAX_BYTES + 1 - len(content))
        if len(content) > MAX_BYTES:
            return None
    if unpacker and response.num_bytes_downloaded and not unpacker.eof:
        raise zlib.error("The end is missing.")
    return content


class _NoCookies(http.cookiejar.CookieJar):
    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keep nothing: what one answer sets must not reach the next request."""
