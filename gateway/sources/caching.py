"""What a source keeps in the cache: for whom, how long, and what it is dropped by."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace
from pydantic import SecretStr

from gateway.cache import EXCUSED, Cache, Demand, Entry, Kept, Lifetime, Loaded
from gateway.errors import UpstreamError
from gateway.model import Timestamp
from gateway.upstream.client import NotModified, UpstreamClient

if TYPE_CHECKING:
    from gateway.config import SourceSettings
    from gateway.upstream.operation import Operation

T = TypeVar("T")

_PROCESS = secrets.token_bytes(32)
"""What keeps the names of callers' credentials from being guessed."""


class Keeper:
    """A source's part of the cache; what was fetched with one credential is for that one alone."""

    def __init__(self, settings: SourceSettings, client: UpstreamClient, cache: Cache) -> None:
        self.name = settings.name
        self.client = client
        self._cache = cache
        self._lifetimes = settings.cache
        # Others may know a source of that name and see other things with another credential.
        self._partition = f"{self.name}.{fingerprint(settings)}" if cache.shared else self.name
        auth = settings.auth
        self._passed = auth.header.lower() if auth.type == "pass-through" else None

    @property
    def personal(self) -> bool:
        """Whether it is read with each caller's own credential."""
        return self._passed is not None

    def partition(self, operation: Operation) -> str:
        """Name the part of the cache that an operation may use: what was fetched for it alone.

        It is the same for all who share the source's credential, and each caller's own where
        callers send theirs, of which nothing can be learned from the name.
        """
        if self._passed is None:
            return self._partition
        credential = operation.passed.get(self._passed, "")
        digest = hashlib.blake2b(credential.encode(), key=_PROCESS, digest_size=16)
        return f"{self._partition}/{digest.hexdigest()}"

    async def keep(
        self,
        what: str,
        kind: Any,
        read: Callable[[Operation], Coroutine[Any, Any, T]],
        operation: Operation,
        judge: Callable[[T], tuple[float, tuple[str, ...]]],
        *,
        renew: Callable[[T, Entry[T]], T] = lambda value, _: value,
        max_age: float | None = None,
        not_before: Timestamp | None = None,
    ) -> Kept[T]:
        """Give what is kept for this source and credential, or what ``read`` gives.

        That is called once for all who want the same, with an operation of its own, which has all
        the time that any operation has. ``judge`` tells of a value how many seconds it is fresh,
        and what it is dropped by beside its source. ``renew`` adds to it what is known from the
        entry whose place it takes.
        """

        async def load(entry: Entry[T] | None, *, behind: bool) -> Loaded[T]:
            apart = operation.apart(entry.etags if entry else {}, behind=behind)
            try:
                value, etags, unchanged = await read(apart), apart.answered, False
            except NotModified:
                assert entry is not None  # noqa: S101 - what else could be unchanged
                value, etags, unchanged = entry.value, dict(entry.etags), True
            if entry is not None:
                value = renew(value, entry)
            seconds, tags = judge(value)
            lifetime = Lifetime(
                seconds,
                self._lifetimes.stale_while_revalidate,
                self._lifetimes.stale_if_error,
            )
            return Loaded(
                value=value,
                # That there is nothing is told by an error, which can't be marked as stale.
                lifetime=Lifetime(seconds) if value is None else lifetime,
                tags=(tag("source", self.name), *tags),
                etags=etags,
                made_of=apart.made_of,
                unchanged=unchanged,
            )

        demand = Demand(
            max_age=operation.max_age(self.name, max_age),
            not_before=not_before,
            deadline=operation.deadline,
        )
        key = f"{self.partition(operation)}/{what}"
        try:
            kept = await self._cache.remember(key, kind, load, demand)
        except TimeoutError:
            raise await self.client.late(operation) from None
        operation.reads[self.name].append(kept.freshness)
        return kept

    async def recall(
        self,
        what: str,
        kind: type[T],
        operation: Operation,
        *,
        error: UpstreamError,
        not_before: Timestamp,
    ) -> Kept[T] | None:
        """Give what is kept in place of a failure, if it may be and was asked for since."""
        if error.code not in EXCUSED:
            return None
        key = f"{self.partition(operation)}/{what}"
        kept = await self._cache.recall(key, kind, not_before)
        if kept is None:
            return None
        freshness = replace(kept.freshness, failure=error.code.name)
        operation.reads[self.name].append(freshness)
        return Kept(kept.value, freshness)


def tag(kind: str, name: str) -> str:
    """Name something that entries of the cache are dropped by."""
    return f"{kind}:{name}"


def fingerprint(settings: SourceSettings) -> str:
    """Tell apart what may see different things: other scopes, addresses or credentials.

    It is made slowly, so that nobody who reads it can try out passwords.
    """
    secret = settings.model_dump_json(exclude={"cache"}).encode()
    for name in type(settings.auth).model_fields:
        value = getattr(settings.auth, name)
        if isinstance(value, SecretStr):
            secret += b"\0" + value.get_secret_value().encode()
    return hashlib.scrypt(secret, salt=settings.name.encode(), n=2**14, r=8, p=1, dklen=12).hex()
