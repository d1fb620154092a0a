"""What was written of records, kept beside them within a bound.

It is in a record's ``__dict__["written"]``, by *marks*, and ends with the record. The cache does
not count it, so that it has bounds of its own: ``MAX_KEPT`` marks of one record, and ``ROOM`` bytes
of all. Rows of more than ``LARGE`` bytes, which are those with bodies, have ``ROOM`` bytes of their
own, so that they don't push out the small ones. What was written first is dropped first. What is no
longer kept, mostly because its record has ended, is forgotten once it is half of all.

So large rows take at most 16 MiB, as much as the largest answer by default: one that was written
before is put together from them. What their bodies were parsed into is freed in exchange, so that
a list with bodies takes no more memory for being kept.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

from gateway.model import WebhookLog

MAX_KEPT = 4
"""Marks of one record: selections, as callers of one visibility class see them."""
LARGE = 2**14
"""Bytes above which a row is large."""
ROOM = 2**24
"""Bytes of the small rows that are kept, and of the large ones, with ``OVERHEAD`` for each row."""
OVERHEAD = 400
FEWEST = 1024
"""Rows up to which those that are no longer kept are not looked for."""


class Kept:
    """What is kept of all records, in the order in which it was written."""

    def __init__(self, room: int = ROOM) -> None:
        self._small = _Bounded(room)
        self._large = _Bounded(room)

    @property
    def size(self) -> int:
        """Bytes of all that is kept."""
        return self._small.size + self._large.size

    def keep(self, record: WebhookLog, mark: object, written: Any, size: int) -> None:
        """Keep what was written of a record, and drop what has no room."""
        own = record.__dict__.setdefault("written", {})
        if len(own) >= MAX_KEPT:
            del own[next(iter(own))]
        own[mark] = written
        if size <= LARGE:
            self._small.add(record, mark, size)
            return
        self._large.add(record, mark, size)
        for part in (record.request, record.response):
            if part is not None:
                part.__dict__.pop("body_json", None)


class _Bounded:
    """Rows within ``room`` bytes."""

    def __init__(self, room: int) -> None:
        self.size = 0
        self._room = room
        self._written: deque[tuple[weakref.ref[WebhookLog], object, int]] = deque()
        self._enough = FEWEST

    def add(self, record: WebhookLog, mark: object, size: int) -> None:
        """Count a row that is kept, and drop what has no room."""
        self._written.append((weakref.ref(record), mark, size + OVERHEAD))
        self.size += size + OVERHEAD
        if len(self._written) > self._enough:
            self._forget()
        while self.size > self._room:
            old, old_mark, freed = self._written.popleft()
            self.size -= freed
            if (dropped := old()) is not None:
                dropped.__dict__["written"].pop(old_mark, None)

    def _forget(self) -> None:
        """Forget the rows that are no longer kept."""
        self._written = deque(
            [
                one
                for one in self._written
                if (record := one[0]()) is not None and one[1] in record.__dict__["written"]
            ]
        )
        self.size = sum([size for _, _, size in self._written])
        self._enough = max(FEWEST, 2 * len(self._written))


KEPT = Kept()
