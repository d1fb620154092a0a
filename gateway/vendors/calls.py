"""Helpers for calls that may fail, find nothing, or be refused in one form only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import ParamSpec, TypeVar, cast

from gateway.errors import ErrorCode, UpstreamError

REFUSED = frozenset({400, 422})
"""Statuses with which vendors refuse a parameter."""

Params = tuple[tuple[str, str], ...]
"""Query parameters."""

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
        return error


async def both(
    first: Awaitable[T], second: Awaitable[U]
) -> tuple[T | UpstreamError, U | UpstreamError]:
    """Await two calls; a vendor's failure is returned instead of a result.

    Other exceptions are raised once both calls have ended, so that the report counts all calls.
    """
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, UpstreamError):
            raise result
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
