"""What vendors said, kept for a while; the only room that knows aiocache."""

from __future__ import annotations

from gateway.cache.cache import FALLBACK_CODES, Cache, FreshnessRequirement, Cached, Loaded
from gateway.cache.entry import Entry, Lifetime
from gateway.cache.store import Store, make_store

__all__ = [
    "FALLBACK_CODES",
    "Cache",
    "FreshnessRequirement",
    "Entry",
    "Cached",
    "Lifetime",
    "Loaded",
    "Store",
    "make_store",
]
