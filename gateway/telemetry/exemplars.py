"""The latest exemplar of each bucket of a histogram, which the workers of one server share.

Prometheus's library keeps exemplars where one process counts, but not where several count in files.
So they have memory that all workers have mapped: 8,192 places, of which a bucket has the one that
the hash of its name and labels says. Where two buckets have one place, the later exemplar stays.
"""

from __future__ import annotations

import bisect
import hashlib
import math
import struct
import time
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from gateway.shared_memory import SharedMemory
from gateway.telemetry.instruments import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.events import Span

PLACES = 2**13
_BOUNDS: list[str] = [floatToGoString(bound) for bound in (*BUCKETS, math.inf)]  # type: ignore[no-untyped-call]
_RECORD = struct.Struct("<8s16s8sdd")
"""The mark of the bucket, the ids of trace and span, the value and its time in seconds."""
_CHECK = struct.Struct("<I")
"""A checksum, as another process may read while this one writes."""
_SIZE = _RECORD.size + _CHECK.size


class _Place(NamedTuple):
    at: int
    mark: bytes


class Exemplars:
    """Exemplars by bucket; it can be an argument of a process that is being spawned."""

    def __init__(self, memory: SharedMemory | None = None) -> None:
        self._memory = memory or SharedMemory(PLACES * _SIZE)

    def __reduce__(self) -> tuple[Any, ...]:
        return Exemplars, (self._memory,)

    def put(self, name: str, labels: Mapping[str, str], value: float, span: Span) -> None:
        """Put the span of a value that a histogram counts."""
        bound = _BOUNDS[bisect.bisect_left(BUCKETS, value)]
        at, mark = _place(f"{name}_bucket", {**labels, "le": bound})
        trace_id, span_id = bytes.fromhex(span.trace_id), bytes.fromhex(span.id)
        record = _RECORD.pack(mark, trace_id, span_id, value, time.time())
        self._memory.data[at : at + _SIZE] = record + _CHECK.pack(zlib.crc32(record))

    def find(self, name: str, labels: Mapping[str, str]) -> Exemplar | None:
        """Return the latest one of a bucket, by the name and the labels of its sample."""
        at, mark = _place(name, labels)
        found = self._memory.data[at : at + _SIZE]
        record, check = found[: _RECORD.size], found[_RECORD.size :]
        own, trace_id, span_id, value, seconds = _RECORD.unpack(record)
        if own != mark or check != _CHECK.pack(zlib.crc32(record)):
            return None
        return Exemplar({"trace_id": trace_id.hex(), "span_id": span_id.hex()}, value, seconds)


def _place(name: str, labels: Mapping[str, str]) -> _Place:
    text = repr((name, sorted(labels.items())))
    mark = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return _Place(int.from_bytes(mark, "little") % PLACES * _SIZE, mark)
