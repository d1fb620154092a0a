"""The journal's SQLite file, and the single descriptor by which the gateway reads it itself.

POSIX drops all locks that a process holds on a file as soon as the process closes any descriptor of
that file, SQLite's own locks included:
https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_

So each file is opened only once per process in addition to the driver, and that descriptor is never
closed.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

_descriptors: dict[tuple[int, int], int] = {}
"""Open descriptors by device and inode. An inode is not used again while a descriptor is open."""
_opening = threading.Lock()

if sys.platform == "win32":

    def _read_at(descriptor: int, length: int, offset: int) -> bytes:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, length)
else:
    _read_at = os.pread


class SqliteFile:
    """A SQLite file, created if it is missing, for this user only; OSError if that fails."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opening:
            found = _find(path)
            self._descriptor = _open(path) if found is None else found

    def change_counter(self) -> bytes | None:
        """Return a value that differs after each transaction that changed the file.

        In WAL mode the file does not show its transactions, and the value is None.
        https://www.sqlite.org/fileformat2.html#file_change_counter
        """
        header = _read_at(self._descriptor, 10, 18)
        in_wal_mode = header[:1] == b"\x02"
        return None if in_wal_mode else header[6:]


def _find(path: Path) -> int | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return _descriptors.get((status.st_dev, status.st_ino))


def _open(path: Path) -> int:
    binary: int = getattr(os, "O_BINARY", 0)  # only Windows has text files
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | binary, mode=0o600)
    status = os.fstat(descriptor)
    return _descriptors.setdefault((status.st_dev, status.st_ino), descriptor)
