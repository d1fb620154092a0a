"""One HTTP exchange: an unmodified request, and a response that is read completely or not at all.

httpx has no size limit, and would send cookies from one response with the next request.
"""

from __future__ import annotations

import functools
import logging
import os
import ssl
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx

from gateway import __version__
from gateway.config.files import digest_of
from gateway.config.network import environment_proxy
from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.answer import Answer
from gateway.upstream.network_errors import Peer, unreachable
from gateway.upstream.packing import GZIP, TooLargeError, unpack
from gateway.upstream.progress import Progress
from gateway.upstream.transport import AiohttpTransport

if TYPE_CHECKING:
    from gateway.config.network import Proxy

MAX_BYTES = 16 * 2**20
"""Enough for a page of 100 logs of any vendor; small enough to hold one for every source."""

# It logs whole URLs, with the secrets in their queries.
logging.getLogger("httpx").setLevel(logging.WARNING)


def http_client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    """Return a client that adds nothing of its own: no cookies, redirects, proxies or timeouts."""
    return _Client(
        transport=transport,
        timeout=None,  # the operation's deadline bounds each call
        headers={
            "User-Agent": f"webhook-log-gateway/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        },
    )


def network_transport(
    ca_bundle: Path | None,
    concurrency: int,
    *,
    client: tuple[Path, Path | None] | None = None,
    proxy: Proxy | None = None,
) -> httpx.AsyncBaseTransport:
    """Return the real transport, which verifies TLS, with the bundle alone if there is one.

    It has a connection for each of ``concurrency`` callers and one for a token. ``client`` is its
    own certificate with the file of the key. Servers are reached through ``proxy``; without one,
    the environment decides, as it does on the authorities to trust.
    """
    usual = ca_bundle is None and client is None
    trust = _usual_trust(usual_authorities()) if usual else _trust(ca_bundle)
    if client is not None:
        trust.load_cert_chain(*client)

    def proxy_of(host: str, port: int) -> Proxy | None:
        return proxy or environment_proxy(host, port, os.environ)

    return AiohttpTransport(trust, concurrency + 1, proxy_of)


def usual_authorities() -> bytes:
    """Return a digest of the authorities that the environment names, which changes with them."""
    return digest_of(Path(os.environ.get("SSL_CERT_FILE", "").strip()))


@functools.lru_cache(1)  # takes 17 ms, and most sources trust the same authorities
def _usual_trust(authorities: bytes) -> ssl.SSLContext:
    del authorities
    return _trust(None)


def _trust(ca_bundle: Path | None) -> ssl.SSLContext:
    if ca_bundle is None:
        context = httpx.create_ssl_context()  # heeds SSL_CERT_FILE and SSL_CERT_DIR
    else:
        context = ssl.create_default_context(cafile=ca_bundle)
    context.set_alpn_protocols(["http/1.1"])
    return context


def request_url(
    base_url: str, path: str, params: tuple[tuple[str, str], ...]
) -> tuple[httpx.URL, str]:
    """Return a URL, and its path and query as they are sent."""
    target = base_url + path
    if not params:
        url = httpx.URL(target)
    elif "?" in target or "#" in target:
        url = httpx.URL(target).copy_merge_params(list(params))
    else:
        # Merging would parse the URL once more.
        url = httpx.URL(f"{target}?{urlencode(params)}")
    return url, url.raw_path.decode("ascii")


async def exchange(
    client: httpx.AsyncClient,
    request: httpx.Request,
    peer: Peer,
    progress: Progress | None = None,
) -> Answer:
    """Send one request and read the whole response, whatever its status, within ``MAX_BYTES``.

    ``progress`` records the step reached, for the error message of a timeout; this function has no
    timeout. Raises UpstreamError if the response is missing or incomplete.
    """
    progress = progress or Progress()
    request.extensions["progress"] = progress
    status = None
    try:
        response = await client.send(request, stream=True)
        status = response.status_code
        # A complete response from a mock transport is already decompressed.
        whole = response.is_stream_consumed
        packing = "" if whole else response.headers.get("Content-Encoding", "")
        try:
            content = await _read(response.aiter_raw() if packing else response.aiter_bytes())
        finally:
            await response.aclose()
            # The stream refers to the response: without this, only the collector would free both.
            response.stream = _CLOSED
        if packing or content.startswith(GZIP):
            content, packing = unpack(content, packing, MAX_BYTES)
    except TooLargeError:
        raise UpstreamError(
            ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE,
            f"{peer.name} answered with more than {MAX_BYTES // 2**20} MiB. {peer.too_large}.",
            source=peer.source,
            status=status,
        ) from None
    # Errors for host names that IDNA can't encode are not those of httpx.
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, zlib.error) as error:
        # Its frames have the response, and what was read of it; its context may be the reason.
        raise unreachable(error.with_traceback(None), peer, request.url) from None
    return Answer(response.status_code, response.headers, content, packing)


async def _read(chunks: AsyncIterator[bytes]) -> bytes:
    """Read the raw body; TooLargeError as soon as it is too large."""
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > MAX_BYTES:
            raise TooLargeError
    return bytes(content)


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Ignore cookies, so that none reaches the next request."""


class _Client(httpx.AsyncClient):
    @property
    def cookies(self) -> httpx.Cookies:
        """None, ever: httpx's jar would also parse the headers of each response once more."""
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        raise NotImplementedError


_NO_COOKIES = _NoCookies()
_CLOSED = httpx.ByteStream(b"")
