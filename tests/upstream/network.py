"""An upstream client on a simulated network."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import httpx

from gateway.upstream.auth import Credential, FixedCredential
from gateway.upstream.client import UpstreamClient
from gateway.upstream.exchange import http_client
from gateway.upstream.operation import Operation
from gateway.vendors.elastic_path.parsing import read_error
from tests.support.vendor import FakeVendor as Network
from tests.support.vendor import Handler

__all__ = ["NOW", "Body", "Handler", "Network", "call", "client_of", "document"]

NOW = 1_772_615_411_000_000_000
"""2026-03-04T09:10:11Z in Unix nanoseconds."""


class Body(httpx.AsyncByteStream):
    """A body in chunks that counts the bytes read from it."""

    def __init__(self, chunks: Iterable[bytes], end: Exception | None = None) -> None:
        self.taken = 0
        self.closed = False
        self._chunks = chunks
        self._end = end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.taken += len(chunk)
            yield chunk
        if self._end:
            raise self._end

    async def aclose(self) -> None:
        self.closed = True


def client_of(
    handler: Handler | httpx.AsyncBaseTransport,
    *,
    credential: Credential | None = None,
    timeout: float = 5.0,
    concurrency: int = 10,
    rate_limit: float = 1000.0,
    base_url: str = "https://shop.example",
    clock: Callable[[], int] = lambda: NOW,
    monotonic: Callable[[], float] = time.monotonic,
    private: bool = False,
) -> UpstreamClient:
    """Return a client of a source named "shop", whose vendor is Elastic Path."""
    transport = handler if isinstance(handler, httpx.AsyncBaseTransport) else Network(handler)
    return UpstreamClient(
        "shop",
        base_url,
        http=http_client(transport),
        credential=credential or FixedCredential({"Authorization": "Bearer fixed"}),
        read_error=read_error,
        timeout=timeout,
        concurrency=concurrency,
        rate_limit=rate_limit,
        clock=clock,
        monotonic=monotonic,
        private=private,
    )


async def call(client: UpstreamClient, path: str = "/logs", seconds: float = 5.0) -> Any:
    """Fetch one document."""
    document, _ = await client.json(path, [("secret", "s3cr3t")], operation=Operation(seconds))
    return document


def document(content: Any, status: int = 200, **headers: str) -> httpx.Response:
    """Return a JSON response; header names have _ in place of -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=json.dumps(content), headers=named)
