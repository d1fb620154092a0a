"""Sources: each combines a vendor's kit with a client and a part of the cache."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.config.network import parse_proxy
from gateway.events import Events
from gateway.row_memo import RowMemo
from gateway.sources.caching import SourceCache
from gateway.sources.source import Source
from gateway.upstream.auth import TokenEndpoint
from gateway.upstream.client import UpstreamClient
from gateway.upstream.exchange import http_client, network_transport
from gateway.upstream.known_secrets import KnownSecrets, in_settings
from gateway.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from gateway.cache import Cache
    from gateway.config.source import SourceTable
    from gateway.upstream.call_counts import CallCount

__all__ = ["Source", "make_source"]


def make_source(
    settings: SourceTable,
    cache: Cache,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Callable[[], int] = time.time_ns,
    monotonic: Callable[[], float] = time.monotonic,
    *,
    reuse_rows: bool = True,
    shared: CallCount | None = None,
    events: Events | None = None,
) -> Source:
    """Return the source for its settings.

    Tests pass a ``transport`` in place of the network; it is closed with the source. ``clock``
    returns Unix time in nanoseconds, ``monotonic`` seconds. With ``reuse_rows``, a row that has not
    changed is not parsed again. ``shared`` counts the calls of all workers, and a cache that
    replicas share those of all replicas, unless callers bring their own credentials. ``events`` are
    told of calls, pages and the cache.
    """
    events = events or Events()
    kit = VENDORS[settings.provider].for_settings(settings)
    http = http_client(transport or _network(settings))
    secrets = KnownSecrets(in_settings(settings))

    def endpoint(url: str) -> TokenEndpoint:
        return TokenEndpoint(
            settings.name,
            url,
            http=http,
            read_error=kit.read_error,
            timeout=settings.timeout,
            clock=clock,
            secrets=secrets,
            events=events,
            setting="base_url" if url.startswith(settings.base_url) else "url under auth",
        )

    private = settings.auth.type == "pass-through"
    client = UpstreamClient(
        settings.name,
        settings.base_url,
        http=http,
        credential=kit.credential(settings, endpoint),
        read_error=kit.read_error,
        timeout=settings.timeout,
        concurrency=settings.concurrency,
        rate_limit=settings.rate_limit,
        clock=clock,
        monotonic=monotonic,
        private=private,
        secrets=secrets,
        shared=shared,
        take=cache.take if cache.shared and not private else None,
        events=events,
    )
    cached = SourceCache(settings, client, cache, RowMemo(enabled=reuse_rows), events)
    return Source(settings.name, kit(settings, client, cached.hooks), client, cached, events)


def _network(settings: SourceTable) -> httpx.AsyncBaseTransport:
    certificate, proxy = settings.client_certificate, settings.proxy
    return network_transport(
        settings.ca_bundle,
        settings.concurrency,
        client=(certificate, settings.client_key) if certificate else None,
        proxy=parse_proxy(proxy.get_secret_value()) if proxy else None,
    )
