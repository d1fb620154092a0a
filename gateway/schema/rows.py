"""Write the rows of a list of webhook logs, and keep what was written beside each record.

A row is a sequence of *runs*, which depend on nothing but the record and the caller's visibility
class for its source, and between them *live* fields, which are written each time: cursor,
freshness, availableActions, source, hook. ``{ id freshness { age } event }`` has the runs
``{"id":...,"freshness":`` and ``,"event":...}``.

Invariants:

- A record never changes, and is one object for all callers. Its runs (bytes alone, where no field
  is live) are kept in its ``__dict__["written"]``, by a *mark* that stands for one compiled
  selection and one visibility class: below READER, below ADMIN, or ADMIN. Runs of one class are
  never given to another.
- A record that can't be written keeps None in place of its runs, so that it is tried once.
- ``MOST_KEPT`` selections are kept beside one record, and ``ROOM`` bytes beside all; those that
  were written first are dropped first. A large row is written each time.
- What only depends on the source is written once per list, and so is each hook.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import GraphQLObjectType
from graphql.execution.collect_fields import FieldDetails

from gateway.callers import Role
from gateway.feed.positions import Entry
from gateway.model import WebhookLog
from gateway.schema import action_resolvers, resolvers, source_resolvers
from gateway.schema.selection import MOST, Compiler, DeclinedError, Info, SurpriseError, Write

if TYPE_CHECKING:
    from gateway.callers import Caller
    from gateway.schema.selection import Field

LOG = "WebhookLog"
MOST_KEPT = 4
"""Selections kept beside one record."""
LARGE = 2**14
"""Bytes of a row that is too large to keep."""
ROOM = 2**25
"""Bytes kept beside all records, with ``OVERHEAD`` for each."""
OVERHEAD = 400

BY_RECORD = {resolvers.request_of_log, resolvers.response_of_log, resolvers.raw_of_log}
"""Resolvers whose result only depends on the record and the visibility class."""
BY_SOURCE = {source_resolvers.source_of, action_resolvers.available_actions}
"""Resolvers whose result only depends on the record's source, within one list."""

Runs = tuple[bytes, ...]
Later = Callable[[], Awaitable[bytes]]


class Output:
    """The JSON of one operation as it is written.

    ``later`` has functions to await, each with the indices of ``parts`` where its bytes belong.
    No more than about ``most`` bytes are written, unless that is None.
    """

    def __init__(self, info: Info, most: int | None = None) -> None:
        self.info = info
        self.parts: list[bytes] = []
        self.later: dict[Any, tuple[Later, list[int]]] = {}
        self._size = 0
        self._most = most

    def reserve(self, size: int) -> None:
        """Take room for so many bytes of rows; SurpriseError if there is none."""
        self.check(size)
        self._size += size

    def check(self, size: int) -> None:
        """Raise SurpriseError unless there is room for so many bytes."""
        if self._most is not None and self._size + size > self._most:
            raise SurpriseError

    def put_later(self, key: object, write: Later) -> None:
        """Leave room for bytes that have to be awaited; those of the same key are written once."""
        self.later.setdefault(key, (write, []))[1].append(len(self.parts))
        self.parts.append(b"")


