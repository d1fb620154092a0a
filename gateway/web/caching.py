"""What callers and their caches are told of how fresh an answer is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.model import BEST_FIRST, CacheStatus, Freshness

if TYPE_CHECKING:
    from starlette.responses import Response

Reads = Mapping[str, Sequence[Freshness]]
"""How fresh what was read of each source is, by its name."""


def cache_status(reads: Reads, now: int) -> str:
    """Tell for each source how its reads were answered: the value of Cache-Status, RFC 9211.

    ``now`` is in Unix nanoseconds. Of several reads of one source, the worst tells for all.
    """
    return ", ".join(_member(name, reads[name], now) for name in sorted(reads) if reads[name])


def _member(source: str, reads: Sequence[Freshness], now: int) -> str:
    status = max((read.status for read in reads), key=BEST_FIRST.index)
    worst = [read for read in reads if read.status is status]
    left = f"ttl={_seconds_left(reads, now)}"
    failure = next((read.failure for read in worst if read.failure), None)
    parameters = {
        CacheStatus.HIT: ["hit", left],
        CacheStatus.REVALIDATED: ["fwd=stale", "fwd-status=304"],
        CacheStatus.MISS: ["fwd=miss", "stored"],
        CacheStatus.STALE: ["hit", left],
    }[status]
    if "hit" not in parameters and all(read.collapsed for read in worst):
        parameters.append("collapsed")
    if failure:
        parameters.append(f"detail={_quoted(failure)}")
    return "; ".join(("gateway", *parameters, f"key={_quoted(source)}"))


def cache_control(reads: Reads, now: int) -> str:
    """Tell how long an answer may be kept: until the first of what was read is fresh no longer."""
    every = [read for of_source in reads.values() for read in of_source]
    return f"private, max-age={max(0, _seconds_left(every, now))}" if every else "private, no-cache"


def entity_tag(response: Response) -> str:
    """Name an answer by its content and media type."""
    digest = hashlib.sha256(response.headers["content-type"].encode())
    digest.update(response.body)
    return f'"{digest.hexdigest()[:32]}"'


def is_kept(if_none_match: str, tag: str) -> bool:
    """Tell whether a caller has an answer already, by its If-None-Match, RFC 9110, 13.1.2."""
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)


def _seconds_left(reads: Sequence[Freshness], now: int) -> int:
    """Give the whole seconds for which all are fresh; negative when one is fresh no longer."""
    return (min(read.fresh_until for read in reads) - now) // 10**9


def _quoted(text: str) -> str:
    """Write a string of RFC 9651, which has ASCII only."""
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return '"' + re.sub(r"[^ -~]", "?", escaped) + '"'


_TAG = re.compile(r'(?:W/)?("[^"]*")')
