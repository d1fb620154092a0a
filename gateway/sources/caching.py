"""A source's part of the cache: its keys, lifetimes and tags."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import itertools
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace
from pydantic import SecretStr

from gateway.cache import (
    FALLBACK_CODES,
    Cache,
    Cached,
    Entry,
    FreshnessRequirement,
    Lifetime,
    Loaded,
)
from gateway.config.files import digest_of
from gateway.errors import UpstreamError
from gateway.events import CANCELLED, Events
from gateway.model import CacheStatus, Freshness, Timestamp
from gateway.row_memo import RowMemo
from gateway.sources.observed import CacheEvents, Lookup
from gateway.upstream.client import NotModified, UpstreamClient
from gateway.upstream.operation import Used
from gateway.vendors.pages import Hooks

if TYPE_CHECKING:
    from gateway.config.source import SourceTable
    from gateway.upstream.operation import Operation
    from gateway.upstream.trace import Trace
    from gateway.vendors.base import ReadHooks

_PROCESS_KEY = secrets.token_bytes(32)
"""Key of the digests of callers' credentials, so that a digest can't be guessed."""


_numbers = itertools.count(1)


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A read, and how to cache its result.

    ``name`` is unique within the source; ``kind`` is the type that a stored entry decodes to.
    ``classify`` returns the seconds for which a value is fresh, and tags that evict it in addition
    to its source's. ``renew`` copies into a new value the data that only the replaced entry has.
    """

    name: str
    kind: Any
    read: Callable[[Operation], Coroutine[Any, Any, Any]]
    classify: Callable[[Any], tuple[float, tuple[str, ...]]]
    renew: Callable[[Any, Entry[Any]], Any] = lambda value, _: value


