"""Answers that are kept, shared and renewed, so that a vendor is asked once for what many want.

Only redacted values come here, because redaction happens where a vendor's answer is parsed.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from gateway.cache.entry import SECOND, Entry, Lifetime, enclose
from gateway.cache.store import Era, Store, Usage
from gateway.errors import ErrorCode, UpstreamError
from gateway.model import CacheStatus, Freshness, Timestamp
from gateway.single_flight import Flights

T = TypeVar("T")

EXCUSED = frozenset(
    {
        ErrorCode.UPSTREAM_RATE_LIMITED,
        ErrorCode.UPSTREAM_ERROR,
        ErrorCode.UPSTREAM_TIMEOUT,
        ErrorCode.UPSTREAM_UNREACHABLE,
        ErrorCode.UPSTREAM_CIRCUIT_OPEN,
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        ErrorCode.UPSTREAM_RESPONSE_TOO_LARGE,
    }
)
"""Failures that what is kept is better than; a refusal is none, since it is about the caller."""
PATIENCE = 1.0
"""Seconds that a vendor is waited for where something stale could be given in its place."""
HEADWAY = 0.05
"""Seconds that an answer is ahead of what is asked for behind it, which takes the same processor:
for a page of many lists that costs far more than the page."""
RETRY = 2.0
"""Seconds after which a vendor that failed is asked again, behind an answer, where it is not known
that this would be too early."""
LONGEST_RETRY = 300.0
"""Seconds after which it is asked in any case."""
POLL = 0.02
"""Seconds between two looks for what another process is asking for."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks of what is kept.

    Nothing older than ``max_age`` seconds unless the vendor fails, so nothing kept where that is 0;
    nothing that was asked for before ``not_before``. It waits until ``deadline``, in seconds of the
    event loop's clock.
    """

    max_age: float | None = None
    not_before: Timestamp | None = None
    deadline: float | None = None


ANYTHING = Demand()


class Loaded(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a vendor said, how long it is good, and what it is dropped by.

    ``made_of`` is how fresh that is which it was taken from, where that was kept itself.
    ``unchanged`` tells that the vendor said only that what is kept is still so.
    """

    value: T
    lifetime: Lifetime
    tags: tuple[str, ...] = ()
    etags: dict[str, str] = {}
    made_of: Freshness | None = None
    unchanged: bool = False


class Kept(msgspec.Struct, Generic[T], frozen=True):
    """A value, and how fresh it is."""

    value: T
    freshness: Freshness


class Load(Protocol[T]):
    """Asks the vendor."""

    def __call__(self, entry: Entry[T] | None, *, behind: bool) -> Coroutine[Any, Any, Loaded[T]]:
        """Give what the vendor says in place of the entry.

        ``behind`` tells that nobody waits for it.
        """


class _Renewed(msgspec.Struct, Generic[T], frozen=True):
    """What a flight came to."""

    entry: Entry[T]
    unchanged: bool = False


class _Wish(msgspec.Struct, Generic[T], frozen=True):
    """What a caller wants renewed, and what it found: at ``moment``, in ``era``.

    With ``anew``, what was asked for before the moment does not do, whenever it came.
    """

    key: str
    kind: type[T]
    load: Load[T]
    moment: Timestamp
    era: Era
    entry: Entry[T] | None
    behind: bool = False
    anew: bool = False


