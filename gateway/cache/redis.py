"""The store that several gateways share: Redis or Valkey, version 7 or later.

When Redis is unreachable, slow or full, the gateway works without it. Its keys may be evicted,
flushed or overwritten at any time. One case goes unnoticed: if a replica takes over that lacks the
latest evictions, those are lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from aiocache import RedisCache  # type: ignore[import-untyped]
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from gateway.cache import scripts
from gateway.cache.decoded import Decoded, DecodedEntries, size_of
from gateway.cache.entry import SECOND, SKEW, Entry
from gateway.cache.scripts import BOUNDS, ENTRY, FIRST_NUMBERS, LAST, LEASE, ORDER, RATE, TAKEN
from gateway.cache.store import Generation, Lease, Store
from gateway.cache.wait_budget import WAIT_BUDGET, WaitBudget
from gateway.events import INVALID, REFUSED, UNREACHABLE, CacheStoreFailed, Events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from redis.commands.core import AsyncScript

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 1.0
"""Seconds that closing a connection may take: TLS waits for the other side."""
RETRY_DELAY = 1.0
"""Seconds without a call after a failure."""
WARNING_INTERVAL = 60.0
"""Seconds without a refusal after which the next one is logged: a Redis that is nearly full refuses
and accepts many times a second."""
CONNECTIONS = 32
HEADER_LENGTH = 32
"""Number of digits before an entry's own text: the time of its request, and its generation."""

_LONGEST_WAIT = round((WAIT_BUDGET + RETRY_DELAY) * SECOND)
_encoder = msgspec.json.Encoder()
_Batch = tuple[dict[str, type[Any]], asyncio.Task[tuple[dict[str, Entry[Any]], Generation]]]
"""The keys to read in one call with the types of their values, and the task that reads them."""


