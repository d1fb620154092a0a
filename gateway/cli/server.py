"""``gateway serve``, and what the demo shares with it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import importlib.util
import math
import socket
import threading
from typing import TYPE_CHECKING, Literal

import typer
import uvicorn

from gateway.actions.actions import MARGIN
from gateway.actions.permissions import possible
from gateway.cli.screen import complain
from gateway.config import is_loopback
from gateway.service import Gateway
from gateway.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gateway.settings import Settings

ARRIVAL = 0.5
"""Seconds in which a request may still come on a connection that was open before the stop."""
IDLE = 75
"""Seconds that a connection is kept without a request: more than the minute after which the usual
proxies give theirs up, since what one sends while it is closed here is lost."""


def run(settings: Settings, host: str | None, port: int | None, *, insecure: bool) -> None:
    """Serve the gateway; ``host`` and ``port`` win over the settings."""
    host = settings.server.host if host is None else host
    port = settings.server.port if port is None else port
    if "none" in settings.auth.methods and not (insecure or is_loopback(host)):
        complain(
            f"The gateway does not listen on {host}: it asks nobody for a credential, so whoever"
            " reaches it from another machine could read and delete every webhook log. Make a key"
            " with gateway key create and add it under [auth], listen on 127.0.0.1, or take the"
            " risk with --insecure."
        )
        raise typer.Exit(2)
    asyncio.run(_try_journal(settings))
    app = create_app(settings)
    with listen(host, port) as listener:
        address = url(listener)
        serve(
            app,
            listener,
            grace(settings),
            lambda: typer.echo(f"Serving {address}/graphql. Ctrl-C stops."),
        )


def grace(settings: Settings) -> float:
    """Give the seconds in which operations end after a stop, and what they did is recorded.

    Those that no deadline ends are cancelled then.
    """
    return settings.server.deadline.max + MARGIN


async def _try_journal(settings: Settings) -> None:
    """Open the journal once; JournalError here is a sentence, and a traceback in the server."""
    async with Gateway(settings) as gateway:
        if possible(gateway.sources):
            await gateway.open_journal()


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """Listen on a port, or on any free one if it is 0; where that can't be, say why and exit.

    ``option`` is the one of the command line by which another port is given.
    """
    host = host.strip("[]")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                why = f"it is in use. Give another with {option}, or stop what uses it"
            case errno.EACCES:
                why = f"it is reserved for the system. Give one above 1023 with {option}"
            case _:
                why = "that host is none of this machine's. Give another with --host"
        complain(f"Can't listen on port {port} of {host}: {why}.")
        raise typer.Exit(1) from None


def url(listener: socket.socket) -> str:
    """Give the URL of what is served on a socket."""
    host, port = listener.getsockname()[:2]
    return (
        f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"
    )


def _protocol() -> type[asyncio.Protocol] | Literal["h11"]:
    """Give the way to speak HTTP: with httptools where that is installed; h11 has its bounds."""
    if importlib.util.find_spec("httptools") is None:
        return "h11"
    from gateway.cli.protocol import BoundedProtocol  # noqa: PLC0415

    return BoundedProtocol


def config_of(app: ASGIApp, grace: float) -> uvicorn.Config:
    """Say how an application is served: what is under way at the end has ``grace`` seconds."""
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=_protocol(),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(grace),
        timeout_keep_alive=IDLE,
    )


class _Server(uvicorn.Server):
    """Drops no request that came before the stop; those have ``grace`` seconds to be answered."""

    def __init__(self, app: ASGIApp, grace: float, started: Callable[[], None]) -> None:
        super().__init__(config_of(self._app, grace))
        self._inner = app
        self._started = started

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_on(message: Message) -> None:
            if self.should_exit and message["type"] == "http.response.start":
                # Who is answered from now on is not to send another request on the connection.
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._inner(scope, receive, send_on)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for listener in sockets or ():
            # Windows' own loop has none; uvloop has nothing to wait for.
            with contextlib.suppress(NotImplementedError):
                loop.remove_reader(listener)
        # What asyncio has just accepted has its transport a turn later, and from no closed server.
        await asyncio.sleep(0)
        # A listener that closes resets the connections that wait to be accepted.
        waiting = [
            connection
            for listener in sockets or ()
            for connection in _waiting(listener, self.config.backlog)
        ]
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        await asyncio.gather(
            *(loop.connect_accepted_socket(self._connection, one) for one in waiting),
            return_exceptions=True,
        )
        # uvicorn closes those without a request, whose first one may be on its way.
        await asyncio.sleep(ARRIVAL)
        await super().shutdown(sockets)

    def _connection(self) -> asyncio.Protocol:
        """Begin to speak with a caller, as uvicorn does."""
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _waiting(listener: socket.socket, backlog: int) -> Iterator[socket.socket]:
    """Accept who waits: no more than have come before now, though others may go on to come."""
    listener.setblocking(False)
    for _ in range(backlog + 1):
        try:
            connection, _ = listener.accept()
        except ConnectionAbortedError:
            continue
        except OSError:
            # Nobody is left, or there is no room for another.
            return
        yield connection


def serve(app: ASGIApp, listener: socket.socket, grace: float, started: Callable[[], None]) -> None:
    """Serve until a signal tells to stop; ``started`` is called once requests are answered.

    What is under way then has ``grace`` seconds to end.
    """
    # The schema and the modules stay: whoever collects garbage need not look at them each time,
    # which took most of the time of a large body.
    gc.collect()
    gc.freeze()
    # When all is closed, uvicorn raises the signal again.
    with contextlib.suppress(KeyboardInterrupt):
        _Server(app, grace, started).run([listener])


@contextlib.contextmanager
def serving(app: ASGIApp, listener: socket.socket, grace: float) -> Iterator[None]:
    """Serve in a thread, where uvicorn leaves the signals alone, for as long as the context.

    The application is what the server itself calls, as the sandbox has to be.
    """
    server = uvicorn.Server(config_of(app, grace))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
