"""Cancellation of a request's work when its client disconnects, or takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import types
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from starlette.types import Receive

T = TypeVar("T")


async def cancel_on_disconnect(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``, but cancel it and raise ClientDisconnect when the client disconnects.

    ``receive`` belongs to a request whose body has been read or is not needed.
    """
    try:
        # Nobody has to watch while the work does not wait, as with all data in the cache.
        waits_for = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
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
            return await _resumed(work, waits_for)
    except TimeoutError:
        if scope.expired():
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``, and raise TimeoutError after so many seconds.

    No timer is started for work that does not wait.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _resumed(work, waits_for)


@types.coroutine
def _resumed(work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that waits for a future."""
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - cancellation, too
                waits_for = work.throw(error)
            else:
                waits_for = work.send(sent)
    except StopIteration as done:
        result: T = done.value
        return result
