"""Cached values; concurrent requests for the same value share one call to the vendor.

Values are already redacted: redaction happens where a vendor's response is parsed. The terms are
those of RFC 9111 and RFC 5861: an entry is fresh, then stale. A stale one may be returned while it
is refreshed in the background (stale-while-revalidate), or in place of a failure (stale-if-error).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from gateway.cache.entry import SECOND, Entry, Loaded, new_entry
from gateway.cache.requirement import ANY_AGE, FreshnessRequirement
from gateway.cache.state import CacheState
from gateway.cache.store import Generation, Store
from gateway.errors import ErrorCode, UpstreamError
from gateway.model import CacheStatus, Freshness, Timestamp
from gateway.single_flight import SingleFlight

T = TypeVar("T")

FALLBACK_CODES = frozenset(
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
"""Failures that a stale entry replaces. Refusals are not included: they concern the caller."""
STALE_FALLBACK_TIMEOUT = 1.0
"""Seconds to wait for the vendor before a stale entry is returned instead."""
REFRESH_DELAY = 0.05
"""Seconds before a background refresh starts, so that it does not compete with the response for the
CPU: for a page of many lists it costs far more than the response."""
RETRY_DELAY = 2.0
"""Seconds between two background refreshes of an entry while the vendor fails, unless it names a
longer wait."""
MAX_RETRY_DELAY = 300.0
"""Seconds after which a failing vendor is called again, even if it named a longer wait."""
POLL_INTERVAL = 0.02
"""Seconds between two checks for an entry that another process is loading."""


class Cached(msgspec.Struct, Generic[T], frozen=True):
    """A value and its freshness."""

    value: T
    freshness: Freshness


class Load(Protocol[T]):
    """Reads from the vendor."""

    def __call__(
        self, entry: Entry[T] | None, *, background: bool
    ) -> Coroutine[Any, Any, Loaded[T]]:
        """Return the replacement of the entry; ``background`` marks a background refresh."""


class _Refreshed(msgspec.Struct, Generic[T], frozen=True):
    """The result of a refresh."""

    entry: Entry[T]
    unchanged: bool = False


class _Request(msgspec.Struct, Generic[T], frozen=True):
    """A caller's request for an entry; ``moment`` and ``generation`` are those of the lookup.

    With ``reload``, only a response that was requested after that moment is accepted.
    """

    key: str
    kind: type[T]
    load: Load[T]
    moment: Timestamp
    generation: Generation
    entry: Entry[T] | None
    background: bool = False
    reload: bool = False


class Cache:
    """A store's entries, and the rules by which they are returned and refreshed.

    ``clock`` returns Unix time in nanoseconds. ``counts`` are counts of events by name.
    """

    def __init__(self, store: Store, clock: Callable[[], int] = time.time_ns) -> None:
        self.shared = store.shared
        self.counts: Counter[str] = Counter()
        self._store = store
        self._clock = clock
        self._flights: SingleFlight[_Refreshed[Any]] = SingleFlight()
        self._evictions = 0
        self._generation = 0

    async def get(
        self, key: str, kind: type[T], load: Load[T], requirement: FreshnessRequirement = ANY_AGE
    ) -> Cached[T]:
        """Return the entry under the key, or load it once for all concurrent callers.

        A stale entry is returned where the requirement allows, and refreshed in the background. If
        there is no stale entry, a failure of the vendor is raised for every waiting caller; a
        caller whose deadline has passed gets TimeoutError.
        """
        moment = self._now()
        entry, generation = await self._store.read(key, kind)
        now = self._now()
        if entry is not None and now >= entry.stale_until:
            entry = None
        request = _Request(key, kind, load, moment, generation, entry)
        if entry is not None and requirement.accepts(entry, now):
            if now < entry.fresh_until:
                return self._hit(entry)
            if now < _returned_at_once_until(entry):
                # A wait above the maximum means that the clock was set back.
                if not now < entry.retry_at <= now + MAX_RETRY_DELAY * SECOND:
                    self._flights.start(self._flight(request), lambda: self._refresh_later(request))
                return self._stale(entry)
        return await self._wait(request, requirement)

    def peek(self, key: str, requirement: FreshnessRequirement = ANY_AGE) -> Cached[Any] | None:
        """Return the entry under the key as ``get`` does, if it is fresh and takes no wait."""
        entry = self._store.peek(key)
        if entry is None:
            return None
        now = self._now()
        if now < entry.fresh_until and requirement.accepts(entry, now):
            return self._hit(entry)
        return None

    def _hit(self, entry: Entry[T]) -> Cached[T]:
        self.counts["hits"] += 1
        return _cached(entry, CacheStatus.HIT)

    async def _wait(self, request: _Request[T], requirement: FreshnessRequirement) -> Cached[T]:
        """Wait for the vendor, but only briefly if there is a stale entry."""
        usable = (
            request.entry
            if request.entry is not None and requirement.allows_fallback(request.entry)
            else None
        )
        flight = self._flight(request)
        collapsed = flight in self._flights
        until = requirement.deadline
        if usable is not None and requirement.max_age is None:
            # The load continues after this caller has given up.
            self._flights.start(flight, lambda: self._refresh(request))
            fallback_at = asyncio.get_running_loop().time() + STALE_FALLBACK_TIMEOUT
            until = fallback_at if until is None else min(until, fallback_at)
        try:
            async with asyncio.timeout_at(until):
                refreshed: _Refreshed[T] = await self._flights.run(
                    flight, lambda: self._refresh(request)
                )
        except TimeoutError:
            if usable is None:
                raise
            return self._stale(usable)
        except UpstreamError as error:
            if usable is None or error.code not in FALLBACK_CODES:
                raise
            return self._stale(replace(usable, failed=error.code.name))
        if (
            not requirement.allows_fallback(refreshed.entry)
            and refreshed.entry.asked_at < request.moment
        ):
            # The response was requested before something that this caller has already seen. A load
            # that starts now is late enough, even if ``not_before`` was read from a clock that is
            # fast.
            return await self._wait(replace(request, moment=self._now(), reload=True), requirement)
        if refreshed.entry.failed:
            return self._stale(refreshed.entry)
        self.counts["collapsed" if collapsed else "misses"] += 1
        status = CacheStatus.REVALIDATED if refreshed.unchanged else CacheStatus.MISS
        return _cached(refreshed.entry, status, collapsed=collapsed)

    async def get_stale(self, key: str, kind: type[T], not_before: Timestamp) -> Cached[T] | None:
        """Return the entry under the key in place of a failure, without any call.

        None where it has expired, or was requested before ``not_before``.
        """
        entry, _ = await self._store.read(key, kind)
        if entry is None or entry.asked_at < not_before or self._now() >= entry.stale_until:
            return None
        return self._stale(entry)

    def _stale(self, entry: Entry[T]) -> Cached[T]:
        self.counts["stale"] += 1
        return _cached(entry, CacheStatus.STALE)

    def _flight(self, request: _Request[T]) -> tuple[str, int, int]:
        """Return a single-flight key that changes with each eviction."""
        if request.generation is not None:
            self._generation = request.generation
        # A caller that could not read the generation joins those that could.
        return (
            request.key,
            self._generation if request.generation is None else request.generation,
            self._evictions,
        )

    async def _refresh_later(self, request: _Request[T]) -> _Refreshed[T]:
        await asyncio.sleep(REFRESH_DELAY)
        return await self._refresh(replace(request, background=True))

    async def _refresh(self, request: _Request[T]) -> _Refreshed[T]:
        """Load from the vendor, unless another process is doing so or just did."""
        async with self._leased(request) as stored:
            if stored is not None:
                return _Refreshed(stored)
            entry = request.entry
            asked_at = self._now()
            self.counts["loads"] += 1
            try:
                loaded = await request.load(entry, background=request.background)
            except UpstreamError as error:
                self.counts["failures"] += 1
                if entry is not None:
                    after = self._after_failure(error, entry)
                    await self._store.write(request.key, after, request.generation)
                raise
            now = self._now()
            made_of = loaded.made_of
            stored_at = made_of.fetched_at if made_of else now
            refreshed = new_entry(
                loaded.value,
                loaded.lifetime,
                asked_at=min(asked_at, stored_at),
                stored_at=stored_at,
                tags=loaded.tags,
                etags=loaded.etags,
            )
            if made_of and made_of.failure:
                refreshed = replace(refreshed, failed=made_of.failure)
            if refreshed.stale_until > now:
                await self._store.write(request.key, refreshed, request.generation)
            return _Refreshed(refreshed, loaded.unchanged)

    @contextlib.asynccontextmanager
    async def _leased(self, request: _Request[T]) -> AsyncIterator[Entry[T] | None]:
        """Hold the lease of a key; yield what another process has stored meanwhile, if anything."""
        # A caller that asks after an eviction does not wait for a load that began before it.
        key = f"{request.key}@{request.generation}"
        while (lease := await self._store.lease(key)) is None:
            await asyncio.sleep(POLL_INTERVAL)
            if (other := await self._since(request)) is not None:
                yield other
                return
        async with lease:
            yield await self._since(request) if self.shared else None

    async def _since(self, request: _Request[T]) -> Entry[T] | None:
        """Return what another process has stored since the request, unless it is a failure."""
        entry, _ = await self._store.read(request.key, request.kind)
        if entry is None or entry.failed:
            return None
        since = entry.asked_at if request.reload else entry.stored_at
        return None if since < request.moment else entry

    def _after_failure(self, error: UpstreamError, entry: Entry[T]) -> Entry[T]:
        """Return the entry after a failure: stale after an outage, expired after a refusal."""
        now = self._now()
        if error.code in FALLBACK_CODES:
            seconds = min(max(RETRY_DELAY, error.retry_after or 0.0), MAX_RETRY_DELAY)
            retry_at = Timestamp(now + round(seconds * SECOND))
            return replace(entry, failed=error.code.name, retry_at=retry_at)
        return replace(entry, fresh_until=now, revalidate_until=now, stale_until=now, failed=None)

    async def evict(self, tags: Collection[str], *, everywhere: bool = True) -> int:
        """Evict entries by tag, along with their loads in flight; return the number of entries.

        ``everywhere`` is False if each process finds out by itself that they are obsolete.
        """
        self._evictions += 1
        count = await (self._store.evict(tags) if everywhere else self._store.evict_here(tags))
        # A read that began while the store was busy may have returned an evicted entry.
        self._evictions += 1
        self.counts["evicted"] += count
        return count

    async def generation(self) -> tuple[int, int] | None:
        """Return numbers that change with each eviction; None if only a shared store has them."""
        if self.shared:
            return None
        _, generation = await self._store.read("", object)
        return self._evictions, generation or 0

    async def take(self, name: str, limit: float, seconds: float) -> float | None:
        """Take one of the ``limit`` uses of a name across all processes; see ``Store.take``."""
        return await self._store.take(name, limit, seconds)

    async def state(self) -> CacheState:
        """Return the statistics."""
        names = ("hits", "stale", "misses", "collapsed", "loads", "failures")
        usage = await self._store.usage()
        return CacheState(
            shared=self.shared,
            available=self._store.available,
            entries=usage.entries,
            size=usage.size,
            store_failures=self._store.failures,
            **{name: self.counts[name] for name in names},
        )

    async def close(self) -> None:
        """Cancel the loads in flight, and close the store."""
        await self._flights.cancel()
        await self._store.close()

    def _now(self) -> Timestamp:
        return Timestamp(self._clock())


def _returned_at_once_until(entry: Entry[Any]) -> Timestamp:
    """Return until when a stale entry is returned without a wait for its vendor.

    After a failure, that is as long as without one, from when the vendor may be tried again: if
    nobody has asked since, it may be well.
    """
    if not entry.failed:
        return entry.revalidate_until
    stale_while_revalidate = entry.revalidate_until - entry.fresh_until
    return Timestamp(max(entry.revalidate_until, entry.retry_at + stale_while_revalidate))


def _cached(entry: Entry[T], status: CacheStatus, *, collapsed: bool = False) -> Cached[T]:
    return Cached(
        entry.value,
        Freshness(
            status=status,
            fetched_at=entry.stored_at,
            fresh_until=entry.fresh_until,
            collapsed=collapsed,
            failure=entry.failed,
        ),
    )