class RedisStore(Store):
    """Stores entries in Redis, as JSON; ``clock`` returns Unix time in nanoseconds."""

    shared = True

    def __init__(self, url: str, *, clock: Callable[[], int], events: Events | None = None) -> None:
        address = parse_url(url)
        self._cache = RedisCache(
            endpoint=address.get("host", "localhost"),
            port=address.get("port", 6379),
            db=address.get("db", 0),
            password=address.get("password"),
            ssl=url.startswith("rediss:"),
            create_connection_timeout=CLOSE_TIMEOUT,
            connection_pool_kwargs={
                "username": address.get("username"),
                "retry": Retry(NoBackoff(), 0),
                # Each wait has a budget here. redis-py would limit a send with asyncio.wait_for,
                # which in Python 3.11 may swallow the cancellation of an operation.
                "socket_timeout": None,
            },
        )
        self._redis = self._cache.client
        self._scripts: dict[str, AsyncScript] = {}
        self._clock = clock
        self._events = events or Events()
        self._budget = WaitBudget()
        self._back_at = 0
        self._quiet_until = 0
        self._pending: set[str] = set()
        self._catching_up: asyncio.Task[None] | None = None
        self._dropping: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._batch: _Batch | None = None
        self._decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}
        self._known = DecodedEntries()

    async def read(self, key: str, kind: type[Any]) -> tuple[Entry[Any] | None, Generation]:
        """Return the entry under a key; one that can't be decoded counts as none.

        Reads of one turn of the event loop share a call, and an entry is decoded once for all.
        """
        if self._batch is None:
            wanted: dict[str, type[Any]] = {}
            self._batch = wanted, asyncio.create_task(self._read_all(wanted))
        wanted, reading = self._batch
        wanted[key] = kind
        entries, generation = await asyncio.shield(reading)
        return entries.get(key), generation

    async def _read_all(
        self, wanted: dict[str, type[Any]]
    ) -> tuple[dict[str, Entry[Any]], Generation]:
        # A later read must not get an earlier answer, so the batch ends here.
        self._batch = None
        if self._pending and not await self._evict_pending():
            # Entries that should have been evicted are still there.
            return {}, None
        answer = await self._call(lambda: self._redis.mget(LAST, *(ENTRY + key for key in wanted)))
        if answer is None:
            return {}, None
        last, *texts = answer
        if last is None or len(last) != HEADER_LENGTH // 2 or not last.isdigit():
            return {}, await self._run(scripts.BEGIN)
        entries, older = {}, {}
        for (key, kind), text in zip(wanted.items(), texts, strict=True):
            found = self._decoded(key, text, kind)
            if found is None:
                self._known.forget(key)
            elif found.generation == int(last):
                entries[key] = found.entry
            else:
                older[key] = found
        if older:
            entries |= await self._not_evicted(older)
        return entries, int(last)

    async def _not_evicted(self, found: dict[str, Decoded]) -> dict[str, Entry[Any]]:
        """Return the entries without a tag that was evicted since they were loaded."""
        tags = sorted({tag for each in found.values() for tag in each.entry.tags})
        scores = await self._call(lambda: self._redis.zmscore(ORDER, [*BOUNDS, *tags]))
        if scores is None or None in scores[:2]:
            return {}
        first, last, *drops = scores
        dropped = dict(zip(tags, drops, strict=True))
        return {
            key: each.entry
            for key, each in found.items()
            if first <= each.generation <= last
            and all((dropped[tag] or 0) <= each.generation for tag in each.entry.tags)
        }

    def _decoded(self, key: str, text: bytes | None, kind: type[Any]) -> Decoded | None:
        """Return the entry with a text; None if it has none, or none that is of use."""
        if text is None:
            return None
        found = self._known.find(key, text, kind)
        if found is None:
            decoder = self._decoders.get(kind)
            if decoder is None:
                decoder = self._decoders[kind] = msgspec.json.Decoder(Entry[kind])  # type: ignore[valid-type]
            try:
                generation = int(text[HEADER_LENGTH // 2 : HEADER_LENGTH])
                entry = decoder.decode(memoryview(text)[HEADER_LENGTH:])
            except (msgspec.MsgspecError, ValueError, RecursionError):
                self._fail(INVALID)
                return None
            found = Decoded(text, kind, generation, entry, size_of(text))
            self._known.keep(key, found)
        return None if found.entry.stored_at > self._clock() + SKEW else found

    async def write(self, key: str, entry: Entry[Any], generation: Generation) -> None:
        """Store an entry until it expires; an expired entry still replaces the stored one."""
        now = self._clock()
        seconds = (entry.stale_until - now) / SECOND
        # Redis has not yet received the pending evictions.
        if generation is None or not self._pending.isdisjoint(entry.tags):
            return
        try:
            text = _encoder.encode(entry)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):
            self._fail(INVALID)
            return
        times = [f"{time:016x}" for time in (entry.asked_at, now + SKEW)]
        arguments = [text, max(1, int(seconds * 1000)), *times, f"{generation:016d}", *entry.tags]
        await self._run(scripts.WRITE, [ENTRY + key], arguments)

    async def evict(self, tags: Collection[str]) -> int:
        """Evict by tag. If Redis is unreachable, this is done once it is back, before any read.

        It is tried without a read, too: other processes may read before this one does.
        """
        tags = {*tags, *self._pending}
        count = await self._run(scripts.EVICT, (), sorted(tags))
        if count is None:
            self._pending |= tags
            if self._catching_up is None or self._catching_up.done():
                self._catching_up = asyncio.create_task(self._catch_up())
            return 0
        self._pending -= tags
        return int(count)

    async def _catch_up(self) -> None:
        while self._pending:
            await asyncio.sleep(RETRY_DELAY)
            await self._evict_pending()

    async def _evict_pending(self) -> bool:
        await self.evict(())
        return not self._pending

    async def take(self, name: str, limit: float, seconds: float) -> float | None:
        """Take one of the ``limit`` uses by Redis's clock; Redis sees only a digest of the name."""
        key = RATE + hashlib.sha256(name.encode()).hexdigest()
        left = await self._run(scripts.TAKE, [key], [limit, seconds])
        return None if left is None else float(left)

    async def lease(self, key: str) -> Lease | None:
        """Acquire the lease of a key for ``LEASE`` seconds."""
        token = secrets.token_hex(8)
        try:
            taken = await self._run(scripts.ACQUIRE, [TAKEN + key], [token])
        except asyncio.CancelledError:
            # Redis may have granted the lease nevertheless.
            await self.release(TAKEN + key, token)
            raise
        return None if taken == 0 else _RedisLease(self, TAKEN + key, token)

    async def extend(self, key: str, token: str) -> None:
        """Extend a lease to ``LEASE`` seconds from now."""
        await self._run(scripts.EXTEND, [key], [token])

    async def release(self, key: str, token: str) -> None:
        """Release a lease unless it has expired."""
        await self._run(scripts.RELEASE, [key], [token])

    async def _run(self, text: str, keys: Sequence[str] = (), args: Sequence[Any] = ()) -> Any:
        """Run a script; return its result, or None if Redis does not answer."""
        script = self._scripts.get(text)
        if script is None:
            script = self._scripts[text] = self._redis.register_script(text)
        arguments = (secrets.randbelow(FIRST_NUMBERS), *args)
        answer, broken = await self._call(lambda: script(keys, arguments)) or (None, 0)
        self._fail(INVALID, broken)
        return answer

    def _fail(self, reason: str, times: int = 1) -> None:
        self.failures += times
        if self._events.wants(CacheStoreFailed):
            for _ in range(times):
                self._events.emit(CacheStoreFailed(reason))

    async def _call(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Call Redis; return None if it does not respond.

        The semaphore is acquired before the pool is used, so that a wait for a connection does not
        count against Redis.
        """
        async with self._slots:
            return await self._call_now(command)

    async def _call_now(self, command: Callable[[], Awaitable[Any]]) -> Any:
        began, probing = self._clock(), not self.available
        # Ignore the time if the clock was set back.
        if began < self._back_at <= began + _LONGEST_WAIT:
            self._fail(UNREACHABLE)
            return None
        if probing:
            # One call probes whether Redis is back; the others do not wait for it.
            self._back_at = began + _LONGEST_WAIT
        answer = None
        try:
            answer = await self._budget.wait_for(command)
        except ResponseError as error:
            # Redis works but refuses the command, mostly for lack of memory.
            self._fail(REFUSED)
            if began >= self._quiet_until:
                log.warning("The cache's Redis refuses to store: %s", error)
            self._quiet_until = began + round(WARNING_INTERVAL * SECOND)
        except (RedisError, OSError) as error:
            self._fail(UNREACHABLE)
            self._budget.refill()
            self._back_at = self._clock() + round(RETRY_DELAY * SECOND)
            # The other pooled connections are dead too; drop them instead of failing on each in
            # turn. One task does so for all calls that fail: those that wait for the same
            # connection to close would be cancelled by the first that gives up.
            if self._dropping is None or self._dropping.done():
                self._dropping = asyncio.create_task(self._drop_idle())
            if self.available:
                self.available = False
                log.warning(
                    "The cache's Redis is out of reach (%s). Until it is back, nothing is cached,"
                    " and each process counts callers on its own.",
                    type(error).__name__,
                )
            return None
        # A call that was in flight when Redis failed does not show that it is back.
        if probing and not self.available:
            if not self._budget.is_full:
                # Redis is still as slow as before.
                self._budget.refill()
                self._back_at = self._clock() + round(RETRY_DELAY * SECOND)
            else:
                self.available, self._back_at = True, began
                self._budget.reopen()
                log.warning("The cache's Redis is back.")
        return answer

    async def _drop_idle(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._redis.connection_pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Close the connections."""
        if self._catching_up is not None:
            # A command that times out at that moment may swallow the cancellation.
            self._pending.clear()
            self._catching_up.cancel()
            await asyncio.wait([self._catching_up])
        if self._dropping is not None:
            await asyncio.wait([self._dropping])
        for close in (self._redis.aclose, self._redis.connection_pool.disconnect):
            with contextlib.suppress(RedisError, OSError):
                await close()


class _RedisLease(Lease):
    def __init__(self, store: RedisStore, key: str, token: str) -> None:
        self._store = store
        self._key = key
        self._token = token
        self._extending: asyncio.Task[None] | None = None
        self._over = False

    async def __aenter__(self) -> None:
        self._extending = asyncio.create_task(self._extend())

    async def _extend(self) -> None:
        # A command that times out at that moment may swallow the cancellation.
        while not self._over:
            await asyncio.sleep(LEASE / 3)
            await self._store.extend(self._key, self._token)

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        if self._extending is not None:
            self._extending.cancel()
            await asyncio.wait([self._extending])
            # It refers to this lease.
            self._extending = None
        await self._store.release(self._key, self._token)