class _Kept:
    """The runs beside all records, in the order in which they were written."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._size = 0
        self._written: deque[tuple[weakref.ref[WebhookLog], object, int]] = deque()

    def keep(self, record: WebhookLog, mark: object, runs: bytes | Runs | None) -> None:
        """Keep the runs of a record, and drop others that there is no room for."""
        size = len(runs) if isinstance(runs, bytes) else sum(map(len, runs or ()))
        if size > LARGE:
            return
        kept = record.__dict__.setdefault("written", {})
        if len(kept) >= MOST_KEPT:
            del kept[next(iter(kept))]
        kept[mark] = runs
        self._written.append((weakref.ref(record), mark, size + OVERHEAD))
        self._size += size + OVERHEAD
        while self._size > self._room:
            other, old, freed = self._written.popleft()
            self._size -= freed
            if (dropped := other()) is not None:
                dropped.__dict__["written"].pop(old, None)


KEPT = _Kept()


class _Live(NamedTuple):
    """A field that is written for each row; ``parent`` and ``key`` are functions of the entry.

    Rows with the same key have the same value within one list; None is no key.
    """

    write: Write
    parent: Callable[[Entry], object]
    key: Callable[[Entry], object]


class _Hook(NamedTuple):
    """The hook of a log, which has to be awaited; rows of one hook share it."""

    resolve: Callable[[Any, Info], Awaitable[Any]]
    write: Write


_Part = bytes | Write | _Live | _Hook


class Rows:
    """A compiled list of logs: ``edges`` or ``nodes`` of a connection."""

    def __init__(
        self,
        compiler: Compiler,
        kind: GraphQLObjectType,
        details: list[FieldDetails],
    ) -> None:
        self.marks = (object(), object(), object())
        self._runs: list[list[bytes | Write]] = [[]]
        self._live: list[_Live | _Hook] = []
        for part in _parts(compiler, kind, details):
            if isinstance(part, _Live | _Hook):
                self._live.append(part)
                self._runs.append([])
            else:
                self._runs[-1].append(part)

    def write(self, entries: Sequence[Entry], output: Output) -> None:
        """Write the list, except for what has to be awaited."""
        marks = _Marks(self, output.info.context.gateway.caller)
        try:
            rows = [each.record.__dict__["written"][marks[each.record.source]] for each in entries]
        except KeyError:
            rows = self._write_rows(entries, marks, output)
        if None in rows:
            raise SurpriseError
        output.parts.append(b"[")
        if self._live:
            self._write_live(entries, rows, output)
        else:
            written = b",".join(rows)
            output.reserve(len(written))
            output.parts.append(written)
        output.parts.append(b"]")

    def _write_live(self, entries: Sequence[Entry], rows: Sequence[Runs], output: Output) -> None:
        written: dict[tuple[int, object], bytes] = {}
        parts = output.parts
        comma = b""
        for entry, runs in zip(entries, rows, strict=True):
            output.reserve(sum(map(len, runs)))
            parts.append(comma)
            for index, live in enumerate(self._live):
                parts.append(runs[index])
                if isinstance(live, _Hook):
                    _put_hook(live, entry.record, output)
                elif (key := live.key(entry)) is None:
                    parts.append(live.write(live.parent(entry), output.info))
                else:
                    if (index, key) not in written:
                        written[index, key] = live.write(live.parent(entry), output.info)
                    parts.append(written[index, key])
            parts.append(runs[-1])
            comma = b","

    def _write_rows(self, entries: Sequence[Entry], marks: _Marks, output: Output) -> list[Any]:
        """Return the runs of each record, as far as the first that can't be written."""
        rows: list[bytes | Runs | None] = []
        size = 0
        for entry in entries:
            runs = self._row(entry.record, marks, output.info)
            rows.append(runs)
            if runs is None:
                break
            size += len(runs) if isinstance(runs, bytes) else sum(map(len, runs))
            output.check(size)
        return rows

    def _row(self, record: WebhookLog, marks: _Marks, info: Info) -> bytes | Runs | None:
        mark = marks[record.source]
        kept = record.__dict__.get("written", {})
        if mark in kept:
            found: bytes | Runs | None = kept[mark]
            return found
        runs = self._runs_of(record, info)
        KEPT.keep(record, mark, runs)
        return runs

    def _runs_of(self, record: WebhookLog, info: Info) -> bytes | Runs | None:
        size, runs = 0, []
        if not isinstance(record, WebhookLog):
            return None
        try:
            for parts in self._runs:
                taken = []
                for part in parts:
                    taken.append(part if isinstance(part, bytes) else part(record, info))
                    if (size := size + len(taken[-1])) > MOST:
                        return None
                runs.append(b"".join(taken))
        except Exception:  # noqa: BLE001 - graphql-core reports whatever it is
            return None
        return tuple(runs) if self._live else runs[0]


class _Marks(dict[str, object]):
    """The mark of a selection for a caller, by source."""

    def __init__(self, rows: Rows, caller: Caller) -> None:
        super().__init__()
        self._rows = rows
        self._caller = caller

    def __missing__(self, source: str) -> object:
        may = self._caller.may
        mark = self._rows.marks[may(Role.READER, source) + may(Role.ADMIN, source)]
        self[source] = mark
        return mark


def _put_hook(live: _Hook, log: WebhookLog, output: Output) -> None:
    async def write() -> bytes:
        return live.write(await live.resolve(log, output.info), output.info)

    output.put_later((live, log.source, log.hook_id), write)


def _parts(compiler: Compiler, kind: GraphQLObjectType, details: list[FieldDetails]) -> list[_Part]:
    """Return the parts of a row in order."""
    parts: list[_Part] = [b"{"]
    for index, field in enumerate(compiler.fields(kind, details)):
        parts += [b"," * bool(index), field.key]
        if field.resolver is resolvers.log_of_entry:
            log: Any = compiler.schema.type_map[LOG]
            parts += _parts(compiler, log, field.details)
        else:
            parts.append(_part(compiler, kind, field))
    return [*parts, b"}"]


def _part(compiler: Compiler, kind: GraphQLObjectType, field: Field) -> Write | _Live | _Hook:
    resolver = field.resolver
    if resolver is resolvers.hook_of_log:
        return _Hook(field.resolve, compiler.value(field.type, field.details))
    write = compiler.field(field)
    # An edge has no attributes of the record.
    if field.name == "__typename" or (resolver is None and kind.name == LOG):
        return write
    if resolver in BY_RECORD:
        return write
    if resolver in BY_SOURCE:
        return _Live(write, _record, lambda entry: entry.record.source)
    if resolver is resolvers.freshness:
        return _Live(write, _log, lambda entry: id(entry.freshness))
    if resolver is resolvers.cursor_of_entry:
        return _Live(write, lambda entry: entry, lambda _: None)
    raise DeclinedError


def _record(entry: Entry) -> WebhookLog:
    return entry.record


def _log(entry: Entry) -> WebhookLog:
    return entry.log
