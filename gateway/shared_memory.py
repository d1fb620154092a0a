"""Memory that the workers of one server have mapped."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import tempfile
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class SharedMemory:
    """So many bytes, all zero at first; it can be an argument of a process that is being spawned.

    ``data`` is the memory, and ``descriptor`` that of its file.
    """

    def __init__(self, size: int, descriptor: int | None = None) -> None:
        self.descriptor = _create(size) if descriptor is None else descriptor
        self.data = mmap.mmap(self.descriptor, size)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (len(self.data), reduction.DupFd(self.descriptor))

    @contextlib.contextmanager
    def locked(self, start: int = 0, length: int = 0) -> Iterator[None]:
        """Exclude the other processes from some bytes, or all; the lock ends with its process."""
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX, length, start)
        try:
            yield
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN, length, start)


def _attach(size: int, handle: Any) -> SharedMemory:
    return SharedMemory(size, handle.detach())


def _create(size: int) -> int:
    """Create a file without a name, in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("gateway-workers")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
