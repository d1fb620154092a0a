"""Cancellation of a request's work when its client disconnects."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Receive

T = TypeVar("T")


async def cancel_on_disconnect(receive: Receive, work: Awaitable[T]) -> T:
    """Await ``work``, but cancel it and raise ClientDisconnect when the client disconnects.

    ``receive`` belongs to a request whose body has been read or is not needed.
    """
    # The work stays in this task, which keeps its context; only the watcher needs another.
    scope = asyncio.timeout(None)

    async def watch() -> None:
        # A server whose receive() fails can't report a disconnect; the client counts as present.
        with contextlib.suppress(Exception):
            while (await receive())["type"] != "http.disconnect":
                pass
            scope.reschedule(asyncio.get_running_loop().time())

    watcher = asyncio.create_task(watch())
    try:
        async with scope:
            return await work
    except TimeoutError:
        if scope.expired():
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()
