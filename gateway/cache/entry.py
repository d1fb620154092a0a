"""What is kept under one key, and how long it is good for what."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from gateway.model import Timestamp

T = TypeVar("T")
SECOND = 1_000_000_000
SKEW = 2 * SECOND
"""How far the clocks of replicas may be apart. What comes from further ahead was written before a
clock was set back, or by one that is wrong, so that nobody can tell how old it is."""


class Lifetime(msgspec.Struct, frozen=True):
    """How long something is good, in seconds.

    It is ``fresh`` at first. For ``revalidate`` seconds after that it is given at once while it is
    asked for again behind the answer. For ``error`` seconds after it was fresh, it is better than
    the failure of a vendor.
    """

    fresh: float
    revalidate: float = 0.0
    error: float = 0.0


class Entry(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A value in its envelope.

    ``asked_at`` and ``stored_at`` are when its call began and ended, the others until when it may
    be used for what. ``failed`` has the error code of a vendor that has failed since, which is not
    asked again before ``retry_at``. ``tags`` are what it is dropped by, ``etags`` what the vendor
    tells a change by, by path and query.
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


def enclose(
    value: T,
    lifetime: Lifetime,
    *,
    asked_at: Timestamp,
    stored_at: Timestamp,
    tags: tuple[str, ...],
    etags: dict[str, str],
) -> Entry[T]:
    """Put a value into its envelope."""
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