class SourceCache:
    """A source's part of the cache. No credential gets the entries of another."""

    def __init__(
        self,
        settings: SourceTable,
        client: UpstreamClient,
        cache: Cache,
        row_memo: RowMemo | None = None,
        events: Events | None = None,
    ) -> None:
        self.lifetimes = settings.cache
        self._source = settings.name
        self._client = client
        self._cache = cache
        self._events = CacheEvents(settings.name, events or Events(), in_memory=not cache.shared)
        self._row_memo = RowMemo() if row_memo is None else row_memo
        # A source of the same name may see other data: in another gateway that shares the cache, or
        # with an earlier configuration of this one, by which requests in flight are still answered.
        self._partition = (
            f"{settings.name}.{fingerprint(settings)}"
            if cache.shared
            else f"{settings.name}#{next(_numbers)}"
        )
        self._digests: dict[str, tuple[Hooks, str]] = {}
        """The latest lists of hooks by name, with their digests."""
        auth = settings.auth
        self._passed = auth.header.lower() if auth.type == "pass-through" else None

    @property
    def personal(self) -> bool:
        """Whether callers read with credentials of their own."""
        return self._passed is not None

    def partition(self, operation: Operation) -> str:
        """Return the prefix of the keys that an operation may use.

        All operations that use the source's own credential share a prefix. Where callers send
        their own, each has a prefix that reveals nothing about the credential.
        """
        if self._passed is None:
            return self._partition
        credential = operation.passed.get(self._passed, "")
        digest = hashlib.blake2b(credential.encode(), key=_PROCESS_KEY, digest_size=16)
        return f"{self._partition}/{digest.hexdigest()}"

    async def get(
        self,
        wanted: Read,
        operation: Operation,
        *,
        max_age: float | None = None,
        not_before: Timestamp | None = None,
    ) -> Cached[Any]:
        """Return the cached value for this source and credential, or read it.

        Callers that need the same value share one read. It runs in an operation of its own with the
        longest deadline, whatever theirs are.
        """
        requirement = self._requirement(operation, max_age, not_before)
        key = f"{self.partition(operation)}/{wanted.name}"
        lookup = self._events.begin(key, operation)
        try:
            cached = await self._cache.get(
                key,
                wanted.kind,
                functools.partial(self._load, wanted, operation, lookup),
                requirement,
            )
        except TimeoutError:
            self._events.failed(lookup)
            operation.result.is_lasting = False
            raise await self._client.deadline_error(operation) from None
        except UpstreamError:
            self._events.failed(lookup)
            # The next operation may succeed, even where this failure leaves no error behind.
            operation.result.is_lasting = False
            raise
        except asyncio.CancelledError:
            self._events.failed(lookup, CANCELLED)
            raise
        except Exception:
            self._events.failed(lookup)
            raise
        self._events.found(lookup, cached.freshness)
        self._note(operation, key, cached, not_before)
        return cached

    def peek(
        self,
        wanted: Read,
        operation: Operation,
        *,
        max_age: float | None = None,
        not_before: Timestamp | None = None,
    ) -> Cached[Any] | None:
        """Return what ``get`` would return, if that is fresh and takes no wait."""
        key = f"{self.partition(operation)}/{wanted.name}"
        cached = self._cache.peek(key, self._requirement(operation, max_age, not_before))
        if cached is not None:
            self._events.hit()
            self._note(operation, key, cached, not_before)
        return cached

    def freshness_of(self, used: Used) -> Freshness | None:
        """Return the freshness of a value, or None if it is no longer the current and fresh one."""
        cached = self._cache.peek(used.key)
        if cached is None or cached.value is not used.value:
            return None
        freshness = cached.freshness
        is_other = used.fetched_at not in {None, freshness.fetched_at}
        return None if is_other or freshness.failure else freshness

    def _note(
        self,
        operation: Operation,
        key: str,
        cached: Cached[Any],
        not_before: Timestamp | None,
    ) -> None:
        freshness = cached.freshness
        operation.reads[self._source].append(freshness)
        if not_before is not None:
            operation.result.is_chained = True
        # A failed refresh is told in the reports of the list.
        if freshness.status is CacheStatus.HIT and not freshness.failure:
            operation.used.append(Used(self._source, key, cached.value, freshness.fetched_at))
        else:
            operation.result.is_cached = False

    def _requirement(
        self, operation: Operation, max_age: float | None, not_before: Timestamp | None
    ) -> FreshnessRequirement:
        return FreshnessRequirement(
            max_age=operation.max_age(self._source, max_age),
            not_before=not_before,
            began_at=operation.began_at,
            deadline=operation.deadline,
        )

    async def _load(
        self,
        wanted: Read,
        operation: Operation,
        lookup: Lookup,
        entry: Entry[Any] | None,
        *,
        background: bool,
    ) -> Loaded[Any]:
        with self._events.reading(lookup, background=background) as trace:
            begin = functools.partial(self._apart, operation, trace, background=background)
            return await self._read(wanted, begin, entry)

    async def _read(
        self,
        wanted: Read,
        begin: Callable[[Mapping[str, str]], Operation],
        entry: Entry[Any] | None,
    ) -> Loaded[Any]:
        """Read a value in an operation that ``begin`` returns for the ETags to send."""
        detached = begin(entry.etags if entry else {})
        unchanged = False
        try:
            value, etags = await wanted.read(detached), detached.validators
        except NotModified:
            assert entry is not None  # noqa: S101 - only an entry can be unchanged
            if detached.parts_differ_from(entry.etags):
                detached = begin({})
                value, etags = await wanted.read(detached), detached.validators
            else:
                value, etags, unchanged = entry.value, dict(entry.etags), True
        if entry is not None:
            value = wanted.renew(value, entry)
            if value == entry.value:
                # What was made of the value, and is kept with it, goes on being of use.
                value = entry.value
        seconds, tags = wanted.classify(value)
        if not detached.result.is_lasting:
            # It lacks something, such as its hook, that the vendor may be able to list by then.
            seconds = min(seconds, self.lifetimes.first_page)
            # That the rest is unchanged would then say nothing.
            etags = {}
        lifetime = Lifetime(
            seconds, self.lifetimes.stale_while_revalidate, self.lifetimes.stale_if_error
        )
        return Loaded(
            value=value,
            # A missing value is reported as an error, and an error can't be marked as stale.
            lifetime=Lifetime(seconds) if value is None else lifetime,
            tags=(tag("source", self._source), *tags),
            etags=etags,
            made_of=detached.made_of,
            unchanged=unchanged,
        )

    def _apart(
        self,
        operation: Operation,
        trace: Trace | None,
        etags: Mapping[str, str],
        *,
        background: bool,
    ) -> Operation:
        detached = operation.detached(etags, background=background)
        detached.trace = trace
        detached.memo = functools.partial(self._row_memo.within, self.partition(operation))
        return detached

    async def get_stale(
        self,
        name: str,
        kind: Any,
        operation: Operation,
        *,
        error: UpstreamError,
        not_before: Timestamp,
    ) -> Cached[Any] | None:
        """Return the cached value in place of a failure, or None.

        Returns None if the error is not an outage, or if the value was requested before
        ``not_before``.
        """
        if error.code not in FALLBACK_CODES:
            return None
        lookup = self._events.begin(f"{self.partition(operation)}/{name}", operation)
        cached = await self._cache.get_stale(lookup.key, kind, not_before)
        if cached is None:
            return None
        freshness = replace(cached.freshness, failure=error.code.name)
        self._events.found(lookup, freshness)
        operation.reads[self._source].append(freshness)
        operation.result.is_cached = False
        return Cached(cached.value, freshness)

    async def hooks(self, name: str, read: ReadHooks, operation: Operation) -> Hooks:
        """Return the hooks that ``read`` lists, cached under ``name``; see ``CachedHooks``."""
        wanted = Read(
            name=name, kind=Hooks, read=read, classify=lambda _: (self.lifetimes.hooks, ())
        )
        hooks: Hooks = (await self.get(wanted, operation)).value
        known = self._digests.get(name)
        digest = known[1] if known and known[0] is hooks else None
        self._digests[name] = hooks, operation.add_part(name, hooks, digest)
        return hooks


def tag(kind: str, name: str) -> str:
    """Return a tag by which cache entries are evicted."""
    return f"{kind}:{name}"


def fingerprint(settings: SourceTable) -> str:
    """Return a digest of the source's scopes, address and credentials, its certificate included.

    It is slow to compute, so that a reader of the cache's keys can't try out passwords. How fast
    the vendor may be called does not count, which differs between the workers of one source.
    """
    pace = {"timeout", "concurrency", "rate_limit"}
    secret = settings.model_dump_json(exclude={"cache", *pace}).encode()
    for name in type(settings.auth).model_fields:
        value = getattr(settings.auth, name)
        if isinstance(value, SecretStr):
            secret += b"\0" + value.get_secret_value().encode()
    if settings.client_certificate is not None:
        secret += b"\0" + digest_of(settings.client_certificate)
    return hashlib.scrypt(secret, salt=settings.name.encode(), n=2**14, r=8, p=1, dklen=12).hex()
