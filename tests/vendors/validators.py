"""A vendor with ETags.

Revalidation has a rule that the tests of each vendor check: a value from several responses is
unchanged only if all of them are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from gateway.model import Hook
from gateway.upstream.operation import Operation
from tests.vendors.vendors import START, Clock, Vendor, answer, make, token

Rows = Callable[[httpx.Request], tuple[Any, str]]
"""Returns the document for a request, and its ETag."""


def tagged(rows: Rows) -> Vendor:
    """Return a vendor that responds with 304 if the request has the document's ETag."""

    def respond(request: httpx.Request) -> httpx.Response:
        if issued := token(request):
            return issued
        document, tag = rows(request)
        if request.headers.get("If-None-Match") == tag:
            return httpx.Response(304, headers={"ETag": tag})
        return answer(document, 200, ETag=tag)

    return Vendor(respond)


async def hooks_twice(
    provider: str, rows: Rows, change: Callable[[], None], **settings: Any
) -> list[Hook]:
    """Read the hooks, change them, and read them again without using fresh cache entries."""
    clock = Clock(START)
    source = make(provider, tagged(rows), clock, **settings)
    await source.hooks(Operation(5))
    change()
    clock.advance(1)
    return list(await source.hooks(Operation(5, max_age=0)))