class Cache:
    """Keeps what vendors said in a store, whose entries it knows how to judge.

    ``clock`` gives Unix time in nanoseconds. ``counts`` tells by name what has happened so far.
    """

    def __init__(self, store: Store, clock: Callable[[], int] = time.time_ns) -> None:
        self.shared = store.shared
        self.counts: Counter[str] = Counter()
        self._store = store
        self._clock = clock
        self._flights: Flights[_Renewed[Any]] = Flights()
        self._drops = 0
        self._era = 0

    async def remember(
        self, key: str, kind: type[T], load: Load[T], demand: Demand = ANYTHING
    ) -> Kept[T]:
        """Give what is kept under the key, or what ``load`` gives, once for all who want it.

        What is stale is given where it may be, and asked for again behind. A failure of the vendor
        reaches all who wait, unless there is something stale; TimeoutError those whose deadline is
        over.
        """
        moment = self._now()
        entry, era = await self._store.read(key, kind)
        now = self._now()
        if entry is not None and now >= entry.stale_until:
            entry = None
        wish = _Wish(key, kind, load, moment, era, entry)
        if entry is not None and _accepted(entry, demand, now):
            if now < entry.fresh_until:
                self.counts["hits"] += 1
                return _kept(entry, CacheStatus.HIT)
            if entry.failed or now < entry.revalidate_until:
                # Beyond the longest wait, the clock was set back.
                if not now < entry.retry_at <= now + LONGEST_RETRY * SECOND:
                    self._flights.behind(self._flight(wish), lambda: self._renew_later(wish))
                return self._stale(entry)
        return await self._wait(wish, demand)

    async def _wait(self, wish: _Wish[T], demand: Demand) -> Kept[T]:
        """Wait for the vendor, or with others who do; not for long where there is a way out."""
        usable = wish.entry if wish.entry is not None and _recent(wish.entry, demand) else None
        flight = self._flight(wish)
        collapsed = flight in self._flights
        until = demand.deadline
        if usable is not None and demand.max_age is None:
            # It goes on when this caller has waited enough.
            self._flights.behind(flight, lambda: self._renew(wish))
            patience = asyncio.get_running_loop().time() + PATIENCE
            until = patience if until is None else min(until, patience)
        try:
            async with asyncio.timeout_at(until):
                renewed: _Renewed[T] = await self._flights.once(flight, lambda: self._renew(wish))
        except TimeoutError:
            if usable is None:
                raise
            return self._stale(usable)
        except UpstreamError as error:
            if usable is None or error.code not in EXCUSED:
                raise
            return self._stale(replace(usable, failed=error.code.name))
        if not _recent(renewed.entry, demand) and renewed.entry.asked_at < wish.moment:
            # It was asked for before something that this caller has seen already. What is asked
            # for from now on was not, though the clock that told of that may have been ahead.
            return await self._wait(replace(wish, moment=self._now(), anew=True), demand)
        if renewed.entry.failed:
            return self._stale(renewed.entry)
        self.counts["collapsed" if collapsed else "misses"] += 1
        status = CacheStatus.REVALIDATED if renewed.unchanged else CacheStatus.MISS
        return _kept(renewed.entry, status, collapsed=collapsed)

    async def recall(self, key: str, kind: type[T], not_before: Timestamp) -> Kept[T] | None:
        """Give what is kept under the key in place of a failure, and ask nobody.

        None where nothing may be given, or it was asked for before ``not_before``.
        """
        entry, _ = await self._store.read(key, kind)
        if entry is None or entry.asked_at < not_before or self._now() >= entry.stale_until:
            return None
        return self._stale(entry)

    def _stale(self, entry: Entry[T]) -> Kept[T]:
        self.counts["stale"] += 1
        return _kept(entry, CacheStatus.STALE)

    def _flight(self, wish: _Wish[T]) -> tuple[str, int, int]:
        """Name a flight so that nobody joins one from before a drop."""
        if wish.era is not None:
            self._era = wish.era
        # Who could not ask for the era goes with those who could.
        return wish.key, self._era if wish.era is None else wish.era, self._drops

    async def _renew_later(self, wish: _Wish[T]) -> _Renewed[T]:
        await asyncio.sleep(HEADWAY)
        return await self._renew(replace(wish, behind=True))

    async def _renew(self, wish: _Wish[T]) -> _Renewed[T]:
        """Ask the vendor, unless another process does or just did."""
        # What was asked for before a drop is not waited for by those who come after it.
        work = f"{wish.key}@{wish.era}"
        while (lease := await self._store.lease(work)) is None:
            await asyncio.sleep(POLL)
            if (other := await self._since(wish)) is not None:
                return _Renewed(other)
        async with lease:
            if self.shared and (other := await self._since(wish)) is not None:
                return _Renewed(other)
            return await self._ask(wish)

    async def _since(self, wish: _Wish[T]) -> Entry[T] | None:
        """Give what another process has kept in the meantime, unless it tells of a failure."""
        entry, _ = await self._store.read(wish.key, wish.kind)
        if entry is None or entry.failed:
            return None
        since = entry.asked_at if wish.anew else entry.stored_at
        return None if since < wish.moment else entry

    async def _ask(self, wish: _Wish[T]) -> _Renewed[T]:
        entry = wish.entry
        asked_at = self._now()
        self.counts["loads"] += 1
        try:
            loaded = await wish.load(entry, behind=wish.behind)
        except UpstreamError as error:
            self.counts["failures"] += 1
            if entry is not None:
                await self._store.write(wish.key, self._after(error, entry), wish.era)
            raise
        now = self._now()
        made_of = loaded.made_of
        stored_at = made_of.fetched_at if made_of else now
        renewed = enclose(
            loaded.value,
            loaded.lifetime,
            asked_at=min(asked_at, stored_at),
            stored_at=stored_at,
            tags=loaded.tags,
            etags=loaded.etags,
        )
        if made_of and made_of.failure:
            renewed = replace(renewed, failed=made_of.failure)
        if renewed.stale_until > now:
            await self._store.write(wish.key, renewed, wish.era)
        return _Renewed(renewed, loaded.unchanged)

    def _after(self, error: UpstreamError, entry: Entry[T]) -> Entry[T]:
        """Judge an entry anew: better than a failure, and nobody's after a refusal."""
        now = self._now()
        if error.code in EXCUSED:
            seconds = min(max(RETRY, error.retry_after or 0.0), LONGEST_RETRY)
            retry_at = Timestamp(now + round(seconds * SECOND))
            return replace(entry, failed=error.code.name, retry_at=retry_at)
        return replace(entry, fresh_until=now, revalidate_until=now, stale_until=now, failed=None)

    async def drop(self, tags: Collection[str]) -> int:
        """Drop what has one of the tags, and what is being read of it; tell how many entries."""
        self._drops += 1
        count = await self._store.drop(tags)
        # Who began to read while the store was asked may have met what is gone now.
        self._drops += 1
        self.counts["dropped"] += count
        return count

    async def take(self, name: str, most: int, seconds: int) -> float | None:
        """Take one of so many that a name has in all processes; the Store's own method."""
        return await self._store.take(name, most, seconds)

    async def usage(self) -> Usage:
        """Tell how full the store is."""
        return await self._store.usage()

    @property
    def store_failures(self) -> int:
        """How often the store did not do what it was asked to."""
        return self._store.failures

    @property
    def available(self) -> bool:
        """Whether the store answers."""
        return self._store.available

    async def close(self) -> None:
        """End what is being asked for, and close the store."""
        await self._flights.cancel()
        await self._store.close()

    def _now(self) -> Timestamp:
        return Timestamp(self._clock())


def _accepted(entry: Entry[Any], demand: Demand, now: Timestamp) -> bool:
    if demand.max_age is not None and now - entry.stored_at >= demand.max_age * SECOND:
        return False
    return _recent(entry, demand)


def _recent(entry: Entry[Any], demand: Demand) -> bool:
    return demand.not_before is None or entry.asked_at >= demand.not_before


def _kept(entry: Entry[T], status: CacheStatus, *, collapsed: bool = False) -> Kept[T]:
    return Kept(
        entry.value,
        Freshness(
            status=status,
            fetched_at=entry.stored_at,
            fresh_until=entry.fresh_until,
            collapsed=collapsed,
            failure=entry.failed,
        ),
    )
