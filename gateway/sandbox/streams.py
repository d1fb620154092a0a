"""The sources of deliveries that all simulated vendors have in common."""

from __future__ import annotations

import msgspec


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A hook, trigger, webhook or integration, for whose events a vendor sends deliveries.

    ``id`` is unique among all vendors. ``share`` is the number of its logs in 20,000. A stream that
    is not ``active`` has logs in the history, but no new ones.
    """

    id: str
    url: str
    share: int
    active: bool = True
