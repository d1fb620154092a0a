"""What a gateway has opened: its sources, their cache and the journal of actions.

When a new configuration is put in force, the next gateway takes over what is the same in both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.actions.actions import MARGIN, Actions
from gateway.actions.watcher import ActionWatcher
from gateway.cache import Cache, make_store
from gateway.events import SourcesReplaced
from gateway.journal import Journal
from gateway.sources import Source, make_source
from gateway.sources.caching import tag
from gateway.sources.identity import Identity, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from gateway.cache import Store
    from gateway.cache.evictions import EvictionLog
    from gateway.config import SourceTable
    from gateway.events import Events
    from gateway.settings import Settings
    from gateway.upstream.call_counts import CallCounts


class Resources:
    """The cache, the actions and the sources of a gateway; the parameters are those of Gateway.

    From ``earlier`` ones, those with the same settings are taken over as they are, with connections
    and all that was learnt of the vendors. Until ``take_over``, they belong to the earlier ones.
    """

    cache: Cache
    actions: Actions
    watcher: ActionWatcher

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None,
        store: Store | None,
        evictions: EvictionLog | None,
        call_counts: CallCounts | None,
        events: Events,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
        earlier: Resources | None,
    ) -> None:
        self.settings = settings
        self.identities: dict[str, Identity] = {}
        self.owner = earlier
        """Those that own what both have; None if these do."""
        self._events = events
        caching = settings.cache
        if earlier is not None and _store_of(earlier.settings) != _store_of(settings):
            # Sources hold their cache, and actions evict from it.
            earlier = None
        if earlier is not None:
            self.cache = earlier.cache
        else:
            store = store or make_store(
                caching.url.get_secret_value(),
                max_entries=caching.max_entries,
                max_bytes=caching.max_megabytes * 2**20,
                clock=clock,
                evictions=evictions,
                events=events,
            )
            self.cache = Cache(store, clock)

        def source_of(table: SourceTable) -> Source:
            name = table.name
            table = table.model_copy(update={"cache": table.cache.with_defaults(caching)})
            identity = identity_of(table, reuse_rows=caching.reuse_rows)
            self.identities[name] = identity
            if earlier is not None and earlier.identities.get(name) == identity:
                return earlier.sources[name]
            return make_source(
                table,
                self.cache,
                transport,
                clock,
                monotonic,
                reuse_rows=caching.reuse_rows,
                shared=call_counts.of(name) if call_counts is not None else None,
                events=events,
            )

        tables = sorted(settings.sources, key=lambda source: source.name)
        self.sources: Mapping[str, Source] = {table.name: source_of(table) for table in tables}
        if earlier is not None and earlier.settings.journal == settings.journal:
            self.actions, self.watcher = earlier.actions, earlier.watcher
        else:
            journal = Journal(
                settings.journal.url.get_secret_value(),
                retention_days=settings.journal.retention_days,
                clock=clock,
            )
            self.actions = Actions(journal, events)
            self.watcher = ActionWatcher(self.actions, self.cache, self.sources)

    def has(self, source: Source) -> bool:
        """Return whether a source is one of these, and not just one of the same name."""
        return self.sources.get(source.name) is source

    async def take_over(self) -> None:
        """Own what was taken over from earlier ones.

        Entries of sources that are not the same any more are evicted.
        """
        earlier, self.owner = self.owner, None
        if earlier is None:
            return
        earlier.owner = self
        self.watcher.sources = self.sources
        changed = [name for name, source in earlier.sources.items() if not self.has(source)]
        for name in changed:
            earlier.sources[name].retire()
        if changed:
            await self.cache.evict([tag("source", name) for name in changed], everywhere=False)
        if self._events.wants(SourcesReplaced):
            made = {
                name: source.client.base_url
                for name, source in self.sources.items()
                if not earlier.has(source)
            }
            dropped = [name for name in earlier.sources if name not in self.sources]
            self._events.emit(SourcesReplaced(made, dropped))

    async def close(self) -> None:
        """Complete the actions in progress and close all connections that no others own."""
        owner, seconds = self.owner, self.settings.server.deadline.max + MARGIN
        own = [one for one in self.sources.values() if owner is None or not owner.has(one)]
        if owner is not None and owner.actions is self.actions:
            await self.actions.finish(own, seconds)
        else:
            await self.watcher.close()
            await self.actions.close(seconds)
        if owner is None or owner.cache is not self.cache:
            await self.cache.close()
        await asyncio.gather(*(source.close() for source in own))


def _store_of(settings: Settings) -> tuple[str, int, int]:
    """Return the settings of the store itself; those beside them are of sources and answers."""
    caching = settings.cache
    return caching.url.get_secret_value(), caching.max_entries, caching.max_megabytes
