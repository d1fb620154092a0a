"""The vendors: one file each, of pure functions that parse and a thin class that asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.sources.source import Source
from gateway.upstream.auth import TokenEndpoint
from gateway.upstream.client import UpstreamClient
from gateway.upstream.exchange import http_client, network
from gateway.vendors import codearts, elastic_path, language_weaver, yandex_tracker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    import httpx

    from gateway.cache import Cache
    from gateway.config import SourceSettings

__all__ = ["Source", "make_source"]

VENDORS: dict[str, tuple[ModuleType, type[Source]]] = {
    vendor.provider.value: (module, vendor)
    for module, vendor in (
        (codearts, codearts.CodeArts),
        (yandex_tracker, yandex_tracker.YandexTracker),
        (language_weaver, language_weaver.LanguageWeaver),
        (elastic_path, elastic_path.ElasticPath),
    )
}


def make_source(
    settings: SourceSettings,
    cache: Cache,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Callable[[], int] = time.time_ns,
    monotonic: Callable[[], float] = time.monotonic,
) -> Source:
    """Join a configured source with its client, which closes the transport in the end.

    A test gives the transport in place of a network; ``clock`` gives Unix time in nanoseconds,
    ``monotonic`` is in seconds.
    """
    module, vendor = VENDORS[settings.provider]
    http = http_client(transport or network(settings.ca_bundle, settings.concurrency))

    def endpoint(url: str) -> TokenEndpoint:
        return TokenEndpoint(
            settings.name,
            url,
            http=http,
            read_error=module.read_error,
            timeout=settings.timeout,
            clock=clock,
        )

    client = UpstreamClient(
        settings.name,
        settings.base_url,
        http=http,
        credential=module.credential(settings, endpoint),
        read_error=module.read_error,
        timeout=settings.timeout,
        concurrency=settings.concurrency,
        rate_limit=settings.rate_limit,
        clock=clock,
        monotonic=monotonic,
        private=settings.auth.type == "pass-through",
    )
    return vendor(settings, client, cache)
