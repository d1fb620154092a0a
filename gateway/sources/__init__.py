"""The vendors: one file each, of pure functions that parse and a thin class that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sources import codearts, elastic_path, language_weaver, yandex_tracker
from gateway.sources.base import Source
from gateway.upstream.auth import TokenEndpoint
from gateway.upstream.client import UpstreamClient, network

if TYPE_CHECKING:
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
    settings: SourceSettings, cache: Cache, transport: httpx.AsyncBaseTransport | None = None
) -> Source:
    """Join a configured source with its client; a test gives the transport in place of a network."""
    module, vendor = VENDORS[settings.provider]
    timeout = settings.timeout
    transport = transport or network(settings.ca_bundle, settings.concurrency)
    client = UpstreamClient(
        settings.name,
        settings.base_url,
        credential=module.credential(
            settings,
            lambda url: TokenEndpoint(settings.name, url, timeout=timeout, transport=transport),
        ),
        read_error=module.read_error,
        timeout=timeout,
        concurrency=settings.concurrency,
        transport=transport,
    )
    return vendor(settings, client, cache)
