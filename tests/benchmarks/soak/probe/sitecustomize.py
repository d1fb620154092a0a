"""Lets each process of the gateway write, on SIGUSR2, how many asyncio tasks and blocks it has.

It collects garbage before, as in each reload.
Python imports this module at the start of a process if its folder is in PYTHONPATH. The file is
named after the process, and is there once the process knows the signal.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from pathlib import Path

if (_folder := os.environ.get("SOAK_FOLDER")) and (
    threading.current_thread() is threading.main_thread()
):
    _file = Path(_folder, str(os.getpid()))

    def _write(*_: object) -> None:
        loop = asyncio._get_running_loop()
        if loop is not None:
            gc.collect()
            part = _file.with_suffix(".part")
            part.write_text(f"{len(asyncio.all_tasks(loop))} {sys.getallocatedblocks()}")
            part.replace(_file)

    signal.signal(signal.SIGUSR2, _write)
    _file.touch()
