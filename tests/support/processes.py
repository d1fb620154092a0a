"""The command in a process of its own, for what only shows there: signals, pipes, a real exit."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import IO


@contextlib.contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """Start the command as a process of its own; it ends with the context at the latest."""
    with subprocess.Popen(  # noqa: S603 - it is this package
        # The tests' own process may have been told to ignore signals, as by nohup.
        ["/usr/bin/env", "--default-signal=INT,HUP", sys.executable, "-m", "gateway", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            yield process, process.stdout, process.stderr
        finally:
            process.kill()
