"""Listening on a port, and serving on it."""

from __future__ import annotations

import contextlib
import errno
import gc
import ipaddress
import math
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import typer
import uvicorn

from gateway.cli.http_server import BoundedProtocol, GracefulServer
from gateway.cli.screen import print_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open. Common proxies close theirs after 60. If the gateway
closed first, requests that a proxy sends at that moment would be lost."""

MAX_FILES = 65_536
"""Files that a server may have open, if the hard limit allows: each connection is one."""


def check_host(host: str) -> None:
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
    """Listen on a port as ``bind`` takes it; exit with the reason if that fails."""
    listener = bind(host, port, option)
    listener.listen()
    return listener


def bind(host: str, port: int, option: str = "--port") -> socket.socket:
    """Take a port, or any free one if it is 0; exit with the reason if that fails.

    Connections are refused until a server listens, so that a proxy tries another gateway instead
    of waiting for this one to start. ``::`` accepts IPv4 too. ``option`` is the command line's
    option for another port.
    """
    host = host.strip().strip("[]").removesuffix(".")
    with contextlib.suppress(ValueError):
        # ::ffff:127.0.0.1 is an address of IPv4.
        host = str(getattr(ipaddress.ip_address(host), "ipv4_mapped", None) or host)
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _bound(address, family, is_dual_stack=_is_dual_stack(host, family))
    except OSError as error:
        print_error(f"Can't listen on port {port} of {host}: {_reason(error, option)}.")
        raise typer.Exit(1) from None


def _bound(address: Any, family: int, *, is_dual_stack: bool) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there, it would take the port from another process
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not is_dual_stack)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


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


def tidy() -> None:
    """Collect garbage now, and spare what is left from later collections.

    The schema and the modules never become garbage. Scanning them in every collection took most of
    the time of a large request.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def serve(
    app: ASGIApp,
    listener: socket.socket,
    grace: Callable[[], float],
    started: Callable[[], None],
    drain: float = 0.0,
) -> None:
    """Serve until a signal stops it; ``started`` is called once requests are answered.

    After a SIGTERM, connections are accepted for ``drain`` seconds more. Requests in flight then
    have ``grace()`` seconds to end.
    """
    allow_connections()
    tidy()
    # A collection takes about a millisecond, and a list leaves few objects to collect.
    gc.set_threshold(10_000, 20, 50)
    # uvicorn raises the signal again after the shutdown.
    with contextlib.suppress(KeyboardInterrupt), taken_reported(listener):
        GracefulServer(config_of(app, grace()), started, drain, grace).run([listener])


@contextlib.contextmanager
def taken_reported(listener: socket.socket) -> Iterator[None]:
    """Exit with the reason if another process has begun to listen on the port since ``bind``."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        host, port = listener.getsockname()[:2]
        print_error(f"Can't listen on port {port} of {host}: {_reason(error, '--port')}.")
        raise typer.Exit(1) from None


def allow_connections() -> None:
    """Raise the usual limit of 1024 open files, which is for programs that call select()."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not for Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
