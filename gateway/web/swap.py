"""The application in force, which can be replaced while it answers requests.

A request is answered to its end by the application that it began with. So for a while there may be
several of them, which share parts: each is closed after those before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from starlette.routing import Router

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from starlette.applications import Starlette
    from starlette.types import Message, Receive, Scope, Send

log = logging.getLogger(__name__)


class CurrentApp:
    """An ASGI application that passes requests on to the one in force.

    ``beside`` returns a context that is entered while requests are answered.
    """

    def __init__(
        self,
        app: Starlette,
        beside: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._current = _Life(app)
        self._living = {self._current}
        self._beside = beside
        self._failure = ""
        self._lifespan = Router(lifespan=self._serving)

    @property
    def app(self) -> Starlette:
        """The application in force."""
        return self._current.app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or start and stop with the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, self._telling(send))
        else:
            await self._current.answer(scope, receive, send)

    async def replace(self, app: Starlette, closed: Callable[[], None] | None = None) -> None:
        """Start an application, and pass all further requests on to it.

        If it can't be started, that error is raised, and the one before stays in force. Returns
        once requests get to the new one; the other is closed when its last request has ended, and
        then ``closed`` is called.
        """
        new, old = _Life(app, self._current), self._current
        await new.start()
        self._living.add(new)
        self._current = new
        old.retire()

        def forget(_: object) -> None:
            self._living.discard(old)
            if closed is not None:
                # By then, nothing of it is referred to here.
                asyncio.get_running_loop().call_soon(closed)

        old.ended.add_done_callback(forget)

    def _telling(self, send: Send) -> Send:
        """Report a failed start by its sentence, where Starlette sends a traceback."""

        async def tell(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed" and self._failure:
                message = {**message, "message": self._failure}
            await send(message)

        return tell

    @contextlib.asynccontextmanager
    async def _serving(self, _: Starlette) -> AsyncIterator[None]:
        self._failure = ""
        try:
            await self._current.start()
        except GatewayError as error:
            log.debug("The start failed.", exc_info=True)
            self._failure = str(error)
            raise
        try:
            async with self._beside():
                yield
        finally:
            living = list(self._living)
            for life in living:
                life.end()
            await asyncio.gather(*(life.ended for life in living))


class _Life:
    """An application from its start until its last request has ended."""

    ended: asyncio.Task[None]

    def __init__(self, app: Starlette, before: _Life | None = None) -> None:
        self.app = app
        self._before = None if before is None else before.ended
        self._requests = 0
        self._retired = False
        self._over = asyncio.Event()

    async def start(self) -> None:
        """Start it; raises the error if that fails."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.create_task(self._live(started))
        try:
            futures: list[asyncio.Future[None]] = [self.ended, started]
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.ended.cancel()
            await asyncio.wait([self.ended])
            raise
        if not started.done():
            self.ended.result()

    async def _live(self, started: asyncio.Future[None]) -> None:
        async with self.app.router.lifespan_context(self.app):
            started.set_result(None)
            await self._over.wait()
            if self._before is not None:
                await asyncio.wait([self._before])

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        self._requests += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._requests -= 1
            if self._retired and not self._requests:
                self.end()

    def retire(self) -> None:
        """Let it end once its requests have ended."""
        self._retired = True
        self.ended.add_done_callback(_report)
        if not self._requests:
            self.end()

    def end(self) -> None:
        """Let it end, whatever it is doing."""
        self._over.set()


def _report(ended: asyncio.Task[None]) -> None:
    if not ended.cancelled() and (error := ended.exception()) is not None:
        log.error("Closing an application that was replaced met a defect.", exc_info=error)
