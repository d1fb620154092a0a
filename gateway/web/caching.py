"""Headers about the freshness of a response: Cache-Status, Cache-Control, ETag."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from gateway.model import BEST_FIRST, CacheStatus, Freshness
from gateway.web.media_types import split

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.upstream.operation import Operation

VARY = ("Accept", "Authorization", "X-API-Key")
"""The headers that every response depends on, besides those with vendor credentials."""
Reads = Mapping[str, Sequence[Freshness]]
"""The freshness of everything that was read, by source."""


def described(
    response: Response,
    request: Request,
    operation: Operation,
    now: int,
    *,
    has_errors: bool = False,
) -> Response:
    """Add the headers to the response to an operation, or confirm the one that is stored."""
    set_cache_status(response, operation.reads, now)
    if request.method != "GET" or has_errors:
        return response
    tag = entity_tag(response)
    reads = {} if operation.result.is_incomplete else operation.reads
    response.headers["Cache-Control"] = cache_control(reads, now)
    response.headers["ETag"] = tag
    response.headers["Vary"] = ", ".join((*VARY, *operation.passed))
    if not is_current(",".join(request.headers.getlist("if-none-match")), tag):
        return response
    del response.headers["Content-Type"], response.headers["Content-Length"]
    return Response(status_code=304, headers=response.headers)


def set_cache_status(response: Response, reads: Reads, now: int) -> None:
    """Set Cache-Status, if anything was read."""
    if status := cache_status(reads, now):
        response.headers["Cache-Status"] = status


def collapsed(reads: Reads) -> dict[str, list[Freshness]]:
    """Return the freshness for an operation that has waited for another one to read."""
    forwarded = {CacheStatus.MISS, CacheStatus.REVALIDATED}
    return {
        source: [
            msgspec.structs.replace(read, collapsed=True) if read.status in forwarded else read
            for read in of_source
        ]
        for source, of_source in reads.items()
    }


def max_age(lines: Iterable[str]) -> float | None:
    """Return the age in seconds that a request's Cache-Control accepts; None without a limit."""
    ages: list[float] = []
    for directive in split(",".join(lines).lower(), ","):
        name, _, value = (part.strip(' \t"') for part in directive.partition("="))
        if name == "no-cache":
            ages.append(0.0)
        elif name == "max-age" and value.isdecimal():
            ages.append(float(value))
    return min(ages, default=None)


def cache_status(reads: Reads, now: int) -> str:
    """Return the value of Cache-Status (RFC 9211): the worst status of each source's reads.

    ``now`` is in Unix nanoseconds.
    """
    return ", ".join(_member(name, reads[name], now) for name in sorted(reads) if reads[name])


def _member(source: str, reads: Sequence[Freshness], now: int) -> str:
    if all(read.status is CacheStatus.HIT and not read.failure for read in reads):
        # What most responses have, and what they would have anyway.
        return f"gateway; hit; ttl={_seconds_left(reads, now)}; key={_quoted(source)}"
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
    """Return the Cache-Control of a response that is fresh as long as all of its reads are."""
    every = [read for of_source in reads.values() for read in of_source]
    return f"private, max-age={max(0, _seconds_left(every, now))}" if every else "private, no-cache"


def entity_tag(response: Response) -> str:
    """Return a strong ETag, computed from the content and the media type."""
    digest = hashlib.sha256(response.headers["content-type"].encode())
    digest.update(response.body)
    return f'"{digest.hexdigest()[:32]}"'


def is_current(if_none_match: str, tag: str) -> bool:
    """Return whether If-None-Match names a response (RFC 9110, 13.1.2)."""
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)


def _seconds_left(reads: Sequence[Freshness], now: int) -> int:
    """Return the whole seconds until the first read is stale; negative if one is already."""
    return (min(read.fresh_until for read in reads) - now) // 10**9


@functools.lru_cache(256)
def _quoted(text: str) -> str:
    """Return a string of RFC 9651; it holds printable ASCII only."""
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return '"' + re.sub(r"[^ -~]", "?", escaped) + '"'


_TAG = re.compile(r'(?:W/)?("[^"]*")')
