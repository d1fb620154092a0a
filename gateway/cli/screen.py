"""What the commands print with: two consoles, and text made safe for a terminal.

Whatever comes from a vendor passes :func:`line` or :func:`block` on its way to a terminal, which
would obey the escape sequences in it: Rich removes few of them. Its own markup stays off.
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
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what shows text in another order
    "\ud800-\udfff]"  # what no encoding can write
)
_NO_WIDTH = 10_000
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def output() -> Console:
    """Make the console for what was asked for."""
    return _console(stderr=False)


def messages() -> Console:
    """Make the console for errors and progress."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        # A file or a pipe has no width: nothing is broken or cut.
        console.soft_wrap = True
        console.width = _NO_WIDTH
    return console


def complain(text: str) -> None:
    """Print a sentence about what went wrong."""
    messages().print(Text(line(text), "red"))


def block(text: str) -> str:
    """Take out of a text what a terminal would obey, but for its lines and tabs."""
    return _UNSAFE.sub("", text)


def line(text: str) -> str:
    """Make one line of a text, with nothing in it that a terminal would obey."""
    return " ".join(block(text).split())


def sentence(error: UpstreamError) -> str:
    """Tell of a failure, with what the vendor's support will ask for."""
    told = str(error)
    known = {
        "HTTP status": error.status,
        "vendor's code": error.vendor_code,
        "vendor's request id": error.vendor_request_id,
    }
    untold = [
        f"{name} {value}" for name, value in known.items() if value and str(value) not in told
    ]
    return f"{told} ({', '.join(untold)})" if untold else told


def age(moment: Timestamp, now: Timestamp) -> str:
    """Say how long ago something was, in whole units of the largest that fits."""
    seconds = max(0, now - moment) // 1_000_000_000
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size or size == 1)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'} ago"
