"""``gateway serve``, and the functions that the demo shares with it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import ipaddress
import logging
import math
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer
import uvicorn

from gateway.actions.actions import MARGIN
from gateway.actions.permissions import any_supported
from gateway.cli.http_server import BoundedProtocol, GracefulServer
from gateway.cli.screen import LOG_FORMAT, print_error
from gateway.cli.shares import share, workers_of
from gateway.config import is_loopback
from gateway.errors import ConfigurationError, JournalError
from gateway.service import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from gateway.cache.evictions import EvictionLog
    from gateway.settings import Settings
    from gateway.upstream.call_counts import CallCounts

log = logging.getLogger(__name__)

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open. Common proxies close theirs after 60. If the gateway
closed first, requests that a proxy sends at that moment would be lost."""


class Options(NamedTuple):
    """What the command line says about the server; it wins over the settings."""

    host: str | None = None
    port: int | None = None
    workers: int | Literal["auto"] | None = None
    insecure: bool = False


def run(read: Callable[[], Settings], options: Options) -> None:
    """Serve the gateway with the settings that ``read`` returns.

    With several workers they are read again for each restart.
    """
    settings = checked(read(), options)
    with listen(settings.server.host, settings.server.port) as listener:
        if settings.server.workers == 1 or sys.platform == "win32":
            # Not imported by a supervisor, which needs no schema.
            from gateway.web.app import create_app  # noqa: PLC0415

            address = url(listener)
            serve(
                create_app(settings),
                listener,
                grace(settings),
                lambda: typer.echo(f"Serving {address}/graphql. Ctrl-C stops."),
            )
        else:
            _supervise(settings, read, options, listener)


def checked(settings: Settings, options: Options) -> Settings:
    """Return the settings with the options in their place, and the journal tried.

    Raises ConfigurationError or JournalError if the gateway can't be started with them.
    """
    settings = with_options(settings, options)
    host = settings.server.host
    _check(host)
    if "none" in settings.auth.methods and not (options.insecure or is_loopback(host)):
        print_error(
            f"The gateway does not listen on {host}: it asks nobody for a credential, so whoever"
            " reaches it from another machine could read and delete every webhook log. Make a key"
            " with gateway key create and add it under [auth], listen on 127.0.0.1, or take the"
            " risk with --insecure."
        )
        raise typer.Exit(2)
    workers_of(settings)
    asyncio.run(_try_journal(settings))
    return settings


def _supervise(
    settings: Settings, read: Callable[[], Settings], options: Options, listener: socket.socket
) -> None:
    # These modules are not for Windows.
    from gateway.cache.evictions import EvictionLog  # noqa: PLC0415
    from gateway.cli.supervisor import Plan, Supervisor, Worker  # noqa: PLC0415
    from gateway.upstream.call_counts import CallCounts  # noqa: PLC0415

    evictions, calls = EvictionLog(), CallCounts()

    def plan(settings: Settings) -> Plan:
        count = workers_of(settings)
        calls.add_sources(source.name for source in settings.sources)
        return Plan(
            count,
            lambda index: Worker(_work, share(settings, index, count), listener, evictions, calls),
        )

    def reload() -> Plan | None:
        try:
            # The socket stays as it is.
            fixed = options._replace(host=settings.server.host, port=settings.server.port)
            return plan(checked(read(), fixed))
        except ConfigurationError as error:
            for problem in error.problems:
                print_error(problem)
        except JournalError as error:
            print_error(str(error))
        except typer.Exit:
            pass
        except Exception:
            log.exception("Reading the configuration anew met a defect.")
        print_error("The configuration can't be used, so the workers keep the one that they have.")
        return None

    first = plan(settings)
    address = url(listener)
    if _counts_apart(settings, first.workers):
        log.warning(
            "Each worker counts requests by itself, so a caller may send up to %d times as many"
            " as the limit rate says. With Redis under [cache] they count together.",
            first.workers,
        )
    # Actions that begin just before the end of the grace have as much time again.
    supervisor = Supervisor(first, listener, reload, seconds=2 * grace(settings) + MARGIN)
    served = asyncio.run(
        supervisor.run(
            lambda: typer.echo(
                f"Serving {address}/graphql with {_count(first.workers)}. Ctrl-C stops."
            ),
            lambda count: typer.echo(f"Restarted with {_count(count)}."),
        )
    )
    if not served:
        raise typer.Exit(1)


def _work(
    started: Callable[[], None],
    settings: Settings,
    listener: socket.socket,
    evictions: EvictionLog,
    calls: CallCounts,
) -> None:
    """Serve in the process of a worker."""
    from gateway.web.app import create_app  # noqa: PLC0415 - for the reason above

    logging.basicConfig(format=LOG_FORMAT)
    app = create_app(settings, evictions=evictions, call_counts=calls)
    serve(app, listener, grace(settings), started)


