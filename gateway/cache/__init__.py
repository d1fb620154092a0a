"""The cache of vendors' responses; the only package that uses aiocache."""

from __future__ import annotations

from gateway.cache.cache import FALLBACK_CODES, Cache, Cached, Loaded
from gateway.cache.entry import Entry, Lifetime
from gateway.cache.factory import make_store
from gateway.cache.requirement import FreshnessRequirement
from gateway.cache.state import CacheState
from gateway.cache.store import Store

__all__ = [
    "FALLBACK_CODES",
    "Cache",
    "CacheState",
    "Cached",
    "Entry",
    "FreshnessRequirement",
    "Lifetime",
    "Loaded",
    "Store",
    "make_store",
]
