"""What events say of looks into the cache, and of the reads that fill it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from cachetools import LRUCache

from gateway.errors import UpstreamError
from gateway.events import CANCELLED, COLLAPSED, FAILED, CacheLookedUp, Events, SourceRead, Span
from gateway.model import CacheStatus

if TYPE_CHECKING:
    from gateway.model import Freshness
    from gateway.upstream.operation import Operation
    from gateway.upstream.trace import Trace

MAX_READS = 1024
"""Recorded reads that are remembered for those who wait for them."""


class Lookup(NamedTuple):
    """A look for the entry of a key; ``began`` is in seconds, and 0 if it is not recorded."""

    key: str
    trace: Trace | None
    began: float


class CacheEvents:
    """Tells of what one source looks up and reads.

    What is found ``in_memory`` takes no time, and so has no span: a list may have many of them.
    """

    def __init__(self, source: str, events: Events, *, in_memory: bool) -> None:
        self._source = source
        self._events = events
        self._in_memory = in_memory
        self._reads: LRUCache[str, Span] = LRUCache(MAX_READS)
        """The span of the latest read for each key."""

    def begin(self, key: str, operation: Operation) -> Lookup:
        """Begin to look for the entry of a key."""
        trace = operation.trace
        if trace is None or trace.span is None:
            return Lookup(key, trace, 0.0)
        return Lookup(key, trace.part(), time.perf_counter())

    def hit(self) -> None:
        """Tell that there is a fresh value in memory."""
        if self._events.wants(CacheLookedUp):
            self._events.emit(CacheLookedUp(self._source, CacheStatus.HIT.name))

    def found(self, lookup: Lookup, freshness: Freshness) -> None:
        """Tell that there is a value, which may have been read for it."""
        if self._in_memory and freshness.status is CacheStatus.HIT:
            self.hit()
        elif lookup.began or self._events.wants(CacheLookedUp):
            self._tell(lookup, COLLAPSED if freshness.collapsed else freshness.status.name)

    def failed(self, lookup: Lookup, outcome: str = FAILED) -> None:
        """Tell that there is none, and that it could not be read, or is not waited for."""
        if lookup.began or self._events.wants(CacheLookedUp):
            self._tell(lookup, outcome)

    def _tell(self, lookup: Lookup, outcome: str) -> None:
        span = lookup.trace.span if lookup.trace else None
        if span is None:
            self._events.emit(CacheLookedUp(self._source, outcome))
            return
        seconds = time.perf_counter() - lookup.began
        waited = outcome in {COLLAPSED, FAILED, CANCELLED}
        by = self._reads.get(lookup.key) if waited else None
        if by is not None and by.parent_id == span.id:
            by = None  # it is a part of this one
        self._events.emit(CacheLookedUp(self._source, outcome, seconds, span, by))

    @contextlib.contextmanager
    def reading(self, lookup: Lookup, *, background: bool) -> Iterator[Trace | None]:
        """Tell of a read when it ends; yield the trace that its calls are parts of."""
        trace = lookup.trace.part() if lookup.trace else None
        span = trace.span if trace else None
        if span is not None:
            self._reads[lookup.key] = span
        else:
            self._reads.pop(lookup.key, None)
        code, began = None, time.perf_counter()
        try:
            yield trace
        except UpstreamError as error:
            code = error.code.name
            raise
        except asyncio.CancelledError:
            code = CANCELLED
            raise
        finally:
            if span is not None or self._events.wants(SourceRead):
                self._events.emit(
                    SourceRead(
                        source=self._source,
                        seconds=time.perf_counter() - began,
                        background=background,
                        code=code,
                        span=span,
                    )
                )
