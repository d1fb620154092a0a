"""The commands ``gateway vendor``, about descriptions of vendors."""

# ruff: noqa: PLC0415 - imports that other commands need not wait for

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Descriptions of vendors.")


@app.callback()
def _group() -> None:
    pass


@app.command("check")
def _check(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The description, or the provider of a shipped one."),
    ],
    *,
    sample: Annotated[
        Path | None,
        typer.Option(help="A page of the vendor's list of logs, as JSON."),
    ] = None,
) -> None:
    """Check the description of a vendor, without calling the vendor.

    With a sample, the logs that its rows become are printed.
    """
    from gateway.cli.vendor import check_description

    raise typer.Exit(check_description(file, sample))
