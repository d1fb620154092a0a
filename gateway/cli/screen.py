"""Output of the commands: consoles, and text made safe for a terminal.

All text from vendors passes through ``line`` or ``block``, since a terminal obeys the escape
sequences in it and Rich removes only a few of them. Rich's own markup is off.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from gateway.errors import UpstreamError
    from gateway.model import Timestamp

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, except tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the direction of text
    "\ud800-\udfff]"  # surrogates, which no encoding has
)
_NO_WIDTH = 10_000
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def output() -> Console:
    """Return the console for results."""
    return _console(stderr=False)


def messages() -> Console:
    """Return the console for errors and progress."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        # A file or a pipe has no width: no line is broken or cut.
        console.soft_wrap = True
        console.width = _NO_WIDTH
    return console


def print_error(text: str) -> None:
    """Print an error message."""
    messages().print(Text(line(text), "red"))


def block(text: str) -> str:
    """Return a text without control characters other than line feeds and tabs."""
    return _UNSAFE.sub("", text)


def line(text: str) -> str:
    """Return a text in one line, without control characters."""
    return " ".join(block(text).split())


def sentence(error: UpstreamError) -> str:
    """Return the message of a failure, with the details that the vendor's support will need."""
    message = str(error)
    known = {
        "HTTP status": error.status,
        "vendor's code": error.vendor_code,
        "vendor's request id": error.vendor_request_id,
    }
    missing = [
        f"{name} {value}" for name, value in known.items() if value and str(value) not in message
    ]
    return f"{message} ({', '.join(missing)})" if missing else message


def age(moment: Timestamp, now: Timestamp) -> str:
    """Return the age of a moment in words, in whole numbers of the largest unit that fits."""
    seconds = max(0, now - moment) // 1_000_000_000
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size or size == 1)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'} ago"
