"""Processes of a benchmark: what they take, and how much of the machine others take. Linux only."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE") / 2**20
TICK = os.sysconf("SC_CLK_TCK")
PORTS = iter(range(22000, 30000))
"""Ports below those of outgoing connections."""
PATIENCE = 3.0
"""Seconds that a process has to end before it is killed."""


def free_port() -> int:
    """Return a port that nothing listens on."""
    for port in PORTS:
        with socket.socket() as found, contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port below 30000")


class Usage(NamedTuple):
    """Resident memory in MiB, of the largest process and of all, and processor time in seconds."""

    largest: float
    total: float
    seconds: float


class Process:
    """A command in a process group of its own, so that it is measured and ended as a whole."""

    def __init__(
        self, command: list[str], log: Path, environment: Mapping[str, str], folder: Path
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603 - the servers that are compared
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=dict(environment),
                cwd=folder,
            )

    def _members(self) -> list[list[str]]:
        """Return the fields of /proc/PID/stat after the name, for all processes of the group."""
        found = []
        for file in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = file.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self._popen.pid and fields[0] != "Z":
                    found.append(fields)
        return found

    def usage(self) -> Usage:
        """Return what the group takes."""
        members = self._members()
        memory = [int(fields[21]) * PAGE for fields in members] or [0.0]
        ticks = sum(int(fields[11]) + int(fields[12]) for fields in members)
        return Usage(max(memory), sum(memory), ticks / TICK)

    @property
    def has_ended(self) -> bool:
        """Whether the process that was started has ended."""
        return self._popen.poll() is not None

    @property
    def last_words(self) -> str:
        """The end of its output."""
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """End the group."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)
            end = time.monotonic() + PATIENCE
            while self._members() and time.monotonic() < end:
                self._popen.poll()
                time.sleep(0.05)
        self._popen.wait()


class Others:
    """The greatest share of the machine that other programs took during a run."""

    def __init__(self) -> None:
        self.share = 0.0

    @contextlib.contextmanager
    def watched(self, processes: list[Process]) -> Iterator[None]:
        """Measure while the context lasts; ``processes`` are ours, and so is what we wait for."""
        before = _machine(processes)
        yield
        elapsed, busy, ours = (
            after - then for after, then in zip(_machine(processes), before, strict=True)
        )
        self.share = max(self.share, (busy - ours) / (elapsed * (os.cpu_count() or 1)))


def _machine(processes: list[Process]) -> tuple[float, float, float]:
    """Return the time, and how long processors worked in all and for us, in seconds."""
    first = Path("/proc/stat").read_text().split()
    user, nice, system, _, _, _, _, steal = (int(it) / TICK for it in first[1:9])
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = sum(it.usage().seconds for it in processes)
    ours += time.process_time() + ended.ru_utime + ended.ru_stime
    return time.monotonic(), user + nice + system + steal, ours
