"""A settable clock, and a fake vendor that counts its calls."""

from __future__ import annotations

import asyncio

from gateway.cache import Entry, Lifetime, Loaded
from gateway.errors import ErrorCode, UpstreamError
from tests.support.clock import SECOND, Clock

__all__ = ["LIFETIME", "SECOND", "Clock", "Vendor", "settle", "ticking_clock"]

LIFETIME = Lifetime(fresh=10, revalidate=20, error=100)


def ticking_clock() -> Clock[int]:
    """Return a clock that never shows the same time twice; the cache orders entries by time."""
    return Clock(1_700_000_000 * SECOND, tick=1)


class Vendor:
    """Returns the number of calls so far; can be made to wait, to fail or to report no change."""

    def __init__(self, clock: Clock[int]) -> None:
        self.clock = clock
        self.asked = 0
        self.background = 0
        self.cancelled = 0
        self.seconds = 0.0
        self.lifetime = LIFETIME
        self.tags: tuple[str, ...] = ("source:it",)
        self.code: ErrorCode | None = None
        self.unchanged = False
        self.known: list[dict[str, str]] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self, entry: Entry[int] | None, *, background: bool) -> Loaded[int]:
        self.asked += 1
        self.background += background
        self.known.append(entry.etags if entry else {})
        said = self.asked
        try:
            await self.answers.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.clock.seconds += self.seconds
        if self.code:
            raise UpstreamError(self.code, "It failed.", source="it")
        if self.unchanged and entry is not None:
            said = entry.value
        return Loaded(
            value=said,
            lifetime=self.lifetime,
            tags=self.tags,
            etags={"/path": f'"{said}"'},
            unchanged=self.unchanged,
        )


async def settle() -> None:
    """Let every task run as far as it can; those that use Redis need real I/O."""
    for _ in range(50):
        await asyncio.sleep(0.001)
