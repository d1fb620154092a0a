"""What was written of records, kept beside them within a bound.

It is in a record's ``__dict__["written"]``, by *marks*, and ends with the record. The cache does
not count it, so that it has a bound of its own: ``MAX_KEPT`` marks of one record, and ``ROOM``
bytes of all. What was written first is dropped first.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

from gateway.model import WebhookLog

MAX_KEPT = 4
"""Marks of one record: selections, as callers of one visibility class see them."""
LARGE = 2**14
"""Bytes of a row that is too large to keep."""
ROOM = 2**25
"""Bytes of all that is kept, with ``OVERHEAD`` for each row."""
OVERHEAD = 400


class Kept:
    """What is kept of all records, in the order in which it was written."""

    def __init__(self, room: int = ROOM) -> None:
        self.size = 0
        self._room = room
        self._written: deque[tuple[weakref.ref[WebhookLog], object, int]] = deque()

    def keep(self, record: WebhookLog, mark: object, written: Any, size: int) -> None:
        """Keep what was written of a record unless it is large, and drop what has no room."""
        if size > LARGE:
            return
        own = record.__dict__.setdefault("written", {})
        if len(own) >= MAX_KEPT:
            del own[next(iter(own))]
        own[mark] = written
        self._written.append((weakref.ref(record), mark, size + OVERHEAD))
        self.size += size + OVERHEAD
        while self.size > self._room:
            old, old_mark, freed = self._written.popleft()
            self.size -= freed
            if (dropped := old()) is not None:
                dropped.__dict__["written"].pop(old_mark, None)


KEPT = Kept()
