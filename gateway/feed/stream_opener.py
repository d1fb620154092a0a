"""Find the lists of every source and open a reader for each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.errors import ErrorCode, UpstreamError, internal_error, without_frames
from gateway.feed.cursor import layout, source_key, stream_key, unpack_hints
from gateway.feed.filter_tests import Partial
from gateway.feed.merge import Turn, fill
from gateway.feed.push_down import criteria_of
from gateway.feed.reader import Reader
from gateway.feed.stream_pages import StreamPages
from gateway.model import Timestamp
from gateway.vendors.calls import together
from gateway.vendors.pages import Found, StreamsChanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.feed.cursor import Cursor
    from gateway.feed.filters import Filter
    from gateway.feed.report import Report
    from gateway.model import Hook
    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation
    from gateway.vendors.pages import Criteria, Stream

log = logging.getLogger(__name__)

DownTo = Callable[[bytes, str], Timestamp | None]
"""Returns the time down to which a list has to be read, by its mark and its source."""


class StreamOpener:
    """Opens the lists of some sources that may contain matches of a filter.

    ``incomplete`` are the sources whose lists were not all found.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        wanted: Filter,
        operation: Operation,
        reports: Mapping[str, Report],
        *,
        now: Timestamp,
        max_age: float | None,
    ) -> None:
        self.incomplete: set[str] = set()
        self._sources = sources
        self._filter = wanted
        self._operation = operation
        self._reports = reports
        self._now = now
        self._max_age = max_age
        self._criteria: dict[tuple[str, bool], Criteria] = {}

    async def open(self, after: Cursor | None, down_to: DownTo) -> list[Reader]:
        """Find the streams of every source and read the first rows of each, all at once."""
        opened = await together(
            [self._open_source(source, after, down_to) for source in self._sources]
        )
        found = [reader for readers in opened for reader in readers]
        if after is None:
            return found
        hints = unpack_hints(after, [reader.key for reader in found])
        for reader, hint in zip(found, hints, strict=True):
            reader.hint(hint)
        self._resume(found, after)
        turn = Turn()
        waiting = []
        for reader in found:
            if reader.waits_at is None or reader.waits_at >= after.horizon:
                await turn.end()
                if not reader.begin():
                    waiting.append(reader)
        changed = await together([self._fill(reader) for reader in waiting])
        for source in filter(None, dict.fromkeys(changed)):
            found = [reader for reader in found if reader.source is not source]
            readers = await self._open_source(source, after, down_to)
            self._resume([*found, *readers], after)
            await together(list(map(self._fill, readers)))
            found += readers
        return found

    def passed(self, readers: Sequence[Reader], cursor: Cursor) -> frozenset[bytes]:
        """Return the lists that have given all logs of a reduced cursor's time."""
        through = cursor.reduced.through if cursor.reduced else None
        if through is None:
            return frozenset()
        names = [source.name for source in self._sources]
        marks = [source_key(name) for name in names]
        if through[0] not in marks:
            return frozenset()
        own = names[marks.index(through[0])]
        before = set(names[: marks.index(through[0])])
        keys = [reader.key for reader in readers if reader.source.name == own]
        found = keys[: keys.index(through[1])] if through[1] in keys else []
        return frozenset(
            [*found, *(reader.key for reader in readers if reader.source.name in before)]
        )

    def _resume(self, readers: Sequence[Reader], after: Cursor) -> None:
        if after.reduced is None:
            return
        keys = [reader.key for reader in readers]
        passed = self.passed(readers, after)
        again = after.reduced.again_keys(keys, known=after.layout == layout(keys))
        for reader in readers:
            reader.resume(is_passed=reader.key in passed, again=reader.key in again)

    async def _fill(self, reader: Reader) -> Source | None:
        """Read the first rows; return the source if its streams have changed."""
        try:
            await fill(reader)
        except StreamsChanged as change:
            reader.end(change.refusal)
            return reader.source
        return None

    async def _open_source(
        self,
        source: Source,
        after: Cursor | None,
        down_to: DownTo,
    ) -> list[Reader]:
        report = self._reports[source.name]
        try:
            with contextlib.suppress(StreamsChanged):
                return await self._open_streams(source, after, down_to)
            return await self._open_streams(source, after, down_to)
        except UpstreamError as error:
            report.error = without_frames(error)
        except StreamsChanged as change:
            report.error = change.refusal
        except Exception:
            # A defect in one vendor's kit must not hide the other vendors' rows.
            log.exception("Finding the streams of source %s failed.", source.name)
            report.error = internal_error(source.name)
        report.failed = True
        self.incomplete.add(source.name)
        return []

    async def _open_streams(
        self,
        source: Source,
        after: Cursor | None,
        down_to: DownTo,
    ) -> list[Reader]:
        """Find the streams of a source, and read the first page of each as soon as it is known."""
        readers: dict[str, Reader] = {}
        filling: list[asyncio.Task[None]] = []

        def begin(stream: Stream) -> None:
            if stream.key in readers:
                return
            key = stream_key(source.name, stream.key)
            reader = Reader(
                self._pages(source, stream), after=after, down_to=down_to(key, source.name)
            )
            readers[stream.key] = reader
            if after is None and not reader.begin():
                filling.append(asyncio.create_task(fill(reader)))

        def begin_hooks(hooks: Sequence[Hook]) -> None:
            for stream in self._matching(source, filter(None, map(source.stream_of, hooks))):
                if len(readers) < source.max_streams:
                    begin(stream)

        operation = self._operation.reporting_hooks(begin_hooks if after is None else None)
        try:
            found: Found = await self._find(source, operation)
            streams = self._matching(source, found.streams)
            # The first in their order, whichever were known first: cursors rely on the same lists.
            chosen = streams[: source.max_streams]
            turn = Turn()
            for stream in chosen:
                await turn.end()
                begin(stream)
            await _all(filling)
            errors = [await _cause(error, filling, readers.values()) for error in found.errors]
            if errors and not found.streams:
                raise errors[0]
        finally:
            await _cancel(filling)
        self._report(source, errors, is_cut=len(streams) > len(chosen))
        return [readers[stream.key] for stream in chosen]

    def _matching(self, source: Source, streams: Iterable[Stream]) -> Sequence[Stream]:
        """Return the streams that may have logs that match the filter."""
        if self._filter.matches_all:
            return list(streams)
        matches = self._filter.may_match
        return [
            stream
            for stream in streams
            # Of a list of several hooks nothing is known but what its source was chosen by.
            if stream.hook_id is None or matches(partial_of(source, stream))
        ]

    def _report(self, source: Source, errors: Sequence[UpstreamError], *, is_cut: bool) -> None:
        """Report lists that were not found, and whether there are more than are read."""
        report = self._reports[source.name]
        if errors:
            report.error = errors[0]
            self.incomplete.add(source.name)
        if not is_cut:
            return
        why = f"It has more than {source.max_streams} lists of logs; only the first are read."
        report.notes = list(dict.fromkeys([*report.notes, why]))
        report.unread = UpstreamError(
            ErrorCode.TOO_MANY_STREAMS,
            f"Source {source.name} has more than {source.max_streams} lists of webhook logs; only"
            " the first are read. Filter by hook, name fewer hooks in the configuration, or raise"
            " max_streams.",
            source=source.name,
        )

    async def _find(self, source: Source, operation: Operation) -> Found:
        """Find the streams of a source, those too whose hooks were listed before a failure."""
        try:
            found = await source.find_streams(operation)
        except UpstreamError as error:
            found = Found([], [without_frames(error)])
        if not found.errors:
            return found
        known = {stream.key: stream for stream in found.streams}
        for failure in found.errors:
            for hook in failure.hooks:
                if stream := source.stream_of(hook):
                    known.setdefault(stream.key, stream)
        return Found(list(known.values()), found.errors)

    def _pages(self, source: Source, stream: Stream) -> StreamPages:
        of_one_hook = stream.hook_id is not None
        criteria = self._criteria.get((source.name, of_one_hook))
        if criteria is None:
            found = criteria_of(self._filter, partial_of(source), of_one_hook=of_one_hook)
            criteria = self._criteria[source.name, of_one_hook] = source.applicable(found)
        return StreamPages(
            source, stream, criteria, self._operation, now=self._now, max_age=self._max_age
        )


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    if len(tasks) == 1:
        await tasks[0]
    elif tasks:
        await asyncio.gather(*tasks)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    if all(task.done() and not task.cancelled() and not task.exception() for task in tasks):
        return
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _cause(
    error: UpstreamError, filling: Iterable[asyncio.Task[None]], readers: Iterable[Reader]
) -> UpstreamError:
    """Return the failure that opened the circuit breaker instead of the breaker's own error."""
    if error.code is not ErrorCode.UPSTREAM_CIRCUIT_OPEN:
        return error
    await asyncio.gather(*filling)
    return next((reader.error for reader in readers if reader.error), error)


def partial_of(source: Source, stream: Stream | None = None) -> Partial:
    """Return what is known about a source's or stream's logs before any is read."""
    return Partial(
        source=source.name,
        provider=source.provider,
        hook_id=stream.hook_id if stream else None,
        lacks=source.lacks,
    )
