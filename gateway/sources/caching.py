"""What a source has in the cache: for whom, how long it is fresh, and what evicts it."""

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
"""Keeps the digests of callers' credentials from being guessed."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What to read, and how to cache it.

    ``name`` is unique within the source, ``kind`` the type that a stored entry decodes to.
    ``judge`` returns for a value how many seconds it is fresh, and the tags that evict it besides
    its source's. ``renew`` carries what is known from the entry that the value replaces.
    """

    name: str
    kind: Any
    read: Callable[[Operation], Coroutine[Any, Any, Any]]
    judge: Callable[[Any], tuple[float, tuple[str, ...]]]
    renew: Callable[[Any, Entry[Any]], Any] = lambda value, _: value


class SourceCache:
    """A source's part of the cache. What was fetched with one credential is for that one alone."""

    def __init__(self, settings: SourceTable, client: UpstreamClient, cache: Cache) -> None:
        self.lifetimes = settings.cache
        self._source = settings.name
        self._client = client
        self._cache = cache
        # In a shared cache, another gateway's source of that name may see other things.
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

        It is the same for all who share the source's credential. Where callers send their own,
        each has its own prefix, from which nothing of the credential can be learned.
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
        """Return what is cached for this source and credential, or read it.

        A read happens once for all callers in need of it, with an operation of its own that has
        all the time that any operation has.
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
            raise await self._client.late(operation) from None
        operation.reads[self._source].append(cached.freshness)
        return cached

    async def _load(
        self, wanted: Read, operation: Operation, entry: Entry[Any] | None, *, behind: bool
    ) -> Loaded[Any]:
        apart = operation.apart(entry.etags if entry else {}, behind=behind)
        unchanged = False
        try:
            value, etags = await wanted.read(apart), apart.answered
        except NotModified:
            assert entry is not None  # noqa: S101 - what else could be unchanged
            if apart.has_other_parts_of(entry.etags):
                apart = operation.apart({}, behind=behind)
                value, etags = await wanted.read(apart), apart.answered
            else:
                value, etags, unchanged = entry.value, dict(entry.etags), True
        if entry is not None:
            value = wanted.renew(value, entry)
        seconds, tags = wanted.judge(value)
        lifetime = Lifetime(
            seconds, self.lifetimes.stale_while_revalidate, self.lifetimes.stale_if_error
        )
        return Loaded(
            value=value,
            # That there is nothing is told by an error, which can't be marked as stale.
            lifetime=Lifetime(seconds) if value is None else lifetime,
            tags=(tag("source", self._source), *tags),
            etags=etags,
            made_of=apart.made_of,
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
        """Return what is cached in place of a failure, if it may be and was asked for since."""
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
        """Return the hooks of a place."""
        wanted = Read(name=name, kind=Hooks, read=read, judge=lambda _: (self.lifetimes.hooks, ()))
        hooks: Hooks = (await self.get(wanted, operation)).value
        operation.add_part(name, hooks)
        return hooks


def tag(kind: str, name: str) -> str:
    """Return the name of something that cache entries are evicted by."""
    return f"{kind}:{name}"


def fingerprint(settings: SourceTable) -> str:
    """Return a text that differs where scopes, addresses or credentials do.

    It is slow to compute, so that nobody who reads it can try out passwords.
    """
    secret = settings.model_dump_json(exclude={"cache"}).encode()
    for name in type(settings.auth).model_fields:
        value = getattr(settings.auth, name)
        if isinstance(value, SecretStr):
            secret += b"\0" + value.get_secret_value().encode()
    return hashlib.scrypt(secret, salt=settings.name.encode(), n=2**14, r=8, p=1, dklen=12).hex()
