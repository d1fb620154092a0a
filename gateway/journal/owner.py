"""The process that performs an action, so that a later process notices if it has died."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def current_process() -> str:
    """Return the name of this process."""
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}"


def has_ended(owner: str) -> bool:
    """Return whether the process of that name has certainly ended.

    This is certain only for processes of this machine, and only where /proc shows when a process
    started: after its end, another process may get its number.
    """
    machine, pid, started = owner.rsplit(":", 2)
    return bool(started) and machine == _machine() and _started(int(pid)) != started


def _machine() -> str:
    """Return the scope of the process numbers: a PID namespace of a booted machine.

    The host name is not enough: containers may share it, each with its own process numbers.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot}/{namespace}"


def _started(pid: int) -> str:
    """Return the start time of a running process in clock ticks since boot, or ""."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    # proc(5): the second field is the program's name, which may hold spaces and parentheses. The
    # third is the state, the 22nd the start time.
    state, *fields = stat.rpartition(b")")[2].split()
    return "" if state in (b"Z", b"X") else fields[18].decode()
