"""``gateway serve``, and the functions that the demo shares with it."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer

from gateway.actions.actions import MARGIN
from gateway.actions.permissions import any_supported
from gateway.cli.listening import check_host, listen, serve, url
from gateway.cli.screen import print_error
from gateway.cli.shares import share, workers_of
from gateway.cli.telemetry import telemetry_of, telemetry_of_worker, telemetry_of_workers
from gateway.config import is_loopback
from gateway.errors import ConfigurationError, JournalError
from gateway.service import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.cache.evictions import EvictionLog
    from gateway.cli.telemetry import Counts, Slots
    from gateway.settings import Settings
    from gateway.upstream.call_counts import CallCounts

log = logging.getLogger(__name__)


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

            with telemetry_of(settings) as (events, metrics):
                told = f"Serving {url(listener)}/graphql{_and(metrics)}. Ctrl-C stops."
                serve(
                    create_app(settings, events=events),
                    listener,
                    grace(settings),
                    lambda: typer.echo(told),
                    settings.server.drain,
                )
        else:
            with telemetry_of_workers(settings) as (slots, metrics):
                _supervise(settings, read, options, listener, slots, metrics)


def checked(settings: Settings, options: Options) -> Settings:
    """Return the settings with the options in their place, and the journal tried.

    Raises ConfigurationError or JournalError if the gateway can't be started with them.
    """
    settings = with_options(settings, options)
    host = settings.server.host
    check_host(host)
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
    settings: Settings,
    read: Callable[[], Settings],
    options: Options,
    listener: socket.socket,
    slots: Slots | None,
    metrics: str | None,
) -> None:
    # These modules are not for Windows.
    from gateway.cache.evictions import EvictionLog  # noqa: PLC0415
    from gateway.cli.supervisor import Plan, Supervisor, Worker  # noqa: PLC0415
    from gateway.upstream.call_counts import CallCounts  # noqa: PLC0415

    evictions, calls = EvictionLog(), CallCounts()

    def plan(settings: Settings) -> Plan:
        count = workers_of(settings)
        calls.add_sources(source.name for source in settings.sources)

        def start(index: int) -> Worker:
            def worker(counts: Counts | None) -> Worker:
                own = share(settings, index, count)
                return Worker(_work, own, listener, evictions, calls, counts)

            return worker(None) if slots is None else slots.start(worker)

        return Plan(count, start)

    def reload() -> Plan | None:
        # The socket stays as it is.
        fixed = options._replace(host=settings.server.host, port=settings.server.port)
        anew = _read_anew(read, fixed)
        return None if anew is None else plan(anew)

    def restarted(count: int) -> None:
        typer.echo(f"Restarted with {_count(count)}.")
        log.info("The configuration was read anew, and all workers were restarted.")

    first = plan(settings)
    address = url(listener)
    if _counts_apart(settings, first.workers):
        log.warning(
            "Each worker counts requests by itself, so a caller may send up to %d times as many"
            " as the limit rate says. With Redis under [cache] they count together.",
            first.workers,
        )
    # Actions that begin just before the end of the grace have as much time again.
    seconds = settings.server.drain + 2 * grace(settings) + MARGIN
    drain = settings.server.drain > 0
    supervisor = Supervisor(first, listener, reload, seconds=seconds, drain=drain)
    served = asyncio.run(
        supervisor.run(
            lambda: typer.echo(
                f"Serving {address}/graphql with {_count(first.workers)}{_and(metrics)}."
                " Ctrl-C stops."
            ),
            restarted,
        )
    )
    if not served:
        raise typer.Exit(1)


def _read_anew(read: Callable[[], Settings], options: Options) -> Settings | None:
    """Return the configuration for a restart; None, having said why, if it can't be used."""
    problems: Sequence[str] = ()
    try:
        return checked(read(), options)
    except ConfigurationError as error:
        problems = error.problems
    except JournalError as error:
        problems = (str(error),)
    except typer.Exit:
        pass
    except Exception:
        log.exception("Reading the configuration anew met a defect.")
    for problem in problems:
        print_error(problem)
    print_error("The configuration can't be used, so the workers keep the one that they have.")
    log.error("The configuration was read anew, but not taken over. %s", "; ".join(problems))
    return None


def _work(
    started: Callable[[], None],
    settings: Settings,
    listener: socket.socket,
    evictions: EvictionLog,
    calls: CallCounts,
    counts: Counts | None,
) -> None:
    """Serve in the process of a worker."""
    from gateway.web.app import create_app  # noqa: PLC0415 - for the reason above

    with telemetry_of_worker(settings, counts) as events:
        app = create_app(settings, evictions=evictions, call_counts=calls, events=events)
        serve(app, listener, grace(settings), started, settings.server.drain)


def _and(metrics: str | None) -> str:
    return "" if metrics is None else f", and metrics at {metrics}"


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
