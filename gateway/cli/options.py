"""Parsers of the values of options: any case for words, and times as people write them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        help="The configuration file.",
        show_default="GATEWAY_CONFIG, or gateway.toml in this folder",
    ),
]
"""The option of all commands that read the configuration."""


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that accepts one of the lower-case words, in any case."""

    def parse(text: str) -> str:
        if (word := text.strip().lower()) in words:
            return word
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(words)}.")

    return parse


def workers(text: str) -> int | Literal["auto"] | None:
    """Return a number of workers, or "auto"; None if the text is empty, which counts as not given.

    The numbers are those of the setting.
    """
    from gateway.config.values import MAX_WORKERS  # noqa: PLC0415 - not needed for other options

    word = text.strip().lower()
    if word == "auto":
        return "auto"
    if word.isascii() and word.isdecimal() and 1 <= int(word[:9]) <= MAX_WORKERS:
        return int(word)
    if not word:
        return None
    raise typer.BadParameter(f"{text!r} is not a whole number from 1 to {MAX_WORKERS}, or auto.")


def source_name(text: str) -> str:
    """Return the name of a source, which the configuration has in lower case."""
    return text.strip().lower()


def since(text: str) -> str:
    """Return a moment, written as a duration back from now, a time or a word, in RFC 3339."""
    # Not needed for other options, and slower to import than these.
    from gateway.cli.since import parse_since  # noqa: PLC0415
    from gateway.model import Timestamp  # noqa: PLC0415
    from gateway.normalise.timestamps import format_rfc3339  # noqa: PLC0415

    try:
        return format_rfc3339(parse_since(text, Timestamp(time.time_ns())))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
