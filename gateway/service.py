"""The façade that the schema and the command line call."""

from __future__ import annotations

import copy
import functools
import operator
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway import ids
from gateway.actions.invalidation import tags_to_evict
from gateway.actions.outcomes import ActionResult
from gateway.actions.permissions import denial, supporting_sources
from gateway.actions.problems import AnyProblem
from gateway.cache import CacheState, Store
from gateway.callers import ANONYMOUS, Caller, Role
from gateway.errors import ErrorCode, RequestError
from gateway.events import Events
from gateway.feed import cursor, filters, paging
from gateway.feed.feed import Feed
from gateway.feed.filters import Document, Filter
from gateway.feed.page import Page
from gateway.journal import ActionFilter, ActionKind, ActionPage
from gateway.model import Attempt, Hook, Timestamp, WebhookLog
from gateway.resources import Resources
from gateway.sources import Source
from gateway.sources.source import not_found
from gateway.stats import scan
from gateway.upstream.operation import Operation
from gateway.upstream.trace import begin as begin_trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from gateway.cache.evictions import EvictionLog
    from gateway.model import Freshness
    from gateway.settings import Settings
    from gateway.sources.list_facts import ListFacts
    from gateway.stats.reading import Reading
    from gateway.upstream.call_counts import CallCounts
    from gateway.upstream.operation import Used
    from gateway.upstream.trace import Trace


