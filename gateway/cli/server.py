"""``gateway serve``, and the functions that the demo shares with it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer

from gateway.actions.actions import MARGIN
from gateway.actions.permissions import any_supported
from gateway.cli.configuration import check
from gateway.cli.listening import bind, check_host, serve, tidy, url
from gateway.cli.reload import Configuration, Reloads, hang_ups_held, in_reload_thread
from gateway.cli.shares import share, workers_of
from gateway.cli.telemetry import telemetry_of, telemetry_of_worker, telemetry_of_workers
from gateway.service import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.cache.evictions import EvictionLog
    from gateway.cli.telemetry import Counts, Telemetry, WorkersTelemetry
    from gateway.cli.worker import Link
    from gateway.settings import Settings
    from gateway.upstream.call_counts import CallCounts

log = logging.getLogger(__name__)


class Options(NamedTuple):
    """What the command line says about the server; it wins over the settings."""

    host: str | None = None
    port: int | None = None
    workers: int | Literal["auto"] | None = None
    insecure: bool = False
    watch: bool = False


def run(read: Callable[[], Settings], options: Options) -> None:
    """Serve the gateway with the settings that ``read`` returns, now and when they are changed.

    Raises ConfigurationError or JournalError if it can't be started with them.
    """
    with hang_ups_held():
        _run(read, options)


def _run(read: Callable[[], Settings], options: Options) -> None:
    def optioned() -> Settings:
        return with_options(read(), options)

    configuration = Configuration(optioned, functools.partial(_check, options))
    settings = configuration.settings
    with bind(settings.server.host, settings.server.port) as listener:
        if settings.server.workers == 1 or sys.platform == "win32":
            with telemetry_of(settings) as telemetry:
                _serve_alone(configuration, options, listener, telemetry)
        else:
            with telemetry_of_workers(settings) as of_workers:
                _supervise(configuration, options, listener, of_workers)


def _check(options: Options, settings: Settings, in_force: Settings | None) -> None:
    """Raise ConfigurationError or JournalError if the gateway can't be started with settings."""
    check_host(settings.server.host)
    check(settings, insecure=options.insecure)
    if in_force is None or in_force.journal != settings.journal:
        asyncio.run(_try_journal(settings))


def _serve_alone(
    configuration: Configuration,
    options: Options,
    listener: socket.socket,
    telemetry: Telemetry,
) -> None:
    # Not imported by a supervisor, which needs no schema.
    from gateway.web.app import create_app  # noqa: PLC0415
    from gateway.web.swap import CurrentApp  # noqa: PLC0415

    configuration.fix("server.workers")
    make = functools.partial(create_app, events=telemetry.events)

    async def take_over(settings: Settings) -> str:
        await current.replace(
            await in_reload_thread(lambda: make(settings, earlier=current.app)), closed=tidy
        )
        return "The configuration was taken over."

    async def again() -> str:
        return "The configuration has not changed, so there is nothing to do."

    def heeded() -> contextlib.AbstractAsyncContextManager[None]:
        reloads = Reloads(configuration, telemetry.events, take_over, again, watched=options.watch)
        return reloads.heeded(lambda: signal.raise_signal(signal.SIGTERM))

    current = CurrentApp(make(configuration.settings), heeded)
    told = f"Serving {url(listener)}/graphql{_and(telemetry.url)}. Ctrl-C stops."
    serve(
        current,
        listener,
        lambda: grace(configuration.settings),
        lambda: typer.echo(told),
        configuration.settings.server.drain,
    )


def _supervise(
    configuration: Configuration,
    options: Options,
    listener: socket.socket,
    telemetry: WorkersTelemetry,
) -> None:
    # These modules are not for Windows.
    from gateway.cache.evictions import EvictionLog  # noqa: PLC0415
    from gateway.cli.supervisor import Plan, Supervisor  # noqa: PLC0415
    from gateway.cli.worker import Worker  # noqa: PLC0415
    from gateway.upstream.call_counts import CallCounts  # noqa: PLC0415

    evictions, calls, slots = EvictionLog(), CallCounts(), telemetry.slots

    def plan(settings: Settings) -> Plan:
        count = workers_of(settings)
        calls.add_sources(source.name for source in settings.sources)

        def start(index: int) -> Worker:
            def worker(counts: Counts | None) -> Worker:
                own = share(settings, index, count)
                return Worker(_work, own, listener, evictions, calls, counts)

            return worker(None) if slots is None else slots.start(worker)

        def message(index: int) -> Takeover:
            return Takeover(share(settings, index, count), calls.names)

        # Actions that begin just before the end of the grace have as much time again.
        seconds = settings.server.drain + 2 * grace(settings) + MARGIN
        return Plan(count, start, message, seconds, drain=settings.server.drain > 0)

    async def take_over(settings: Settings) -> str:
        new = plan(settings)
        await supervisor.take_over(new)
        return f"The configuration was taken over by {_count(new.workers)}."

    async def again() -> str:
        await supervisor.restart()
        return f"Restarted with {_count(workers_of(configuration.settings))}."

    def heeded() -> contextlib.AbstractAsyncContextManager[None]:
        reloads = Reloads(configuration, telemetry.events, take_over, again, watched=options.watch)
        return reloads.heeded(lambda: supervisor.stop(signal.SIGTERM))

    first = plan(configuration.settings)
    if _counts_apart(configuration.settings, first.workers):
        log.warning(
            "Each worker counts requests by itself, so a caller may send up to %d times as many"
            " as the limit rate says. With Redis under [cache] they count together.",
            first.workers,
        )
    told = (
        f"Serving {url(listener)}/graphql with {_count(first.workers)}{_and(telemetry.url)}."
        " Ctrl-C stops."
    )
    supervisor = Supervisor(first, listener)
    if not asyncio.run(supervisor.run(lambda: typer.echo(told), heeded)):
        raise typer.Exit(1)


class Takeover(NamedTuple):
    """What a worker is told of a new configuration: its settings, and the sources with a count."""

    settings: Settings
    counted: Sequence[str]


def _work(
    link: Link,
    settings: Settings,
    listener: socket.socket,
    evictions: EvictionLog,
    calls: CallCounts,
    counts: Counts | None,
) -> None:
    """Serve in the process of a worker."""
    from gateway.web.app import create_app  # noqa: PLC0415 - for the reason above
    from gateway.web.swap import CurrentApp  # noqa: PLC0415

    with telemetry_of_worker(settings, counts) as events:
        seconds = grace(settings)
        make = functools.partial(create_app, evictions=evictions, call_counts=calls, events=events)

        async def take_over(told: Takeover) -> None:
            nonlocal seconds
            calls.add_sources(told.counted)
            await current.replace(
                await in_reload_thread(lambda: make(told.settings, earlier=current.app)),
                closed=tidy,
            )
            seconds = grace(told.settings)

        current = CurrentApp(make(settings), lambda: link.obeyed(take_over))
        serve(current, listener, lambda: seconds, link.started, settings.server.drain)


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
    """Open the journal once: here a JournalError ends the command, in a worker only the worker."""
    async with Gateway(settings) as gateway:
        if any_supported(gateway.sources):
            await gateway.open_journal()
