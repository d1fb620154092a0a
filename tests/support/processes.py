"""Runs the command as a process, to test signals, pipes and exit codes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import IO


@contextlib.contextmanager
def started(
    *words: str, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """Start ``gateway`` with the words as a process, which is killed at the end of the context."""
    with subprocess.Popen(  # noqa: S603 - it is this package
        # The tests themselves may run with signals ignored, as under nohup.
        ["/usr/bin/env", "--default-signal=INT,HUP", sys.executable, "-m", "gateway", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            yield process, process.stdout, process.stderr
        finally:
            process.kill()
