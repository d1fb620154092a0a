"""Which process an action is in the hands of, so that the next one notices when it died."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def own() -> str:
    """Name this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Tell whether the process of that name has ended for certain.

    That is known of this host's processes only, and only where /proc tells when one started,
    without which another may have taken over its number.
    """
    host, pid, started = owner.rsplit(":", 2)
    return bool(started) and host == socket.gethostname() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """Give the start of a running process, in clock ticks since the machine's, or ""."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    # proc(5): the second field is the program's name, which may hold spaces and parentheses; the
    # third is the state, and the 22nd the start.
    state, *fields = stat.rpartition(b")")[2].split()
    return "" if state in (b"Z", b"X") else fields[18].decode()
