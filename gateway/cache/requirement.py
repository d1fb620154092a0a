"""How fresh a cache entry has to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.cache.entry import SECOND
from gateway.model import Timestamp

if TYPE_CHECKING:
    from gateway.cache.entry import Entry


class FreshnessRequirement(msgspec.Struct, frozen=True, kw_only=True):
    """How fresh an entry has to be for a caller.

    Entries older than ``max_age`` seconds are returned only in place of a failure, those requested
    before ``not_before`` never. One requested after ``began_at`` meets any ``max_age``. The caller
    waits until ``deadline``, in seconds of the event loop's clock.
    """

    max_age: float | None = None
    not_before: Timestamp | None = None
    began_at: Timestamp | None = None
    deadline: float | None = None

    def accepts(self, entry: Entry[Any], now: Timestamp) -> bool:
        """Return whether the entry may be returned without a call to the vendor."""
        if (
            self.max_age is not None
            and now - entry.stored_at >= self.max_age * SECOND
            and (self.began_at is None or entry.asked_at <= self.began_at)
        ):
            return False
        return self.allows_fallback(entry)

    def allows_fallback(self, entry: Entry[Any]) -> bool:
        """Return whether the entry may be returned in place of a failure, whatever its age."""
        return self.not_before is None or entry.asked_at >= self.not_before


ANY_AGE = FreshnessRequirement()
