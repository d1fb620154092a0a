"""Write the rows of a list of webhook logs, and keep what was written beside each record.

A row is a sequence of *runs*, which depend on nothing but the record and the caller's visibility
class for its source, and between them *live* fields, which are written each time: cursor,
freshness, availableActions, attempts, source, hook. ``{ id freshness { age } event }`` has the runs
``{"id":...,"freshness":`` and ``,"event":...}``. Headers and bodies are live in the rows of records
that were listed without them.

Invariants:

- A record never changes, and is one object for all callers. Its runs are kept (``gateway.schema.
  kept``) by a mark that stands for one compiled selection and one visibility class: below READER,
  below ADMIN, or ADMIN. Runs of one class are never given to another.
- Writing gives other work its turn: what takes longer than ``TURN`` is written after the rest of
  the answer, in turns (``_Unwritten``).
- A record that can't be written keeps None in place of its runs, so that it is tried once.
- What only depends on the source is written once per list, and so is each hook.
- A field of a log with a resolver of its own has to be named below; queries of others are left to
  graphql-core.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import GraphQLObjectType, get_named_type
from graphql.execution.collect_fields import FieldDetails

from gateway.callers import Role
from gateway.feed.positions import Entries, Entry
from gateway.model import WebhookLog
from gateway.schema import action_resolvers, resolvers, source_resolvers
from gateway.schema.kept import KEPT, LARGE
from gateway.schema.selection import (
    MAX_BYTES,
    Compiler,
    DeclinedError,
    Info,
    SurpriseError,
    Write,
    WriteLater,
)

if TYPE_CHECKING:
    from gateway.callers import Caller
    from gateway.schema.selection import Field

LOG = "WebhookLog"
PARTS = {resolvers.request_of_log, resolvers.response_of_log}
BY_RECORD = {*PARTS, resolvers.raw_of_log}
"""Resolvers whose result only depends on the record and the visibility class."""
BY_SOURCE = {source_resolvers.source_of, action_resolvers.available_actions}
"""Resolvers whose result only depends on the record's source, within one list."""
AWAITED: dict[object, Callable[[WebhookLog], object]] = {
    resolvers.attempts_of_log: lambda log: log.id,
    resolvers.hook_of_log: lambda log: (log.source, log.hook_id),
}
"""Resolvers to await, each with a key that records with the same result share."""
ON_DEMAND = {"headers", "body", "bodyJson"}
"""Fields of the request and response that a record may have been listed without."""

TURN = 0.004
"""Seconds for which records are written before other work gets its turn."""

Runs = tuple[bytes, ...]
Later = Callable[[], Awaitable[bytes]]


class Output:
    """The JSON of one operation as it is written.

    ``later`` has functions to await, each with the indices of ``parts`` where its bytes belong, of
    which there are none if it fills in parts itself. No more than about ``most`` bytes are written,
    unless that is None.
    """

    def __init__(self, info: Info, most: int | None = None) -> None:
        self.info = info
        self.parts: list[bytes] = []
        self.later: dict[object, tuple[Later, list[int]]] = {}
        self._size = 0
        self._most = most

    def reserve(self, size: int) -> None:
        """Take room for so many bytes; SurpriseError if there is none."""
        self._size += size
        if self._most is not None and self._size > self._most:
            raise SurpriseError

    def check(self) -> None:
        """Raise SurpriseError if all that was written is too much."""
        if self._most is not None and sum(map(len, self.parts)) > self._most:
            raise SurpriseError

    def put_later(self, key: object, write: Later) -> None:
        """Leave room for bytes that have to be awaited; those of the same key are written once."""
        self.later.setdefault(key, (write, []))[1].append(len(self.parts))
        self.parts.append(b"")


class _Live(NamedTuple):
    """A field that is written for each row; ``parent`` and ``key`` are functions of the entry.

    Rows with the same key have the same value within one list; None is no key.
    """

    write: Write
    parent: Callable[[Entry], object]
    key: Callable[[Entry], object]


class _Awaited(NamedTuple):
    """A field of a record that has to be awaited; rows with the same ``key`` share it."""

    write: WriteLater
    key: Callable[[WebhookLog], object]


