"""What was written of records, kept beside them within a bound.

It is in a record's ``__dict__["written"]``, by *marks*, and ends with the record. The cache does
not count it, so that it has bounds of its own: ``MAX_KEPT`` marks of one record, and ``ROOM`` bytes
of all. Rows of more than ``LARGE`` bytes, which are those with bodies, have ``ROOM`` bytes of their
own, so that they don't push out the small ones. The record of which something was kept first is the
first to lose what is kept of it.

So large rows take at most 16 MiB, as much as the largest answer by default: one that was written
before is put together from them. What their bodies were parsed into is freed in exchange, so that
a list with bodies takes no more memory for being kept.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import Any

from gateway.model import WebhookLog

MAX_KEPT = 4
"""Marks of one record: selections, as callers of one visibility class see them."""
LARGE = 2**14
"""Bytes above which a row is large."""
ROOM = 2**24
"""Bytes of the small rows that are kept, and of the large ones, with what they take beside."""
RECORD = 700
"""Bytes that a record takes beside its rows, as soon as one is kept."""
OVERHEAD = 120
"""Bytes that a row takes beside its text."""
RUN = 48
"""Bytes that each run of a row takes beside its text, if it has several."""


class Kept:
    """What is kept of all records."""

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
        if mark in own or len(own) >= MAX_KEPT:
            replaced = mark if mark in own else next(iter(own))
            del own[replaced]
            self._small.forget(record, replaced)
            self._large.forget(record, replaced)
        own[mark] = written
        taken = size + OVERHEAD + (RUN * len(written) if isinstance(written, tuple) else 0)
        if size <= LARGE:
            self._small.add(record, mark, taken)
            return
        self._large.add(record, mark, taken)
        for part in (record.request, record.response):
            if part is not None:
                part.__dict__.pop("body_json", None)


class _Rows(weakref.ref[WebhookLog]):
    """A record, and the bytes that its rows take, by their marks and in ``total``."""

    __slots__ = ("key", "taken", "total")

    key: int
    taken: dict[object, int]
    total: int


class _Bounded:
    """Rows within ``room`` bytes, by the identity of their records while these live."""

    def __init__(self, room: int) -> None:
        self.size = 0
        self._room = room
        self._rows: OrderedDict[int, _Rows] = OrderedDict()

    def add(self, record: WebhookLog, mark: object, taken: int) -> None:
        """Count a row that is kept, and drop what has no room."""
        rows = self._rows_of(record)
        if rows is None:
            rows = self._rows[id(record)] = _Rows(record, self._ended)
            rows.key, rows.taken, rows.total = id(record), {}, RECORD
            self.size += RECORD
        rows.taken[mark] = taken
        rows.total += taken
        self.size += taken
        while self.size > self._room:
            _, oldest = self._rows.popitem(last=False)
            self.size -= oldest.total
            if (dropped := oldest()) is not None:
                for one in oldest.taken:
                    del dropped.__dict__["written"][one]

    def forget(self, record: WebhookLog, mark: object) -> None:
        """No longer count a row, if it is counted here."""
        rows = self._rows_of(record)
        if rows is None or mark not in rows.taken:
            return
        taken = rows.taken.pop(mark)
        if not rows.taken:
            del self._rows[rows.key]
            taken += RECORD
        rows.total -= taken
        self.size -= taken

    def _rows_of(self, record: WebhookLog) -> _Rows | None:
        rows = self._rows.get(id(record))
        if rows is not None and rows() is not record:
            # One that ended, without room on the stack to say so, was in the same place.
            self._ended(rows)
            return None
        return rows

    def _ended(self, rows: _Rows) -> None:
        # Nothing may be called after the pop: at the limit of recursion, it would not be executed.
        if self._rows.pop(rows.key, None) is not None:
            self.size -= rows.total


KEPT = Kept()
