"""What vendors may apply of a filter: conditions that every match meets.

The tests of a filter also decide what is not known yet, as they do for whole sources: supposing a
log with a certain status, they return False only if nothing else about it can make it match. So
each value that a match can have is found, whatever ``and``, ``or`` and ``not`` are around it::

    {"or": [{"status": {"eq": FAILED}}, {"not": {"status": {"neq": PENDING}}}]}
    statuses    FAILED and PENDING
    {"or": [{"status": {"eq": FAILED}}, {"event": {"eq": "push"}}]}
    statuses    any, since a push may have any

Of codes and hooks there are too many to try. It is enough to try those that the filter names, and
those beside them, as no comparator distinguishes any others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from gateway import ids
from gateway.feed.cursor import LATEST
from gateway.model import Timestamp, WebhookLogStatus
from gateway.vendors.pages import MAX_STATUS_CODE, Criteria

if TYPE_CHECKING:
    from gateway.feed.filter_tests import Partial
    from gateway.feed.filters import Filter

MINUTE = 60_000_000_000
EVERYTHING = Criteria()


def criteria_of(wanted: Filter, known: Partial, *, of_one_hook: bool = False) -> Criteria:
    """Return conditions that every match in some lists meets; ``known`` is what their logs share.

    Where each list is ``of_one_hook``, that is asked for by reading the list.
    """
    if not wanted.operands:
        return EVERYTHING
    since, until = wanted.bounds("triggered_at")
    events, correlations = wanted.only("event"), wanted.only("correlation_id")
    return Criteria(
        # Bounds that move with every call would find nothing in the cache.
        since=_moment(since and since - since % MINUTE),
        until=_moment(until and until + -until % MINUTE),
        statuses=_statuses(wanted, known),
        events=tuple(sorted(events)) if events else None,
        correlation_id=next(iter(correlations))
        if correlations and len(correlations) == 1
        else None,
        hooks=None if of_one_hook else _hooks(wanted, known),
        status_codes=_status_codes(wanted, known),
    )


def _statuses(wanted: Filter, known: Partial) -> frozenset[WebhookLogStatus] | None:
    if "status" not in wanted.operands:
        return None
    found = [status for status in WebhookLogStatus if _may_be(wanted, known, "status", status)]
    return frozenset(found) if 0 < len(found) < len(WebhookLogStatus) else None


def _hooks(wanted: Filter, known: Partial) -> tuple[str, ...] | None:
    named = wanted.operands.get("hook_id")
    # The empty id stands for all that the filter does not name.
    if not named or _may_be(wanted, known, "hook_id", "", None):
        return None
    found = [ids.decode(hook) for hook in named if _may_be(wanted, known, "hook_id", hook)]
    own = {hook.place[-1] for hook in found if hook.source == known.source and hook.place}
    return tuple(sorted(own)) or None


def _status_codes(wanted: Filter, known: Partial) -> tuple[int, int] | None:
    named = wanted.operands.get("http_status")
    if not named or _may_be(wanted, known, "http_status", None):
        return None
    tried = {0, MAX_STATUS_CODE, *(code + step for code in named for step in (-1, 0, 1))}
    possible = [
        code
        for code in tried
        if 0 <= code <= MAX_STATUS_CODE and _may_be(wanted, known, "http_status", code)
    ]
    return (min(possible), max(possible)) if possible else None


def _may_be(wanted: Filter, known: Partial, attribute: str, *values: Any) -> bool:
    """Return whether a log with one of the values, where None is none, can match."""
    return any(
        wanted.may_match(
            replace(known, lacks=known.lacks | {attribute})
            if value is None
            else replace(known, supposed={attribute: value})
        )
        for value in values
    )


def _moment(bound: int | None) -> Timestamp | None:
    return Timestamp(bound) if bound is not None and 0 < bound < LATEST else None
