"""A source's part of the cache: its keys, lifetimes and tags."""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections.abc import Callable, Coroutine
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
from gateway.errors import UpstreamError
from gateway.model import Timestamp
from gateway.upstream.client import NotModified, UpstreamClient
from gateway.vendors.pages import Hooks

if TYPE_CHECKING:
    from gateway.config.source import SourceTable
    from gateway.upstream.operation import Operation
    from gateway.vendors.base import ReadHooks

_PROCESS_KEY = secrets.token_bytes(32)
"""Key of the digests of callers' credentials, so that a digest can't be guessed."""


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

    def __init__(self, settings: SourceTable, client: UpstreamClient, cache: Cache) -> None:
        self.lifetimes = settings.cache
        self._source = settings.name
        self._client = client
        self._cache = cache
        # A source of the same name in another gateway that shares the cache may see other data.
        self._partition = (
            f"{settings.name}.{fingerprint(settings)}" if cache.shared else settings.name
        )
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
        requirement = FreshnessRequirement(
            max_age=operation.max_age(self._source, max_age),
            not_before=not_before,
            began_at=operation.began_at,
            deadline=operation.deadline,
        )
        try:
            cached = await self._cache.get(
                f"{self.partition(operation)}/{wanted.name}",
                wanted.kind,
                functools.partial(self._load, wanted, operation),
                requirement,
            )
        except TimeoutError:
            raise await self._client.deadline_error(operation) from None
        operation.reads[self._source].append(cached.freshness)
        return cached

    async def _load(
        self, wanted: Read, operation: Operation, entry: Entry[Any] | None, *, background: bool
    ) -> Loaded[Any]:
        detached = operation.detached(entry.etags if entry else {}, background=background)
        unchanged = False
        try:
            value, etags = await wanted.read(detached), detached.validators
        except NotModified:
            assert entry is not None  # noqa: S101 - only an entry can be unchanged
            if detached.parts_differ_from(entry.etags):
                detached = operation.detached({}, background=background)
                value, etags = await wanted.read(detached), detached.validators
            else:
                value, etags, unchanged = entry.value, dict(entry.etags), True
        if entry is not None:
            value = wanted.renew(value, entry)
        seconds, tags = wanted.classify(value)
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
        cached = await self._cache.get_stale(
            f"{self.partition(operation)}/{name}", kind, not_before
        )
        if cached is None:
            return None
        freshness = replace(cached.freshness, failure=error.code.name)
        operation.reads[self._source].append(freshness)
        return Cached(cached.value, freshness)

    async def hooks(self, name: str, read: ReadHooks, operation: Operation) -> Hooks:
        """Return the hooks that ``read`` lists, cached under ``name``; see ``CachedHooks``."""
        wanted = Read(
            name=name, kind=Hooks, read=read, classify=lambda _: (self.lifetimes.hooks, ())
        )
        hooks: Hooks = (await self.get(wanted, operation)).value
        operation.add_part(name, hooks)
        return hooks


def tag(kind: str, name: str) -> str:
    """Return a tag by which cache entries are evicted."""
    return f"{kind}:{name}"


def fingerprint(settings: SourceTable) -> str:
    """Return a digest of the source's scopes, address and credentials.

    It is slow to compute, so that a reader of the cache's keys can't try out passwords.
    """
    secret = settings.model_dump_json(exclude={"cache"}).encode()
    for name in type(settings.auth).model_fields:
        value = getattr(settings.auth, name)
        if isinstance(value, SecretStr):
            secret += b"\0" + value.get_secret_value().encode()
    return hashlib.scrypt(secret, salt=settings.name.encode(), n=2**14, r=8, p=1, dklen=12).hex()