_Part = bytes | Write | _Live | _Awaited


class Rows:
    """A compiled list of logs: ``edges`` or ``nodes`` of a connection."""

    def __init__(
        self, compiler: Compiler, kind: GraphQLObjectType, details: list[FieldDetails]
    ) -> None:
        self._complete = _Layout(_parts(compiler, kind, details, complete=True))
        self._listed = _Layout(_parts(compiler, kind, details, complete=False))

    def write(self, entries: Entries, output: Output) -> None:
        """Write the list, except for what has to be awaited."""
        caller = output.info.context.gateway.caller
        marks = _Marks(self._complete, caller)
        output.parts.append(b"[")
        if (rows := self._complete.kept(entries.records, marks)) is None:
            self._write_each(entries, marks, _Marks(self._listed, caller), output)
        elif rows and len(rows[0]) > LARGE:
            output.reserve(sum(map(len, rows)))
            for row in rows:
                output.parts += (row, b",")
            output.parts.pop()
        else:
            written = b",".join(rows)
            output.reserve(len(written))
            output.parts.append(written)
        output.parts.append(b"]")

    def _write_each(
        self, entries: Sequence[Entry], complete: _Marks, listed: _Marks, output: Output
    ) -> None:
        shared: dict[tuple[_Live, object], bytes] = {}
        unwritten = _Unwritten(output)
        comma = b""
        for entry in entries:
            record = entry.record
            layout, marks = self._complete, complete
            if not record.complete:
                layout, marks = self._listed, listed
            output.parts.append(comma)
            comma = b","
            runs = unwritten.runs_of(layout, record, marks[record.source])
            if isinstance(runs, bytes):
                output.parts.append(runs)
            else:
                layout.write_live(entry, runs, shared, output)
        if unwritten.records:
            output.later[unwritten] = unwritten.fill, []


class _Unwritten:
    """The records of a list that there is no time for now, with the indices of their runs."""

    def __init__(self, output: Output) -> None:
        self.records: list[tuple[slice, _Layout, WebhookLog, object]] = []
        self._output = output
        self._end = time.monotonic() + TURN

    def runs_of(self, layout: _Layout, record: WebhookLog, mark: object) -> bytes | Runs:
        """Return the runs of a record, which come next; empty ones if there is no time."""
        if mark in record.__dict__.get("written", ()) or time.monotonic() < self._end:
            return self._written(layout, record, mark)
        # Each field between two runs is one part.
        first = len(self._output.parts)
        indices = slice(first, first + 2 * len(layout.blank) - 1, 2)
        self.records.append((indices, layout, record, mark))
        return layout.blank

    def _written(self, layout: _Layout, record: WebhookLog, mark: object) -> bytes | Runs:
        runs = layout.runs_of(record, mark, self._output.info)
        if runs is None:
            raise SurpriseError
        self._output.reserve(_size(runs))
        return runs

    async def fill(self) -> bytes:
        """Write the records, and leave time for other work between them."""
        for indices, layout, record, mark in self.records:
            if time.monotonic() >= self._end:
                await asyncio.sleep(0)
                self._end = time.monotonic() + TURN
            runs = self._written(layout, record, mark)
            self._output.parts[indices] = (runs,) if isinstance(runs, bytes) else runs
        return b""


