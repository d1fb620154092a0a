"""The store that several gateways share: Redis or Valkey, version 7 or later.

Everything it does is one command or one script, so that no other gateway comes between. It is no
part of what the gateway needs to answer: out of reach, slow or full, it is passed over.
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

from gateway.cache.entry import SECOND, Entry
from gateway.cache.store import Era, Lease, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

log = logging.getLogger(__name__)

PREFIX = "webhook-log-gateway:1:"
"""Of every key; the number is the form of what is kept, and changes with it."""
PATIENCE = 1.0
"""Seconds that Redis has for an answer, and for a connection."""
PAUSE = 1.0
"""Seconds that it is left alone once it failed."""
QUIET = 60.0
"""Seconds without a refusal after which the next is written to the log: one that is nearly full
refuses, and takes again, many times a second."""
CONNECTIONS = 32
LEASE = 2.0
"""Seconds after which the work for a key is another's, if its process died."""
DROPS_KEPT = 3600
"""Seconds that a drop is remembered, far longer than any call to a vendor lasts."""

ENTRY, TAG, DROP, ERA, TAKEN, RATE = (
    PREFIX + part for part in ("e:", "t:", "d:", "era", "l:", "r:")
)

WRITE = f"""
local size, ttl, asked, era = 4, tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
for i = size + 1, #ARGV do
  local dropped = redis.call('GET', '{DROP}' .. ARGV[i])
  if dropped and tonumber(dropped) > era then return 0 end
end
if redis.call('GETRANGE', KEYS[1], 0, 15) > asked then return 0 end
redis.call('SET', KEYS[1], asked .. ARGV[1], 'PX', ttl)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = size + 1, #ARGV do
  local tag = '{TAG}' .. ARGV[i]
  redis.call('ZREMRANGEBYSCORE', tag, '-inf', now)
  redis.call('ZADD', tag, now + ttl, KEYS[1])
  redis.call('PEXPIRE', tag, math.max(ttl, redis.call('PTTL', tag)))
end
return 1
"""
"""Keep an entry: its own text, how long, when it was asked for, its era, and its tags."""

DROP_TAGS = f"""#!lua flags=allow-oom
if redis.call('EXISTS', '{ERA}') == 0 then
  local time = redis.call('TIME')
  redis.call('SET', '{ERA}', time[1] * 1000 + math.floor(time[2] / 1000))
end
local era, count = redis.call('INCR', '{ERA}'), 0
for _, tag in ipairs(ARGV) do
  for _, key in ipairs(redis.call('ZRANGE', '{TAG}' .. tag, 0, -1)) do
    count = count + redis.call('DEL', key)
  end
  redis.call('DEL', '{TAG}' .. tag)
  redis.call('SET', '{DROP}' .. tag, era, 'EX', {DROPS_KEPT})
end
return count
"""
"""Drop tags; eras begin with the time, so that they grow even if Redis forgets everything."""

TAKE = """
local most, window = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
full = math.min(full, now + window)
local left = most - 1 - (full - now) * most / window
if left >= 0 then
  full = full + window / most
  redis.call('SET', KEYS[1], string.format('%.17g', full), 'PX', math.ceil((full - now) / 1000))
end
return string.format('%.17g', left)
"""
"""Take one of so many, which come back in a window of seconds. Kept is the microsecond at which all
are back, and only until then; should the clock have been set back, it is at most a window away."""

