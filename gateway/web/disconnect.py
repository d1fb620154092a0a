"""A caller that goes away, and the work that it alone was waiting for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Receive

T = TypeVar("T")


async def while_present(receive: Receive, work: Awaitable[T]) -> T:
    """Do work for a caller, and cancel it when the caller goes away.

    ``receive`` is that of a request whose body has been read or is of no interest. Raises
    ClientDisconnect when the caller has gone.
    """
    # The work stays in this task: a task for the watch is all that it costs.
    presence = asyncio.timeout(None)

    async def watch() -> None:
        # Where the server can't tell, the caller counts as present.
        with contextlib.suppress(Exception):
            while (await receive())["type"] != "http.disconnect":
                pass
            presence.reschedule(asyncio.get_running_loop().time())

    watcher = asyncio.create_task(watch())
    try:
        async with presence:
            return await work
    except TimeoutError:
        if presence.expired():
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()
