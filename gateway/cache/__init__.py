"""What vendors said, kept for a while; the only room that knows aiocache."""

from __future__ import annotations

from gateway.cache.cache import EXCUSED, Cache, Demand, Kept, Loaded
from gateway.cache.entry import Entry, Lifetime
from gateway.cache.store import Store, make_store

__all__ = [
    "EXCUSED",
    "Cache",
    "Demand",
    "Entry",
    "Kept",
    "Lifetime",
    "Loaded",
    "Store",
    "make_store",
]
