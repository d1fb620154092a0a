"""The gateway itself: the only thing that the schema and the command line call."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from gateway import ids
from gateway.actions.actions import MARGIN, Actions
from gateway.actions.outcomes import Answer
from gateway.actions.permissions import able, hindrance
from gateway.actions.problems import AnyProblem, InvalidInput, NotAuthorized
from gateway.cache import Cache, Store, make_store
from gateway.callers import ANONYMOUS, Caller, Role
from gateway.errors import ErrorCode, JournalError, RequestError
from gateway.feed import cursor, filters, paging
from gateway.feed.feed import Feed, Slice
from gateway.feed.filters import Document
from gateway.journal import Action, ActionFilter, ActionKind, ActionPage, Journal
from gateway.model import Hook, Timestamp, WebhookLog
from gateway.single_flight import SingleFlight
from gateway.sources import Source, make_source
from gateway.sources.caching import tag
from gateway.sources.source import not_found
from gateway.upstream.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from gateway.settings import Settings
    from gateway.upstream.trace import Trace


PATIENCE = 0.5
"""Seconds that a read waits for the journal to tell what others did."""


class Page(msgspec.Struct, frozen=True):
    """A page of logs, and the feed it came from, which can still count the whole list."""

    slice: Slice
    feed: Feed

    async def total(self) -> int | None:
        """Count the logs of the whole list, exactly, or tell None."""
        return await self.feed.count(self.slice)


class CacheState(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache of this process did so far; ``size`` is in bytes of JSON."""

    shared: bool
    available: bool
    entries: int | None
    size: int | None
    hits: int
    stale: int
    misses: int
    collapsed: int
    loads: int
    failures: int
    store_failures: int


