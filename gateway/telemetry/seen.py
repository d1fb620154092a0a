"""The deliveries that have been counted, which the workers of one server share.

A page is read again and again, and by each worker. So that a delivery is counted once, its mark is
kept in memory that all workers have mapped: 32,768 buckets, each with the last eight marks. A
delivery that is forgotten, and listed again, is counted again; so is one that two workers see in
the same microsecond.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
import time
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.model import WebhookLog

MARK = 8
"""Bytes of a mark."""
BUCKET = 8 * MARK
BUCKETS = 2**15


class SeenDeliveries:
    """Tells which deliveries are new.

    ``since`` is in Unix nanoseconds: older ones are not, as reading back in a list says nothing
    about what happens now. It can be an argument of a process that is being spawned.
    """

    def __init__(self, since: int | None = None, descriptor: int | None = None) -> None:
        self._since = time.time_ns() if since is None else since
        self._descriptor = _create() if descriptor is None else descriptor
        self._memory = mmap.mmap(self._descriptor, BUCKET * BUCKETS)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (self._since, reduction.DupFd(self._descriptor))

    def add(self, log: WebhookLog) -> bool:
        """Add a delivery; return True if it is new, or has another status than before."""
        at = log.triggered_at or log.last_attempted_at
        if at is None or at < self._since:
            return False
        failure = log.failure.category.name if log.failure else ""
        text = f"{log.id} {log.status.name} {failure}"
        mark = hashlib.blake2b(text.encode(), digest_size=MARK).digest()
        start = int.from_bytes(mark, "little") % BUCKETS * BUCKET
        bucket = self._memory[start : start + BUCKET]
        if any(bucket[at : at + MARK] == mark for at in range(0, BUCKET, MARK)):
            return False
        self._memory[start : start + BUCKET] = mark + bucket[:-MARK]
        return True


def _attach(since: int, handle: Any) -> SeenDeliveries:
    return SeenDeliveries(since, handle.detach())


def _create() -> int:
    """Create a file without a name, in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("gateway-deliveries")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, BUCKET * BUCKETS)
    return descriptor
