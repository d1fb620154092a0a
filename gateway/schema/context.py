"""What the resolvers of one operation share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from strawberry.dataloader import DataLoader
from strawberry.types import Info as StrawberryInfo

from gateway.model import Hook, WebhookLog
from gateway.service import Gateway
from gateway.upstream.operation import Operation

T = TypeVar("T")


class Context:
    """The gateway, and the operation that its upstream calls count for.

    However often an operation wants the same log or hook, it is read once. Who has executed the
    operation closes the context, which ends what nobody waits for any longer.

    ``in_parts`` tells whether the caller takes what it has put off in later parts of the answer;
    ``endings`` are called when the context is closed.
    """

    def __init__(self, gateway: Gateway, operation: Operation, *, in_parts: bool = False) -> None:
        self.gateway = gateway
        self.operation = operation
        self.in_parts = in_parts
        self.endings: list[Callable[[], Awaitable[None]]] = []
        self._batches: set[asyncio.Task[object]] = set()
        self._logs: DataLoader[str, WebhookLog] = DataLoader(
            lambda ids: self._all(ids, lambda key: gateway.log(operation, key))
        )
        self._hooks: DataLoader[str, Hook] = DataLoader(
            lambda ids: self._all(ids, lambda key: gateway.hook(operation, key))
        )

    async def log(self, id: str) -> WebhookLog:
        """Give a log, complete; raises what ``Gateway.log`` does."""
        return await _shared(self._logs.load(id))

    async def hook(self, id: str) -> Hook:
        """Give a hook; raises what ``Gateway.hook`` does."""
        return await _shared(self._hooks.load(id))

    async def _all(
        self, ids: Sequence[str], read: Callable[[str], Awaitable[T]]
    ) -> list[T | BaseException]:
        batch = asyncio.current_task()
        assert batch is not None  # noqa: S101 - a loader runs its batches as tasks
        self._batches.add(batch)
        try:
            return await asyncio.gather(*map(read, ids), return_exceptions=True)
        finally:
            self._batches.discard(batch)

    async def close(self) -> None:
        """End the reading of what the operation wanted."""
        for batch in self._batches:
            batch.cancel()
        for end in self.endings:
            await end()


async def _shared(loading: Awaitable[T]) -> T:
    """Wait for a loader's result: others do too, so whoever is cancelled must not end it."""
    result = asyncio.ensure_future(loading)
    # Where all who waited are gone, asyncio would log a failure as one that nobody looked at.
    result.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.shield(result)


Info = StrawberryInfo[Context, None]
