"""The context that all resolvers of one operation share."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from strawberry.dataloader import DataLoader
from strawberry.types import Info as StrawberryInfo

from gateway.feed.filters import Document
from gateway.feed.page import Page
from gateway.model import Attempt, Hook, WebhookLog
from gateway.service import Gateway
from gateway.stats.reading import Reading
from gateway.upstream.operation import Operation

T = TypeVar("T")
LOADERS = ("_logs", "_hooks", "_attempts")
"""The loaders of a context, each made when it is needed."""


class Context:
    """The gateway and the operation, with loaders that read each log and hook once.

    The loaders belong to one operation, so that nothing they hold is shared between callers.

    ``in_parts`` is true if the caller accepts deferred parts after the initial result.
    ``read_ahead`` has the pages of ``webhookLogs`` that were read before graphql-core executes the
    operation, by response key; resolvers take them instead of reading again. The code that executes
    the operation closes the context, which cancels the reads still in flight and calls the
    ``endings``; before that, it calls ``release``, if that is set.
    """

    def __init__(self, gateway: Gateway, operation: Operation, *, in_parts: bool = False) -> None:
        self.gateway = gateway
        self.operation = operation
        self.in_parts = in_parts
        self.began = time.perf_counter()
        self.release: Callable[[], None] | None = None
        self.endings: list[Callable[[], Awaitable[None]]] = []
        self.read_ahead: dict[str | int, asyncio.Future[Page]] = {}
        self._batches: set[asyncio.Task[object]] = set()
        self._readings: dict[tuple[str, float | None], asyncio.Task[Reading]] = {}

    @functools.cached_property
    def _logs(self) -> DataLoader[str, WebhookLog]:
        return DataLoader(
            lambda ids: self._all(ids, lambda key: self.gateway.log(self.operation, key))
        )

    @functools.cached_property
    def _hooks(self) -> DataLoader[str, Hook]:
        return DataLoader(
            lambda ids: self._all(ids, lambda key: self.gateway.hook(self.operation, key))
        )

    @functools.cached_property
    def _attempts(self) -> DataLoader[str, Sequence[Attempt] | None]:
        return DataLoader(
            lambda ids: self._all(ids, lambda key: self.gateway.attempts(self.operation, key))
        )

    async def log(self, id: str) -> WebhookLog:
        """Return a log with headers and bodies; raises as ``Gateway.log`` does."""
        return await _shared(self._logs.load(id))

    async def attempts(self, id: str) -> Sequence[Attempt] | None:
        """Return the attempts of a delivery; raises as ``Gateway.attempts`` does."""
        return await _shared(self._attempts.load(id))

    async def hook(self, id: str) -> Hook:
        """Return a hook; raises as ``Gateway.hook`` does."""
        return await _shared(self._hooks.load(id))

    async def reading(self, wanted: Document | None, max_age: float | None) -> Reading:
        """Return what ``Gateway.reading`` returns; fields with equal filters share one."""
        key = (repr(wanted), max_age)
        if key not in self._readings:
            reading = self.gateway.reading(self.operation, wanted, max_age)
            self._readings[key] = asyncio.ensure_future(reading)
        return await _shared(self._readings[key])

    async def _all(
        self, ids: Sequence[str], read: Callable[[str], Awaitable[T]]
    ) -> list[T | BaseException]:
        batch = asyncio.current_task()
        assert batch is not None  # noqa: S101 - DataLoader runs each batch as a task
        self._batches.add(batch)
        try:
            return await asyncio.gather(*map(read, ids), return_exceptions=True)
        finally:
            self._batches.discard(batch)

    async def close(self) -> None:
        """Cancel the reads that are still in flight, and forget what was read.

        graphql-core's execution refers to itself and to this context, so that what was read would
        stay in memory until the collector runs.
        """
        for task in (*self._batches, *self._readings.values()):
            task.cancel()
        for read in self.read_ahead.values():
            read.cancel()
        try:
            for end in self.endings:
                await end()
        finally:
            for kept in (self._readings, self.read_ahead, self.endings):
                kept.clear()
            for loader in LOADERS:
                self.__dict__.pop(loader, None)


async def _shared(loading: Awaitable[T]) -> T:
    """Wait for a loader's result, which several resolvers may await.

    DataLoader hands the same future to all of them, and a resolver that is cancelled would cancel
    it for the others too.
    """
    result = asyncio.ensure_future(loading)
    # Mark a failure as retrieved: if all waiters were cancelled, asyncio would log it.
    result.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.shield(result)
    finally:
        # Their failure would have this frame in its traceback.
        del loading, result


Info = StrawberryInfo[Context, None]
