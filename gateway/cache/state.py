"""The cache's own statistics."""

from __future__ import annotations

import msgspec


class CacheState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the store responds and how full it is, with this process's counts since its start.

    ``size`` is in bytes of JSON. ``entries`` and ``size`` are None if the store does not know them.
    """

    shared: bool
    available: bool
    entries: int | None
    size: int | None
    hits: int
    stale: int
    misses: int
    collapsed: int
    loads: int
    failures: int
    store_failures: int
