"""The command line: ``gateway``.

Each command imports its dependencies when it runs, so that ``--help`` and ``--version`` need not
wait for the schema, whose import takes a third of a second.
"""

# ruff: noqa: PLC0415 - for the reason above

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import __version__
from gateway.cli import config_commands, options, vendor_commands
from gateway.cli.errors import errors_printed
from gateway.cli.screen import LOG_FORMAT

if TYPE_CHECKING:
    from gateway.service import Gateway

MAX_ROWS = 10_000

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="One GraphQL endpoint for the webhook delivery logs of many systems.",
)
key_app = typer.Typer(no_args_is_help=True, help="API keys of callers.")
app.add_typer(key_app, name="key")
app.add_typer(config_commands.app, name="config")
app.add_typer(vendor_commands.app, name="vendor")

Json = Annotated[bool, typer.Option("--json", help="Print JSON with the names of the schema.")]


def main() -> None:
    """Run the command that the process was started with."""
    # SIGTERM and SIGHUP end a command as Ctrl-C does, so that connections are closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that the encoding of the terminal lacks are escaped.
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(format=LOG_FORMAT)
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"webhook-log-gateway {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command("serve")
def _serve(
    *,
    config: options.Config = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on.", show_default="as configured")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="The port to listen on; 0 takes any free one.",
            show_default="as configured",
        ),
    ] = None,
    workers: Annotated[
        Any,
        typer.Option(
            parser=options.workers,
            metavar="NUMBER|auto",
            help="The processes that share the port; auto starts one for each core.",
            show_default="as configured",
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Let other machines call without credentials."),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Take the configuration over again when it or a file it names changes."
        ),
    ] = False,
) -> None:
    """Serve GraphQL over HTTP."""
    from gateway.cli.server import Options, run
    from gateway.settings import load

    with errors_printed():
        run(
            lambda: load(config, os.environ),
            Options(host, port, workers, insecure=insecure, watch=watch),
        )


@app.command("demo")
def _demo(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The gateway's port; 0 takes any free one.")
    ] = 8000,
    sandbox_port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="The simulated vendors' port; 0 takes any free one."),
    ] = 8001,
    seed: Annotated[int, typer.Option(help="The seed of the simulated logs.")] = 7,
) -> None:
    """Serve simulated vendors and a gateway for them, to try it out."""
    from gateway.cli.demo import run_demo

    with errors_printed():
        run_demo(port, sandbox_port, seed)


@app.command("check")
def _check(*, config: options.Config = None) -> None:
    """Try to read every source, and explain failures."""
    from gateway.cli.check import check_sources

    _work(config, check_sources)


@app.command("logs")
def _logs(
    *,
    config: options.Config = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            parser=options.source_name,
            metavar="NAME",
            help="Logs of this source; can be repeated.",
            show_default="all sources",
        ),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            parser=options.one_of("succeeded", "failed", "pending", "cancelled", "unknown"),
            metavar="succeeded|failed|pending|cancelled|unknown",
            help="Logs with this status, in any case.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            parser=options.since,
            metavar="TIME|DURATION",
            help="Logs since a duration ago such as 30m, 1h or 7d, since a time such as"
            " 2026-03-04T09:10:11Z, which is UTC without an offset, or since today or yesterday.",
        ),
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="Logs of this event, by the vendor's name.")
    ] = None,
    first: Annotated[int, typer.Option(min=1, max=MAX_ROWS, help="The number of logs.")] = 25,
    as_json: Json = False,
) -> None:
    """List the webhook logs of all sources, newest first.

    In a file or a pipe, lines are not cut off and end with the log's id.
    """
    from gateway.cli.logs import print_logs
    from gateway.model import WebhookLogStatus

    wanted: dict[str, Any] = {
        "source": {"in": source} if source else None,
        "status": {"eq": WebhookLogStatus[status.upper()]} if status else None,
        "triggeredAt": {"gte": since} if since else None,
        "event": {"eq": event} if event is not None else None,
    }
    _work(config, lambda gateway: print_logs(gateway, wanted, first, as_json=as_json))


@app.command("show")
def _show(
    id: Annotated[
        str,
        typer.Argument(metavar="ID", help="The log's id, as in piped or JSON output."),
    ],
    *,
    config: options.Config = None,
    as_json: Json = False,
) -> None:
    """Show one webhook log with its headers and bodies."""
    from gateway.cli.show import print_log

    _work(config, lambda gateway: print_log(gateway, id, as_json=as_json))


Ids = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="The logs' ids, as in piped or JSON output."),
]


@app.command("retry")
def _retry(ids: Ids, *, config: options.Config = None, as_json: Json = False) -> None:
    """Retry deliveries: the vendor sends each of them once more."""
    from gateway.cli.actions import perform
    from gateway.journal import ActionKind

    _work(config, lambda gateway: perform(gateway, ActionKind.RETRY, ids, as_json=as_json))


@app.command("delete")
def _delete(
    ids: Ids,
    *,
    config: options.Config = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Delete webhook logs at the vendor."""
    from gateway.cli.actions import perform
    from gateway.journal import ActionKind

    if not yes:
        logs = "this webhook log" if len(ids) == 1 else f"these {len(ids)} webhook logs"
        typer.confirm(f"Delete {logs} at the vendor for good?", abort=True)
    _work(config, lambda gateway: perform(gateway, ActionKind.DELETE, ids))


@app.command("actions")
def _actions(
    *,
    config: options.Config = None,
    first: Annotated[int, typer.Option(min=1, max=100, help="The number of actions.")] = 25,
    as_json: Json = False,
) -> None:
    """List the journal of retries and deletes, newest first."""
    from gateway.cli.actions import print_actions

    _work(config, lambda gateway: print_actions(gateway, first, as_json=as_json))


@key_app.command("create")
def _key_create(
    *,
    name: Annotated[str, typer.Option(help="The owner's name, as the journal shows it.")],
    role: Annotated[
        str,
        typer.Option(
            parser=options.one_of("viewer", "reader", "operator", "admin"),
            metavar="viewer|reader|operator|admin",
            help="The role that it gives.",
        ),
    ],
    source: Annotated[
        list[str] | None,
        typer.Option(
            parser=options.source_name,
            metavar="NAME",
            help="A source that it is for; can be repeated.",
            show_default="all sources",
        ),
    ] = None,
) -> None:
    """Create an API key: print it, this one time, with its lines for the configuration file."""
    from gateway.callers.keys import create

    with errors_printed():
        key, lines = create(name, role, source or ())
        typer.echo("The key, which is not shown again:", err=True)
        typer.echo(key)
        typer.echo('For gateway.toml, with methods = ["api-keys"] under [auth]:', err=True)
        typer.echo(lines)


@app.command("schema")
def _schema() -> None:
    """Print the GraphQL schema."""
    from gateway.schema import build_schema

    typer.echo(build_schema().as_str())


def _work(config: Path | None, work: Callable[[Gateway], Awaitable[int]]) -> None:
    """Run ``work`` with the configured gateway, and exit with the code that it returns."""
    from gateway.service import Gateway
    from gateway.settings import load

    async def run() -> int:
        async with Gateway(settings) as gateway:
            return await work(gateway)

    with errors_printed():
        settings = load(config, os.environ)
        raise typer.Exit(asyncio.run(run()))