class Gateway:
    """The configured sources, their cache and the journal, as one caller sees them.

    ``seen_by`` returns the view of another caller. Use as an asynchronous context manager: on
    leaving, it completes the actions in progress and closes all connections.

    Tests replace the network by ``transport`` and the configured cache by ``store``. ``clock``
    returns Unix time in nanoseconds, ``monotonic`` seconds. ``evictions`` and ``call_counts``
    connect the workers of one server. ``events`` are told of what happens.

    From an ``earlier`` gateway, what has the same settings in both is taken over as it is; until
    ``take_over``, it belongs to the earlier one.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        store: Store | None = None,
        evictions: EvictionLog | None = None,
        call_counts: CallCounts | None = None,
        events: Events | None = None,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        earlier: Gateway | None = None,
    ) -> None:
        self.settings = settings
        self.caller = ANONYMOUS
        self.events = events or Events()
        self._clock = clock
        self._passed = {
            source.name: source.auth.header.lower()
            for source in settings.sources
            if source.auth.type == "pass-through"
        }
        self._resources: Resources = Resources(
            settings,
            transport=transport,
            store=store,
            evictions=evictions,
            call_counts=call_counts,
            events=self.events,
            clock=clock,
            monotonic=monotonic,
            earlier=earlier._resources if earlier is not None else None,  # noqa: SLF001 - its own class
        )
        self.sources = self._resources.sources
        self._cache = self._resources.cache
        self._actions = self._resources.actions
        self._watcher = self._resources.watcher

    async def __aenter__(self) -> Gateway:
        return self

    async def open_journal(self) -> None:
        """Open the journal before the first action; JournalError if an action could need it."""
        await self._actions.start(self.sources)

    async def take_over(self) -> None:
        """Own what was taken over from the earlier gateway, which no longer closes it."""
        await self._resources.take_over()

    async def __aexit__(self, *_: object) -> None:
        await self._resources.close()

    def seen_by(self, caller: Caller) -> Gateway:
        """Return the gateway as a caller sees it, without the sources that it has no role on."""
        view = copy.copy(self)
        view.caller = caller
        view.sources = {name: source for name, source in self.sources.items() if caller.sees(name)}
        for name in ("_names", "_least_age"):
            view.__dict__.pop(name, None)
        return view

    @property
    def personal(self) -> bool:
        """Whether callers read any of the sources with credentials of their own."""
        return any(source.personal for source in self.sources.values())

    def freshness_of(self, used: Used) -> Freshness | None:
        """Return the freshness of a cached value; None if it is no longer current and fresh."""
        source = self.sources.get(used.source)
        return None if source is None else source.freshness_of(used)

    def list_facts(self) -> tuple[ListFacts, ...]:
        """Return what is known of the vendors' lists at this moment."""
        return tuple(copy.copy(source.list_facts) for source in self.sources.values())

    def has_list_facts(self, facts: Sequence[ListFacts]) -> bool:
        """Return whether that is what ``list_facts`` would return."""
        return all(map(operator.eq, (one.list_facts for one in self.sources.values()), facts))

    async def catch_up(self) -> None:
        """Evict what actions of other processes have made obsolete."""
        await self._watcher.catch_up()

    async def cache_generation(self) -> tuple[int, int] | None:
        """Return numbers that change with each eviction; None if they can't be known at once."""
        return await self._cache.generation()

    @functools.cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names of the sources, and of those whose bodies the caller may see."""
        readable = (name for name in self.sources if self.caller.may(Role.READER, name))
        return frozenset(self.sources), frozenset(readable)

    @functools.cached_property
    def _least_age(self) -> Mapping[str, float]:
        """The configured least age, for the sources where it applies to the caller."""
        return {
            name: self.settings.cache.least_age
            for name in self.sources
            if not self.caller.may(Role.OPERATOR, name)
        }

    def now(self) -> Timestamp:
        """Return the current time."""
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
        """Begin an operation, whose upstream calls share one deadline.

        ``headers`` are those of the request, in any case; only vendor credentials that the
        configuration names are passed on. ``seconds`` shortens the server's deadline but never
        extends it. See ``Operation`` for ``max_age`` and ``trace``.
        """
        passed = self._passed and {
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
            trace=self.recorded(trace),
            began_at=self.now(),
            least_age=self._least_age,
        )

    def recorded(self, trace: Trace | None = None) -> Trace | None:
        """Return the trace of an operation, in which its parts are recorded if they are to be."""
        samples = self.events.samples
        return trace if samples is None else begin_trace(trace, samples)

    def source(self, name: str) -> Source:
        """Return the source of a name; RequestError if the caller sees none."""
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
        """Return a page of the merged list, forward from ``after`` or backward from ``before``.

        Cached pages older than ``max_age`` seconds are not used; a caller without the role
        operator can't lower that below the configured least age.

        Raises RequestError for invalid arguments, AllSourcesFailedError if no source could be
        read. If some fail, their reports say so.
        """
        # Clients whose cursor is not nullable send empty text for the first page.
        after, before = after or None, before or None
        paging.check(first, after, last, before)
        if not operation.is_caught_up:
            await self._watcher.catch_up()
        ready, now = self.prepared(wanted)
        feed = Feed(
            list(self.sources.values()),
            ready,
            operation,
            scan_limit=self.settings.server.scan_limit,
            now=now,
            max_age=max_age,
        )
        if max_age is not None or ready.depends_on_now:
            operation.result.is_lasting = False
        if before is not None:
            size = paging.PAGE_SIZE if last is None else last
            return Page(await feed.backward(size, cursor.decode(before, ready)), feed)
        start = None if after is None else cursor.decode(after, ready)
        return Page(await feed.forward(paging.PAGE_SIZE if first is None else first, start), feed)

    def prepared(self, wanted: Document | None) -> tuple[Filter, Timestamp]:
        """Return a filter for the caller, and the time that its durations count back from."""
        now = self.now()
        return filters.prepare(wanted, now, *self._names), now

    async def reading(
        self, operation: Operation, wanted: Document | None = None, max_age: float | None = None
    ) -> Reading:
        """Read the matches of a filter as far as the scan limit allows, for statistics.

        ``max_age`` is that of ``logs``. Raises RequestError for an invalid filter; sources that
        fail are told in the reports, even if all of them do.
        """
        if not operation.is_caught_up:
            await self._watcher.catch_up()
        ready, now = self.prepared(wanted)
        if max_age is not None or ready.depends_on_now:
            operation.result.is_lasting = False
        return await scan.read(
            list(self.sources.values()),
            ready,
            operation,
            scan_limit=self.settings.server.scan_limit,
            now=now,
            max_age=max_age,
        )

    async def log(self, operation: Operation, id: str) -> WebhookLog:
        """Return one complete log; RequestError if there is none that the caller may see."""
        reference = ids.decode(id, ids.Kind.LOG)
        source = self.sources.get(reference.source)
        await self._watcher.catch_up()
        cached = await source.log(reference.place, operation) if source else None
        if cached is None or cached.value is None:
            raise not_found("webhook log")
        return replace(cached.value, freshness=cached.freshness)

    async def attempts(self, operation: Operation, id: str) -> Sequence[Attempt] | None:
        """Return the attempts of a delivery; None if its vendor has a log for each attempt."""
        reference = ids.decode(id, ids.Kind.LOG)
        return await self.source(reference.source).attempts(reference.place, operation)

    async def hook(self, operation: Operation, id: str) -> Hook:
        """Return one hook; RequestError if there is none."""
        reference = ids.decode(id, ids.Kind.HOOK)
        source = self.sources.get(reference.source)
        for hook in await source.hooks(operation) if source else ():
            if hook.id == id:
                return hook
        raise not_found("hook")

    async def act(
        self, operation: Operation, kind: ActionKind, id: str, key: str | None = None
    ) -> ActionResult:
        """Retry or delete a log, once per key; JournalError if that can't be recorded."""
        return await self._actions.perform(
            kind,
            id,
            sources=self.sources,
            caller=self.caller,
            operation=operation,
            key=key,
            request_id=operation.request_id,
            evict=self._cache.evict,
        )

    async def invalidate(self, tags: Sequence[str]) -> int | AnyProblem:
        """Evict cache entries by tag (``source:NAME``, ``hook:ID`` or ``log:ID``) and count them.

        Returns a problem instead if the caller is not an admin of each source, or a tag is wrong.
        """
        found = tags_to_evict(tags, self.source, self.caller)
        return await self._cache.evict(found) if isinstance(found, set) else found

    async def cache_state(self) -> CacheState:
        """Return the cache's statistics; RequestError unless the caller is admin of all sources."""
        if not all(self.caller.may(Role.ADMIN, source.name) for source in self.settings.sources):
            raise forbidden(Role.ADMIN, "see the cache of all sources")
        return await self._cache.state()

    async def take(self, name: str, limit: int, seconds: int) -> float | None:
        """Take one of the ``limit`` uses of a name within ``seconds``, across replicas.

        Returns the number of uses left, which may be a fraction, and is negative if there was none
        to take; None if replicas share no cache, or it does not respond.
        """
        return await self._cache.take(name, limit, seconds)

    def denial(self, kind: ActionKind, source: Source) -> AnyProblem | None:
        """Return why the caller can't do an action on the logs of a source; None if it can."""
        return denial(kind, source, self.caller, supporting_sources(kind, self.sources))

    async def actions(self, first: int, after: str | None, wanted: ActionFilter) -> ActionPage:
        """Return a page of the journal, of sources whose admin the caller is; else RequestError."""
        paging.check(first, after, None, None)
        if not self.caller.may_everywhere(Role.ADMIN):
            sources = frozenset(name for name in self.sources if self.caller.may(Role.ADMIN, name))
            if not sources:
                raise forbidden(Role.ADMIN, "see the journal")
            wanted = replace(wanted, sources=sources)
        return await self._actions.page(first, after, wanted)


def forbidden(role: Role, what: str) -> RequestError:
    """Return the error for a caller without the role."""
    return RequestError(ErrorCode.FORBIDDEN, f"To {what} you need the role {role.name.lower()}.")
