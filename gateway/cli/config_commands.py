"""The commands ``gateway config``, about the configuration file."""

# ruff: noqa: PLC0415 - imports that other commands need not wait for

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from gateway.cli import options
from gateway.cli.errors import errors_printed

app = typer.Typer(no_args_is_help=True, help="The configuration file.")


@app.command("check")
def _check(
    *,
    config: options.Config = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow what serve does with this option.")
    ] = False,
) -> None:
    """Read the configuration as serve and a reload do, and say what is wrong with it."""
    from gateway.cli.configuration import check, verdict
    from gateway.settings import load

    with errors_printed():
        settings = load(config, os.environ)
        check(settings, insecure=insecure)
        typer.echo(verdict(settings))


@app.command("show")
def _show(*, config: options.Config = None) -> None:
    """Print the whole configuration as JSON: defaults included, secrets masked."""
    from gateway.cli.configuration import shown
    from gateway.settings import load

    with errors_printed():
        typer.echo(shown(load(config, os.environ)))


@app.command("schema")
def _schema() -> None:
    """Print the JSON schema of the configuration file, for editors."""
    from gateway.settings import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