OWN = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call("
EXTEND = OWN + f"'PEXPIRE', KEYS[1], {int(LEASE * 1000)}) end"
GIVE_BACK = OWN + "'DEL', KEYS[1]) end"
"""Do with a lease what only its owner may."""

_encoder = msgspec.json.Encoder()
_Batch = tuple[dict[str, type[Any]], asyncio.Task[tuple[dict[str, Entry[Any]], Era]]]
"""The keys that are wanted at one time with the kinds of their values, and their reading."""


class RedisStore(Store):
    """Keeps entries in Redis, as JSON; ``clock`` gives Unix time in nanoseconds."""

    shared = True

    def __init__(self, url: str, *, clock: Callable[[], int]) -> None:
        address = parse_url(url)
        self._cache = RedisCache(
            endpoint=address.get("host", "localhost"),
            port=address.get("port", 6379),
            db=address.get("db", 0),
            password=address.get("password"),
            ssl=url.startswith("rediss:"),
            create_connection_timeout=PATIENCE,
            connection_pool_kwargs={
                "username": address.get("username"),
                "socket_timeout": PATIENCE,
                "retry": Retry(NoBackoff(), 0),
            },
        )
        self._redis = self._cache.client
        self._write = self._redis.register_script(WRITE)
        self._drop = self._redis.register_script(DROP_TAGS)
        self._take = self._redis.register_script(TAKE)
        self._extend = self._redis.register_script(EXTEND)
        self._give_back = self._redis.register_script(GIVE_BACK)
        self._clock = clock
        self._back_at = 0
        self._quiet_until = 0
        self._pending: set[str] = set()
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._batch: _Batch | None = None
        self._decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}

    async def read(self, key: str, kind: type[Any]) -> tuple[Entry[Any] | None, Era]:
        """Give what is kept under a key; what can't be read is as good as nothing.

        All that is wanted at one time is one command, and each entry is decoded once for all.
        """
        if self._batch is None:
            wanted: dict[str, type[Any]] = {}
            self._batch = wanted, asyncio.create_task(self._read_all(wanted))
        wanted, reading = self._batch
        wanted[key] = kind
        entries, era = await asyncio.shield(reading)
        return entries.get(key), era

    async def _read_all(self, wanted: dict[str, type[Any]]) -> tuple[dict[str, Entry[Any]], Era]:
        # Who comes now must not be told of what was before, so these are all.
        self._batch = None
        if self._pending and not await self._drop_pending():
            # What was to be dropped is there yet.
            return {}, None
        answer = await self._ask(lambda: self._redis.mget(ERA, *(ENTRY + key for key in wanted)))
        if answer is None:
            return {}, None
        era, *texts = answer
        entries = {}
        for (key, kind), text in zip(wanted.items(), texts, strict=True):
            if text is not None and (entry := self._decoded(text[16:], kind)) is not None:
                entries[key] = entry
        return entries, int(era or 0)

    def _decoded(self, text: bytes, kind: type[Any]) -> Entry[Any] | None:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(Entry[kind])  # type: ignore[valid-type]
        try:
            entry: Entry[Any] = decoder.decode(text)
        except msgspec.MsgspecError:
            self.failures += 1
            return None
        return entry

    async def write(self, key: str, entry: Entry[Any], era: Era) -> None:
        """Keep an entry until it is good for nothing; one that is so already takes its place."""
        seconds = (entry.stale_until - self._clock()) / SECOND
        # What was to be dropped is not known to Redis yet.
        if era is None or not self._pending.isdisjoint(entry.tags):
            return
        try:
            text = _encoder.encode(entry)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):
            self.failures += 1
            return
        arguments = [text, max(1, int(seconds * 1000)), f"{entry.asked_at:016x}", era, *entry.tags]
        await self._ask(lambda: self._write(keys=[ENTRY + key], args=arguments))

    async def drop(self, tags: Collection[str]) -> int:
        """Drop what has one of the tags; where that can't be done yet, before anything is read."""
        tags = {*tags, *self._pending}
        count = await self._ask(lambda: self._drop(args=sorted(tags)))
        if count is None:
            self._pending |= tags
            return 0
        self._pending -= tags
        return int(count)

    async def _drop_pending(self) -> bool:
        await self.drop(())
        return not self._pending

    async def take(self, name: str, most: int, seconds: int) -> float | None:
        """Take one of so many, by the clock of Redis; who has the name can't be read from it."""
        key = RATE + hashlib.sha256(name.encode()).hexdigest()
        left = await self._ask(lambda: self._take(keys=[key], args=[most, seconds]))
        return None if left is None else float(left)

    async def lease(self, key: str) -> Lease | None:
        """Take on the work for a key, for ``LEASE`` seconds."""
        token = secrets.token_hex(8)
        try:
            taken = await self._ask(
                lambda: self._redis.set(TAKEN + key, token, nx=True, px=int(LEASE * 1000)),
                default=True,
            )
        except asyncio.CancelledError:
            # It may have been taken all the same.
            await self.give_back(TAKEN + key, token)
            raise
        return _RedisLease(self, TAKEN + key, token) if taken else None

    async def extend(self, key: str, token: str) -> None:
        """Go on with a lease for another ``LEASE`` seconds."""
        await self._ask(lambda: self._extend(keys=[key], args=[token]))

    async def give_back(self, key: str, token: str) -> None:
        """End a lease, if it has not ended by itself."""
        await self._ask(lambda: self._give_back(keys=[key], args=[token]))

    async def _ask(self, command: Callable[[], Awaitable[Any]], default: Any = None) -> Any:
        """Ask Redis; give the default where it does not answer.

        The wait for a connection is not Redis's fault, and therefore not the pool's.
        """
        async with self._places:
            return await self._ask_now(command, default)

    async def _ask_now(self, command: Callable[[], Awaitable[Any]], default: Any) -> Any:
        began, trying = self._clock(), not self.available
        if began < self._back_at:
            self.failures += 1
            return default
        if trying:
            # One finds out whether it is back; the others need not wait for that.
            self._back_at = began + round(PATIENCE * SECOND)
        try:
            answer = await command()
        except ResponseError as error:
            # It works, but refuses: what it mostly has no room for is what is written.
            self.failures += 1
            if began >= self._quiet_until:
                log.warning("The cache's Redis keeps nothing: %s", error)
            self._quiet_until = began + round(QUIET * SECOND)
            answer = default
        except (RedisError, OSError) as error:
            self.failures += 1
            self._back_at = self._clock() + round(PAUSE * SECOND)
            # The connections of before are as dead, and would each be found so one by one.
            with contextlib.suppress(RedisError, OSError):
                await self._redis.connection_pool.disconnect(inuse_connections=False)
            if self.available:
                self.available = False
                log.warning(
                    "The cache's Redis is out of reach (%s); vendors are asked, and callers"
                    " counted, without it.",
                    type(error).__name__,
                )
            return default
        # What was under way when Redis failed does not tell that it is back.
        if trying and not self.available:
            self.available, self._back_at = True, began
            log.warning("The cache's Redis is back.")
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()


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
        # A command that times out just then may swallow the cancellation.
        while not self._over:
            await asyncio.sleep(LEASE / 3)
            await self._store.extend(self._key, self._token)

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        if self._extending is not None:
            self._extending.cancel()
            await asyncio.wait([self._extending])
        await self._store.give_back(self._key, self._token)
