"""Ways to ask a vendor: for what may fail, or not be there, or be refused in one form."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import ParamSpec, TypeVar, cast

from gateway.errors import ErrorCode, UpstreamError

REFUSED = frozenset({400, 422})
"""The statuses of a vendor that does not take a parameter."""

Params = tuple[tuple[str, str], ...]
"""The parameters of a query."""

T = TypeVar("T")
U = TypeVar("U")
P = ParamSpec("P")


async def outcome(
    ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T | UpstreamError:
    """Ask, giving a vendor's failure in place of raising it, so that others can go on."""
    try:
        return await ask(*args, **kwargs)
    except UpstreamError as error:
        return error


async def all_of(
    first: Awaitable[T], second: Awaitable[U]
) -> tuple[T | UpstreamError, U | UpstreamError]:
    """Wait for both, whatever comes of one: else the other would go on uncounted by the report.

    A vendor's failure is returned in place of a result; anything else is raised.
    """
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, UpstreamError):
            raise result
    return cast("tuple[T | UpstreamError, U | UpstreamError]", results)


def may_go_on(rows: int, limit: int, read: int, total: int | None) -> bool:
    """Return whether a list of hooks may have more behind a page of so many ``rows``.

    ``read`` rows stood before it. A short page proves nothing: the vendor may give fewer than
    ``limit``. A total that is just reached does, unless it only counts what was given so far, which
    shows where the page has a round number of rows, as such a cap has.
    """
    return rows > 0 and (rows >= limit or rows % 5 == 0 or total != read + rows)


async def if_known(ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Ask, giving None where the vendor does not know what it is asked for."""
    try:
        return await ask(*args, **kwargs)
    except UpstreamError as error:
        if error.code is ErrorCode.UPSTREAM_NOT_FOUND:
            return None
        raise


async def first_accepted(
    ask: Callable[[Params], Awaitable[T]], attempts: Iterable[Params]
) -> tuple[T, Params]:
    """Ask with one set of parameters after the other, until the vendor does not refuse them.

    Gives what was answered and the parameters that were taken; the last refusal is raised.
    """
    *others, last = dict.fromkeys(attempts)
    for params in others:
        try:
            return await ask(params), params
        except UpstreamError as error:
            if error.status not in REFUSED:
                raise
    return await ask(last), last


def either(values: Iterable[T | UpstreamError]) -> tuple[list[T], list[UpstreamError]]:
    """Tell results from failures, of which what opened the breaker comes before that it is open."""
    good: list[T] = []
    bad: list[UpstreamError] = []
    for value in values:
        if isinstance(value, UpstreamError):
            bad.append(value)
        else:
            good.append(value)
    bad.sort(key=lambda error: error.code is ErrorCode.UPSTREAM_CIRCUIT_OPEN)
    return good, bad


def is_sendable(text: str) -> bool:
    """Tell whether a caller's text can go into a vendor's query; the feed filters anyway."""
    return 0 < len(text) <= 100 and text.isprintable()
