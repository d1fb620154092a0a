"""The result of reading each source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.errors import ErrorCode, UpstreamError
from gateway.model import Freshness, Timestamp, worst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.feed.reader import Reader
    from gateway.upstream.operation import Operation

UNREAD = "It was not read: no log of its vendor has what the filter asks for."
"""The note on a source that matches the filter but need not be read."""


class Report(msgspec.Struct, kw_only=True):
    """The result of reading one source.

    ``returned`` counts its logs on the page, ``scanned`` those examined for it, and ``unreadable``
    has a reason for each row that could not be parsed. ``error`` is the first failure; ``failed``
    is true if nothing could be read because of it. ``freshness`` is that of the oldest page, with
    the worst status of all; ``now`` is when the list was requested. ``unread`` is the error for
    lists beyond the source's ``max_streams``.
    """

    source: str
    error: UpstreamError | None = None
    unread: UpstreamError | None = None
    failed: bool = False
    returned: int = 0
    scanned: int = 0
    upstream_calls: int = 0
    unreadable: Sequence[str] = ()
    notes: list[str] = []
    freshness: Freshness | None = None
    now: Timestamp

    def complete(self, readers: Sequence[Reader], calls: int) -> None:
        """Add the results of the source's readers."""
        failed = [reader.error for reader in readers if reader.error]
        errors = [self.error, *failed] if self.error else failed
        # The failure that opened the circuit breaker says more than that it is open.
        errors.sort(key=lambda error: error.code is ErrorCode.UPSTREAM_CIRCUIT_OPEN)
        losses = [reader.pages.loss for reader in readers if reader.pages.loss]
        self.failed = self.failed or (len(failed) == len(readers) > 0 and not self.scanned)
        self.error = next(iter([*errors, *losses]), self.unread)
        self.freshness = worst(read for reader in readers for read in reader.reads)
        self.unreadable = [reason for reader in readers for reason in reader.pages.unreadable]
        notes = dict.fromkeys(note for reader in readers for note in reader.pages.notes)
        self.notes = [*self.notes, *notes]
        if self.freshness and self.freshness.failure:
            what = ErrorCode[self.freshness.failure].value.rstrip(".")
            self.notes.append(
                "What was read earlier is given in place of a failure:"
                f" {what[:1].lower()}{what[1:]}."
            )
        self.upstream_calls = calls


def complete_all(
    reports: Mapping[str, Report], readers: Sequence[Reader], operation: Operation
) -> list[Report]:
    """Complete the reports of all sources with the results of their readers."""
    owned: dict[str, list[Reader]] = {name: [] for name in reports}
    for reader in readers:
        owned[reader.source.name].append(reader)
    for name, report in reports.items():
        report.complete(owned[name], operation.calls[name])
        operation.scanned += report.scanned
        operation.returned += report.returned
        if report.error is not None:
            operation.result.is_incomplete = True
            operation.lost += (report.error.code.name,)
    return list(reports.values())
