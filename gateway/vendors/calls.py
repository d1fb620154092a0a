"""Helpers for calls that may fail, find nothing, or be refused in one form only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

from gateway.errors import ErrorCode, UpstreamError, without_frames

if TYPE_CHECKING:
    from gateway.upstream.operation import Operation

REFUSED = frozenset({400, 422})
"""Statuses with which vendors refuse a parameter."""

Params = tuple[tuple[str, str], ...]
"""Query parameters."""

_LINK = re.compile(r"<([^<>]*)>([^<>]*)")
_RELATION = re.compile(r""";\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))""", re.IGNORECASE)

T = TypeVar("T")
U = TypeVar("U")
P = ParamSpec("P")


async def result_or_error(
    call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T | UpstreamError:
    """Call, and return a vendor's failure instead of raising it, so that other calls continue."""
    try:
        return await call(*args, **kwargs)
    except UpstreamError as error:
        return without_frames(error)


async def both(
    first: Awaitable[T], second: Awaitable[U]
) -> tuple[T | UpstreamError, U | UpstreamError]:
    """Await two calls; a vendor's failure is returned instead of a result.

    Other exceptions are raised once both calls have ended, so that the report counts all calls.
    """
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, UpstreamError):
            without_frames(result)
        elif isinstance(result, BaseException):
            try:
                raise result
            finally:
                # This frame is in its traceback.
                del result, results
    return cast("tuple[T | UpstreamError, U | UpstreamError]", results)


def may_have_more(rows: int, limit: int, read: int, total: int | None) -> bool:
    """Return whether a list of hooks may continue after a page of ``rows`` rows.

    ``read`` is the number of rows before the page. A page shorter than ``limit`` proves nothing, as
    the vendor may have a smaller maximum. A ``total`` that is just reached proves the end, unless
    it merely counts the rows returned so far. That is possible if the page has a multiple of five
    rows, as page sizes usually do.
    """
    return rows > 0 and (rows >= limit or rows % 5 == 0 or total != read + rows)


async def none_if_missing(
    call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T | None:
    """Call, and return None if the vendor responds that there is no such thing."""
    try:
        return await call(*args, **kwargs)
    except UpstreamError as error:
        if error.code is ErrorCode.UPSTREAM_NOT_FOUND:
            return None
        raise


async def first_accepted(
    call: Callable[[Params], Awaitable[T]], attempts: Iterable[Params]
) -> tuple[T, Params]:
    """Call with each set of parameters until the vendor accepts one.

    Returns the result and the accepted parameters. If all are refused, the last error is raised.
    """
    *others, last = dict.fromkeys(attempts)
    for params in others:
        try:
            return await call(params), params
        except UpstreamError as error:
            if error.status not in REFUSED:
                raise
    return await call(last), last


async def together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results of all, which run at the same time; a single one needs no task."""
    if len(work) == 1:
        return [await work[0]]
    return await asyncio.gather(*work) if work else []


def split_results(values: Iterable[T | UpstreamError]) -> tuple[list[T], list[UpstreamError]]:
    """Separate results from failures.

    Failures by an open circuit breaker come last, because the others show why it opened.
    """
    results: list[T] = []
    errors: list[UpstreamError] = []
    for value in values:
        if isinstance(value, UpstreamError):
            errors.append(value)
        else:
            results.append(value)
    errors.sort(key=lambda error: error.code is ErrorCode.UPSTREAM_CIRCUIT_OPEN)
    return results, errors


def is_sendable(text: str) -> bool:
    """Return whether a caller's text can be sent to a vendor as a filter."""
    return 0 < len(text) <= 100 and text.isprintable()


def linked_parameter(links: str, relation: str, name: str) -> str | None:
    """Return a query parameter of the address that a ``Link`` header has for a relation.

    The header is that of RFC 8288: ``<https://vendor.example/logs?page=2>; rel="next", ...``.
    """
    target: str
    for target, attributes in _LINK.findall(links):
        found = _RELATION.search(attributes)
        if found is None or relation not in (found[1] or found[2]).lower().split():
            continue
        try:
            values: list[str] = parse_qs(urlsplit(target).query).get(name, [])
        except ValueError:
            continue
        if values:
            return values[0]
    return None


class Spacing:
    """Turns of actions that a vendor wants some ``seconds`` apart."""

    def __init__(self, source: str, seconds: float) -> None:
        self._source = source
        self._seconds = seconds
        self._free_at = float("-inf")

    async def turn(self, operation: Operation) -> None:
        """Wait for the next turn; UpstreamError at once if it is after the operation's deadline."""
        now = asyncio.get_running_loop().time()
        begin = max(now, self._free_at)
        if begin >= operation.deadline:
            raise UpstreamError(
                ErrorCode.UPSTREAM_RATE_LIMITED,
                f"Source {self._source} takes one action in {self._seconds:g} seconds, and others"
                " are waiting for their turn. Try again later, with fewer at a time.",
                source=self._source,
                sent=False,
                retry_after=begin - now,
            )
        self._free_at = begin + self._seconds
        if begin > now:
            await asyncio.sleep(begin - now)
