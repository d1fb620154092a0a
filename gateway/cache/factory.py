"""The store for a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.cache.evictions import EvictionLog
    from gateway.cache.store import Store
    from gateway.events import Events


def make_store(
    url: str,
    *,
    max_entries: int,
    max_bytes: int,
    clock: Callable[[], int],
    evictions: EvictionLog | None = None,
    events: Events | None = None,
) -> Store:
    """Return the store for a URL: ``memory://``, or that of Redis or Valkey.

    ``evictions`` are those of the other workers of a server, whose memory is not shared.
    ``events`` are told of failures of Redis. Raises ConfigurationError if the redis package is
    needed and not installed.
    """
    if url.startswith("memory:"):
        from gateway.cache.memory import MemoryStore  # noqa: PLC0415

        return MemoryStore(
            max_entries=max_entries, max_bytes=max_bytes, clock=clock, evictions=evictions
        )
    try:
        from gateway.cache.redis import RedisStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigurationError(
            ["cache.url: Redis needs the extra redis, as in webhook-log-gateway[redis]"]
        ) from None
    return RedisStore(url, clock=clock, events=events)
