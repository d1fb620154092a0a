"""Records the outcomes of actions, also those that the journal can't take at the moment."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from gateway.errors import JournalError

if TYPE_CHECKING:
    from gateway.journal import Journal, Outcome

log = logging.getLogger(__name__)

FIRST_PAUSE, MAX_PAUSE = 0.1, 5.0
"""Seconds between two attempts to record an outcome."""


class OutcomeRecorder:
    """Records each outcome once, as soon as the journal takes it.

    Until then, the journal shows the action as PENDING, and after its lease as UNKNOWN.
    """

    def __init__(self) -> None:
        self._late: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    async def record(self, journal: Journal, id: str, outcome: Outcome, **parts: Any) -> None:
        """Record an outcome; the ``parts`` are those of ``Journal.complete``.

        If the journal fails, return nevertheless, and try again in the background.
        """
        try:
            await journal.complete(id, outcome, **parts)
        except JournalError as error:
            log.warning("The outcome of action %s can't be recorded yet: %s", id, error.reason)
            task = asyncio.create_task(self._record_late(journal, id, outcome, parts))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def close(self) -> None:
        """Try once more, for the last time."""
        self._closing.set()
        await asyncio.gather(*self._late)

    async def _record_late(
        self, journal: Journal, id: str, outcome: Outcome, parts: dict[str, Any]
    ) -> None:
        pause, last, reason = FIRST_PAUSE, False, ""
        while not last:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._closing.wait()
            # An attempt that is in progress at the end is not the last one.
            pause, last = min(2 * pause, MAX_PAUSE), self._closing.is_set()
            try:
                action = await journal.get(id)
                # The first attempt may have succeeded, although its confirmation was lost.
                if action is not None and action.completed_at is None:
                    await journal.complete(id, outcome, **parts)
            except JournalError as error:
                reason = error.reason
            else:
                if action is None:
                    log.error("Action %s is gone from the journal, without its outcome.", id)
                else:
                    log.warning("The outcome of action %s is recorded now.", id)
                return
        log.error(
            "The outcome of action %s was not recorded; the journal shows UNKNOWN: %s", id, reason
        )