class _Layout:
    """The runs and live fields of a row."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self.marks = (object(), object(), object())
        self._runs: list[list[bytes | Write]] = [[]]
        self._live: list[_Live | _Awaited] = []
        for part in parts:
            if isinstance(part, _Live | _Awaited):
                self._live.append(part)
                self._runs.append([])
            else:
                self._runs[-1].append(part)
        self.blank: Runs = (b"",) * len(self._runs)

    def kept(self, records: Sequence[WebhookLog], marks: _Marks) -> list[bytes] | None:
        """Return the rows without live fields if all are kept."""
        if self._live:
            return None
        try:
            rows = [record.__dict__["written"][marks[record.source]] for record in records]
        except KeyError:
            return None
        return None if None in rows else rows

    def runs_of(self, record: WebhookLog, mark: object, info: Info) -> bytes | Runs | None:
        """Return the runs of a record, alone if there is one; None if it can't be written."""
        kept = record.__dict__.get("written", {})
        if mark in kept:
            found: bytes | Runs | None = kept[mark]
            return found
        try:
            runs = self._written(record, info)
        except Exception:  # noqa: BLE001 - graphql-core reports whatever it is
            runs = None
        KEPT.keep(record, mark, runs, _size(runs))
        return runs

    def _written(self, record: WebhookLog, info: Info) -> bytes | Runs:
        if not isinstance(record, WebhookLog):
            raise SurpriseError
        size, runs = 0, []
        for parts in self._runs:
            taken = []
            for part in parts:
                taken.append(part if isinstance(part, bytes) else part(record, info))
                if (size := size + len(taken[-1])) > MAX_BYTES:
                    raise SurpriseError
            runs.append(b"".join(taken))
        return tuple(runs) if self._live else runs[0]

    def write_live(
        self,
        entry: Entry,
        runs: Runs,
        shared: dict[tuple[_Live, object], bytes],
        output: Output,
    ) -> None:
        """Write a row; ``shared`` has what was written of the rows before."""
        parts = output.parts
        for run, live in zip(runs, self._live, strict=False):
            parts.append(run)
            if isinstance(live, _Awaited):
                _put_later(live, entry.record, output)
            elif (key := live.key(entry)) is None:
                parts.append(live.write(live.parent(entry), output.info))
            else:
                if (live, key) not in shared:
                    shared[live, key] = live.write(live.parent(entry), output.info)
                parts.append(shared[live, key])
        parts.append(runs[-1])


class _Marks(dict[str, object]):
    """The marks of a layout by source; each stands for what the caller may see of it."""

    def __init__(self, layout: _Layout, caller: Caller) -> None:
        super().__init__()
        self._marks = layout.marks
        self._caller = caller

    def __missing__(self, source: str) -> object:
        may = self._caller.may
        mark = self._marks[may(Role.READER, source) + may(Role.ADMIN, source)]
        self[source] = mark
        return mark


def _size(runs: bytes | Runs | None) -> int:
    return len(runs) if isinstance(runs, bytes) else sum(map(len, runs or ()))


def _put_later(live: _Awaited, log: WebhookLog, output: Output) -> None:
    async def write() -> bytes:
        written = await live.write(log, output.info)
        output.reserve(len(written))
        return written

    output.put_later((live, live.key(log)), write)


def _parts(
    compiler: Compiler, kind: GraphQLObjectType, details: list[FieldDetails], *, complete: bool
) -> list[_Part]:
    """Return the parts of a row in order."""
    parts: list[_Part] = [b"{"]
    for index, field in enumerate(compiler.fields(kind, details)):
        parts += [b"," * bool(index), field.key]
        if field.resolver is resolvers.log_of_entry:
            log: Any = compiler.schema.type_map[LOG]
            parts += _parts(compiler, log, field.details, complete=complete)
        elif field.resolver in PARTS and not complete and _is_on_demand(compiler, field):
            parts.append(_Awaited(compiler.object_later(field), lambda log: log.id))
        else:
            parts.append(_part(compiler, kind, field))
    return [*parts, b"}"]


def _is_on_demand(compiler: Compiler, field: Field) -> bool:
    kind: Any = get_named_type(field.type)
    return any(each.name in ON_DEMAND for each in compiler.fields(kind, field.details))


def _part(compiler: Compiler, kind: GraphQLObjectType, field: Field) -> Write | _Live | _Awaited:
    resolver = field.resolver
    if key := AWAITED.get(resolver):
        return _Awaited(compiler.later(field), key)
    write = compiler.field(field)
    # An edge has no attributes of the record.
    if field.name == "__typename" or (resolver is None and kind.name == LOG):
        return write
    if resolver in BY_RECORD:
        return write
    if resolver in BY_SOURCE:
        return _Live(write, lambda entry: entry.record, lambda entry: entry.record.source)
    if resolver is resolvers.freshness:
        return _Live(write, lambda entry: entry.log, lambda entry: id(entry.freshness))
    if resolver is resolvers.cursor_of_entry:
        return _Live(write, lambda entry: entry, lambda _: None)
    raise DeclinedError
