"""Eviction of cached entries after actions of other processes.

Example: a server and ``gateway retry`` on the same machine share a journal but not a cache. After
the command has retried a log, the server evicts its cached pages of that log before it reads them.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from gateway import ids
from gateway.errors import JournalError
from gateway.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.actions.actions import Actions
    from gateway.cache import Cache
    from gateway.journal import Action
    from gateway.sources import Source

TIMEOUT = 0.5
"""Seconds that a read waits for the journal before it continues without it."""


class ActionWatcher:
    """Evicts cached entries that an action of another process has made obsolete.

    Processes that share a cache evict them there themselves, so there is nothing to do.
    """

    def __init__(self, actions: Actions, cache: Cache, sources: Mapping[str, Source]) -> None:
        self._actions = actions
        self._cache = cache
        self.sources = sources
        self._flights: SingleFlight[None] = SingleFlight()

    async def catch_up(self) -> None:
        """Evict the entries that actions completed so far have made obsolete.

        A journal that fails or hangs delays reads by no more than ``TIMEOUT``.
        """
        if self._cache.shared or not self._actions.may_have_changed():
            return
        with contextlib.suppress(JournalError, TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                # A journal check in flight may have missed the latest action. A check that starts
                # after it can't.
                for _ in range(2):
                    if self._actions.may_have_changed():
                        await self._flights.run("journal", self._check_journal)

    async def close(self) -> None:
        """Cancel the journal check in flight."""
        await self._flights.cancel()

    async def _check_journal(self) -> None:
        await self._actions.handle_completed(self._evict)

    async def _evict(self, actions: Sequence[Action]) -> None:
        await self._cache.evict(
            {
                tag
                for action in actions
                if (source := self.sources.get(action.source))
                for tag in source.affected_tags(ids.decode(action.log_id, ids.Kind.LOG).place)
            },
            everywhere=False,
        )
