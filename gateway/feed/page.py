"""A page of logs that can count its list."""

from __future__ import annotations

import msgspec

from gateway.feed.feed import Feed, Slice


class Page(msgspec.Struct, frozen=True, dict=True):
    """A page of logs, with the feed that it came from."""

    slice: Slice
    feed: Feed

    async def total(self) -> int | None:
        """Return the exact number of logs in the whole list, or None if that is unknown.

        Later calls return what the first has counted.
        """
        known = self.__dict__
        if "counted" not in known:
            known["counted"] = await self.feed.count(self.slice)
        total: int | None = known["counted"]
        return total