def _count(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def _counts_apart(settings: Settings, workers: int) -> bool:
    in_memory = settings.cache.url.get_secret_value().startswith("memory:")
    return workers > 1 and in_memory and settings.limits.rate.mode != "off"


def with_options(settings: Settings, given: Options) -> Settings:
    """Return the settings, overridden by the command line's options.

    All code that reads the settings then sees the actual listening address. As with environment
    variables, an empty text counts as not given.
    """
    options = {"host": given.host or None, "port": given.port, "workers": given.workers}
    update = {name: value for name, value in options.items() if value is not None}
    server = settings.server.model_copy(update=update)
    return settings.model_copy(update={"server": server})


def grace(settings: Settings) -> float:
    """Return the seconds that operations get to finish, and actions to be recorded, after a stop.

    Operations without a deadline are cancelled then.
    """
    return settings.server.deadline.max + MARGIN


async def _try_journal(settings: Settings) -> None:
    """Open the journal once: here a JournalError becomes a sentence, in the server a traceback."""
    async with Gateway(settings) as gateway:
        if any_supported(gateway.sources):
            await gateway.open_journal()


def _check(host: str) -> None:
    """Exit with the reason if a host is written in a form that can't be listened on."""
    bare = host.strip().strip("[]")
    if bare == "*":
        fault = "give 0.0.0.0 for all addresses of IPv4, or :: for those of IPv6 too"
    elif "/" in bare:
        fault = "it is no host. Give a name or an address alone, such as 127.0.0.1"
    elif bare.count(":") == 1:
        fault = "it has a port. Give that with --port, or as [server] port"
    else:
        return
    print_error(f"Can't listen on {host}: {fault}.")
    raise typer.Exit(2)


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """Listen on a port, or on any free one if it is 0; exit with the reason if that fails.

    ``::`` accepts IPv4 too. ``option`` is the command line's option for another port.
    """
    host = host.strip().strip("[]").removesuffix(".")
    with contextlib.suppress(ValueError):
        # ::ffff:127.0.0.1 is an address of IPv4.
        host = str(getattr(ipaddress.ip_address(host), "ipv4_mapped", None) or host)
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(
            address, family=family, dualstack_ipv6=_is_dual_stack(host, family)
        )
    except OSError as error:
        print_error(f"Can't listen on port {port} of {host}: {_reason(error, option)}.")
        raise typer.Exit(1) from None


def _is_dual_stack(host: str, family: int) -> bool:
    if family != socket.AF_INET6 or not socket.has_dualstack_ipv6():
        return False
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_unspecified
    return False


def _reason(error: OSError, option: str) -> str:
    if isinstance(error, socket.gaierror):
        return "the name of the host has no address. Check its spelling, or give an IP address"
    match error.errno:
        case errno.EADDRINUSE:
            return f"it is in use. Give another with {option}, or stop what uses it"
        case errno.EACCES:
            return (
                "this account may not use it. Ports below 1024 are usually reserved; give one above"
                f" with {option}"
            )
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address. Give another with --host"
        case errno.EAFNOSUPPORT:
            return "this machine has IPv6 switched off. Give an IPv4 address with --host"
    return os.strerror(error.errno).lower() if error.errno else str(error)


def url(listener: socket.socket) -> str:
    """Return the URL of the server that listens on a socket."""
    host, port = listener.getsockname()[:2]
    return (
        f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"
    )


def config_of(app: ASGIApp, grace: float) -> uvicorn.Config:
    """Return uvicorn's configuration; at a stop, requests in flight have ``grace`` seconds."""
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(grace),
        timeout_keep_alive=KEEP_ALIVE,
        # Otherwise uvicorn takes it from the environment; workers have a supervisor of their own.
        workers=1,
    )


def serve(app: ASGIApp, listener: socket.socket, grace: float, started: Callable[[], None]) -> None:
    """Serve until a signal stops it; ``started`` is called once requests are answered.

    Requests in flight then have ``grace`` seconds to end.
    """
    # The schema and the modules never become garbage. Scanning them in every collection took most
    # of the time of a large request.
    gc.collect()
    gc.freeze()
    # A collection takes about a millisecond, and a list leaves few objects to collect.
    gc.set_threshold(10_000, 20, 50)
    # uvicorn raises the signal again after the shutdown.
    with contextlib.suppress(KeyboardInterrupt):
        GracefulServer(config_of(app, grace), started).run([listener])


@contextlib.contextmanager
def serving(app: ASGIApp, listener: socket.socket, grace: float) -> Iterator[None]:
    """Serve in a thread, where uvicorn installs no signal handlers, until the context ends.

    Uses uvicorn's own shutdown, which drops connections that have not sent a request.
    """
    server = uvicorn.Server(config_of(app, grace))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
