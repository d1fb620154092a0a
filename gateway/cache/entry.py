"""Cache entries and their lifetimes."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from gateway.model import Timestamp

T = TypeVar("T")
SECOND = 1_000_000_000
SKEW = 2 * SECOND
"""Tolerated difference between the clocks of replicas. The age of an entry from further ahead is
unknown: it was written before a clock was set back, or with a wrong clock."""


class Lifetime(msgspec.Struct, frozen=True):
    """How long an entry may be used, in seconds.

    It is ``fresh`` at first. For another ``revalidate`` seconds it is returned at once and
    refreshed in the background. For ``error`` seconds after it was fresh, it replaces a failure of
    the vendor.
    """

    fresh: float
    revalidate: float = 0.0
    error: float = 0.0


class Entry(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A value with its times.

    ``asked_at`` and ``stored_at`` are when its load began and ended; the other times are those of
    its lifetime. ``failed`` is the error code of a refresh that has failed since; the next one
    starts at ``retry_at``. ``tags`` evict it. ``etags`` are the validators of the responses it was
    built from, by path and query.
    """

    value: T
    asked_at: Timestamp
    stored_at: Timestamp
    fresh_until: Timestamp
    revalidate_until: Timestamp
    stale_until: Timestamp
    tags: tuple[str, ...] = ()
    etags: dict[str, str] = {}
    failed: str | None = None
    retry_at: Timestamp = Timestamp(0)


def new_entry(
    value: T,
    lifetime: Lifetime,
    *,
    asked_at: Timestamp,
    stored_at: Timestamp,
    tags: tuple[str, ...],
    etags: dict[str, str],
) -> Entry[T]:
    """Wrap a value in an entry."""
    fresh_until = stored_at + round(lifetime.fresh * SECOND)
    revalidate = lifetime.revalidate if lifetime.fresh else 0.0
    revalidate_until = fresh_until + round(revalidate * SECOND)
    stale_until = fresh_until + round(lifetime.error * SECOND)
    return Entry(
        value=value,
        asked_at=asked_at,
        stored_at=stored_at,
        fresh_until=Timestamp(fresh_until),
        revalidate_until=Timestamp(revalidate_until),
        stale_until=Timestamp(max(revalidate_until, stale_until)),
        tags=tags,
        etags=etags,
    )