class Gateway:
    """The configured sources behind one door.

    ``transport`` takes the place of the network in tests, and ``store`` that of the configured
    cache; ``clock`` gives Unix time in nanoseconds, ``monotonic`` is in seconds. Use as an
    asynchronous context manager: leaving it completes the actions under way and closes all
    connections. ``seen_by`` gives what one caller sees of it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        store: Store | None = None,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.caller = ANONYMOUS
        self._clock = clock
        self._passed = {
            source.name: source.auth.header.lower()
            for source in settings.sources
            if source.auth.type == "pass-through"
        }
        kept = settings.cache
        store = store or make_store(
            kept.url.get_secret_value(),
            max_entries=kept.max_entries,
            max_bytes=kept.max_megabytes * 2**20,
            clock=clock,
        )
        self._cache = Cache(store, clock)
        self._actions = Actions(
            Journal(
                settings.journal.url.get_secret_value(),
                retention_days=settings.journal.retention_days,
                clock=clock,
            )
        )
        self._news: SingleFlight[None] = SingleFlight()
        self.sources: Mapping[str, Source] = {
            source.name: make_source(
                source.model_copy(update={"cache": source.cache.over(kept)}),
                self._cache,
                transport,
                clock,
                monotonic,
            )
            for source in sorted(settings.sources, key=lambda source: source.name)
        }
        self._all = self.sources

    async def __aenter__(self) -> Gateway:
        return self

    async def open_journal(self) -> None:
        """Open the journal before the first action; JournalError if an action could need it."""
        await self._actions.start(self.sources)

    async def __aexit__(self, *_: object) -> None:
        await self._news.cancel()
        await self._actions.close(self.settings.server.deadline.max + MARGIN)
        await self._cache.close()
        await asyncio.gather(*(source.close() for source in self.sources.values()))

    async def _catch_up(self) -> None:
        """Drop what was retried or deleted by other processes of this machine.

        Who shares a cache has it dropped there. The journal keeps nobody waiting who only reads.
        """
        if self._cache.shared:
            return
        with contextlib.suppress(JournalError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                # Others who look already may have looked too early; a second time, nobody has.
                for _ in range(2):
                    if self._actions.may_have_changed():
                        await self._news.once("news", self._hear)

    async def _hear(self) -> None:
        await self._actions.settle_completed(self._drop_touched)

    async def _drop_touched(self, actions: Sequence[Action]) -> None:
        await self._cache.evict(
            {
                touched
                for action in actions
                if (source := self._all.get(action.source))
                for touched in source.touched(ids.decode(action.log_id, ids.Kind.LOG).place)
            }
        )

    def seen_by(self, caller: Caller) -> Gateway:
        """Give the gateway as a caller sees it: what lies outside its grants does not exist."""
        view = copy.copy(self)
        view.caller = caller
        view.sources = {name: source for name, source in self.sources.items() if caller.sees(name)}
        return view

    def now(self) -> Timestamp:
        """Tell the time."""
        return Timestamp(self._clock())

    def operation(
        self,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
        *,
        seconds: float | None = None,
        max_age: float | None = None,
        trace: Trace | None = None,
    ) -> Operation:
        """Begin an operation: its upstream calls share one deadline.

        ``headers`` are the request's, by any case, of which those are passed on that hold a
        vendor credential of the caller's own. ``seconds`` lowers the server's deadline, and never
        raises one that is enforced. ``max_age`` and ``trace`` are the Operation's.
        """
        passed = {
            header: (headers or {}).get(header, "")
            for name, header in self._passed.items()
            if name in self.sources
        }
        longest = self.settings.server.deadline.seconds
        return Operation(
            longest if seconds is None else min(seconds, longest),
            passed,
            request_id,
            longest=longest,
            max_age=max_age,
            trace=trace,
            began_at=self.now(),
            least_age={
                name: self.settings.cache.least_age
                for name in self.sources
                if not self.caller.may(Role.OPERATOR, name)
            },
        )

    def source(self, name: str) -> Source:
        """Give a source; RequestError when there is none of that name."""
        try:
            return self.sources[name]
        except KeyError:
            raise filters.unknown_source(name, self.sources) from None

    async def logs(
        self,
        operation: Operation,
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        wanted: Document | None = None,
        max_age: float | None = None,
    ) -> Page:
        """Give a page of the merged list, forward behind ``after`` or backward from ``before``.

        Nothing older than ``max_age`` seconds is taken from the cache, as far as the caller may
        say so.
        Raises RequestError for what can't be answered, AllSourcesFailedError when nothing could
        be read; a failure of some sources is told in their reports.
        """
        # Clients whose cursor is not nullable send empty text for the first page.
        after, before = after or None, before or None
        paging.check(first, after, last, before)
        await self._catch_up()
        now = self.now()
        readable = {name for name in self.sources if self.caller.may(Role.READER, name)}
        ready = filters.prepare(wanted, now, self.sources, readable)
        feed = Feed(
            list(self.sources.values()),
            ready,
            operation,
            scan_limit=self.settings.server.scan_limit,
            now=now,
            max_age=max_age,
        )
        if before is not None:
            place = cursor.decode(before, ready)
            size = paging.PAGE_SIZE if last is None else last
            return Page(await feed.backward(size, place), feed)
        start = None if after is None else cursor.decode(after, ready)
        return Page(await feed.forward(paging.PAGE_SIZE if first is None else first, start), feed)

    async def log(self, operation: Operation, id: str) -> WebhookLog:
        """Give one log, complete; RequestError when there is none, or it is not granted."""
        reference = ids.decode(id, ids.Kind.LOG)
        source = self.sources.get(reference.source)
        await self._catch_up()
        kept = await source.log(reference.place, operation) if source else None
        if kept is None or kept.value is None:
            raise not_found("webhook log")
        return replace(kept.value, freshness=kept.freshness)

    async def hook(self, operation: Operation, id: str) -> Hook:
        """Give one hook; RequestError when there is none."""
        reference = ids.decode(id, ids.Kind.HOOK)
        source = self.sources.get(reference.source)
        for hook in await source.hooks(operation) if source else ():
            if hook.id == id:
                return hook
        raise not_found("hook")

    async def act(
        self, operation: Operation, kind: ActionKind, id: str, key: str | None = None
    ) -> Answer:
        """Retry or delete a log, once for a key; JournalError when that can't be recorded."""
        return await self._actions.perform(
            kind,
            id,
            sources=self.sources,
            caller=self.caller,
            operation=operation,
            key=key,
            request_id=operation.request_id,
            settle=self._cache.evict,
        )

    async def invalidate(self, tags: Sequence[str]) -> int | AnyProblem:
        """Drop what the cache keeps by tags, of sources that the caller is an admin of.

        A tag is ``source:NAME``, ``hook:ID`` or ``log:ID``. Gives how many entries that were, or
        why nothing was dropped.
        """
        found: set[str] = set()
        for given in tags:
            kind, _, name = given.partition(":")
            try:
                if kind == "source":
                    source = self.source(name)
                    found.add(tag("source", name))
                elif kind in {"hook", "log"}:
                    reference = ids.decode(name, ids.Kind[kind.upper()])
                    if reference.source not in self.sources:
                        raise not_found("webhook log" if kind == "log" else "hook")
                    source = self.sources[reference.source]
                    found.update(
                        source.touched(reference.place)
                        if kind == "log"
                        else source.listed_with(name)
                    )
                else:
                    return InvalidInput(
                        message=f"The tag {given[:100]!r} is none: write source:NAME, hook:ID or"
                        " log:ID.",
                        path=("tags",),
                    )
            except RequestError as error:
                return InvalidInput(message=str(error), path=("tags",))
            if not self.caller.may(Role.ADMIN, source.name):
                return NotAuthorized(
                    message=f"To drop what is kept of source {source.name} you need the role"
                    " admin.",
                    path=("tags",),
                    required_role=Role.ADMIN,
                )
        return await self._cache.evict(found)

    async def cache_state(self) -> CacheState:
        """Tell what the cache did so far; RequestError for who is no admin of every source."""
        if not all(self.caller.may(Role.ADMIN, source.name) for source in self.settings.sources):
            raise forbidden(Role.ADMIN, "see the cache of all sources")
        usage, counts = await self._cache.usage(), self._cache.counts
        return CacheState(
            shared=self._cache.shared,
            available=self._cache.available,
            entries=usage.entries,
            size=usage.size,
            hits=counts["hits"],
            stale=counts["stale"],
            misses=counts["misses"],
            collapsed=counts["collapsed"],
            loads=counts["loads"],
            failures=counts["failures"],
            store_failures=self._cache.store_failures,
        )

    async def take(self, name: str, most: int, seconds: int) -> float | None:
        """Take one of so many that a name has within the seconds, in all replicas together.

        Gives how many are left, as a fraction, below 0 if it was one too many, which takes
        nothing. None where replicas share no cache, or it does not answer.
        """
        return await self._cache.take(name, most, seconds)

    def hindrance(self, kind: ActionKind, source: Source) -> AnyProblem | None:
        """Tell why the caller can't do an action on the logs of a source; None when it can."""
        return hindrance(kind, source, self.caller, able(kind, self.sources))

    async def actions(self, first: int, after: str | None, wanted: ActionFilter) -> ActionPage:
        """Give a page of the journal, as far as the caller is an admin of the sources.

        Raises RequestError for a caller who is none of any.
        """
        paging.check(first, after, None, None)
        if not self.caller.may_everywhere(Role.ADMIN):
            sources = frozenset(name for name in self.sources if self.caller.may(Role.ADMIN, name))
            if not sources:
                raise forbidden(Role.ADMIN, "see the journal")
            wanted = replace(wanted, sources=sources)
        return await self._actions.page(first, after, wanted)


def forbidden(role: Role, what: str) -> RequestError:
    """Make the error for what a caller's role does not allow."""
    return RequestError(ErrorCode.FORBIDDEN, f"To {what} you need the role {role.name.lower()}.")
