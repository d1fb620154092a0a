"""The command in a process of its own, for what only shows there: signals, pipes, a real exit."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import IO


def _hear() -> None:
    """Take the signals that the tests' own process may have been told to ignore, as by nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """Start the command as a process of its own; it ends with the context at the latest."""
    with subprocess.Popen(  # noqa: S603 - it is this package
        [sys.executable, "-m", "gateway", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            yield process, process.stdout, process.stderr
        finally:
            process.kill()
