"""Group failures that belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from gateway.feed.failure_groups import group_of, status_code_of
from gateway.feed.merge import Turn
from gateway.normalise.messages import normalised
from gateway.stats.tally import LOGS_PER_TURN, is_within

if TYPE_CHECKING:
    from gateway.feed.filters import Filter
    from gateway.feed.ready import Row
    from gateway.model import FailureCategory, Timestamp, WebhookLog
    from gateway.stats.reading import ListReading, Reading, Span

ON_RESULT = frozenset({"status", "http_status", "failure", "failure_group"})
"""Attributes by whose conditions a filter leaves out successes."""


class FailureGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Failures of one hook, category and status code, with a like message.

    ``found`` are those that were read, and ``count`` is exact, or None if it is not known.
    ``share`` is their part of the hook's deliveries. ``sample`` is the newest log.
    """

    id: str
    source: str
    hook_id: str | None
    category: FailureCategory
    status_code: int | None
    message: str
    count: int | None
    found: int
    first_seen: Timestamp | None
    last_seen: Timestamp | None
    share: float | None
    retryable: int
    span: Span
    sample: WebhookLog


class FailureGroups(msgspec.Struct, frozen=True):
    """The groups with the latest failures, of ``group_count``."""

    reading: Reading
    groups: Sequence[FailureGroup]
    group_count: int


class _Found:
    """The logs of a group."""

    def __init__(self) -> None:
        self.rows: list[tuple[ListReading, Row]] = []


async def group_failures(reading: Reading, most: int) -> FailureGroups:
    """Return the groups of the failures that were read, those with the latest ones first."""
    found: dict[str, _Found] = {}
    hooks: Counter[tuple[str, str | None]] = Counter()
    spans: dict[tuple[str, str | None], Span] = {}
    turn = Turn()
    for one in reading.lists:
        for number, row in enumerate(one.rows):
            if number % LOGS_PER_TURN == 0:
                await turn.end()
            log = row.log
            hook = (log.source, log.hook_id)
            if (span := spans.get(hook)) is None:
                span = spans[hook] = reading.span(*hook)
            if not is_within(log, span):
                continue
            hooks[hook] += 1
            if (id := group_of(log)) is not None:
                found.setdefault(id, _Found()).rows.append((one, row))
    groups = []
    shares = _has_shares(reading.wanted)
    for id, group in found.items():
        await turn.end()
        log = group.rows[0][1].log
        hook = (log.source, log.hook_id)
        groups.append(_group(id, group, spans[hook], hooks[hook] if shares else None))
    groups.sort(key=lambda one: (one.last_seen is not None, one.last_seen or 0), reverse=True)
    return FailureGroups(reading, groups[:most], len(groups))


def _group(id: str, found: _Found, span: Span, deliveries: int | None) -> FailureGroup:
    rows = found.rows
    times = [row.log.triggered_at for _, row in rows if row.log.triggered_at is not None]
    owner, newest = max(
        rows, key=lambda each: (each[1].log.triggered_at is not None, each[1].log.triggered_at or 0)
    )
    log = newest.log
    assert log.failure is not None  # noqa: S101 - it is in a group of failures
    freshness = newest.freshness or owner.reader.reads[0]
    return FailureGroup(
        id=id,
        source=log.source,
        hook_id=log.hook_id,
        category=log.failure.category,
        status_code=status_code_of(log),
        message=normalised(log.failure.message),
        count=len(rows) if span.is_complete else None,
        found=len(rows),
        first_seen=min(times, default=None),
        last_seen=max(times, default=None),
        share=None if deliveries is None else len(rows) / deliveries,
        retryable=sum(bool(row.log.failure and row.log.failure.retryable) for _, row in rows),
        span=span,
        sample=replace(log, freshness=freshness),
    )


def _has_shares(wanted: Filter) -> bool:
    """Return whether the filter allows deliveries whatever their result."""
    return not wanted.searches and ON_RESULT.isdisjoint(wanted.operands)
