"""The audit list as a GraphQL server of a few lines, which the gateway is compared with.

It is what one would write with Strawberry and httpx: no filters, pages, redaction or other vendors.
``UPSTREAM_URL`` is the address of the list, and ``CACHE_SECONDS`` how long its rows are kept.
"""

from __future__ import annotations

import os
import time
from typing import Any

import httpx
import strawberry
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.scalars import JSON

URL = os.environ.get("UPSTREAM_URL", "") + "/api/v2/audit/webhooks"
SECONDS = float(os.environ.get("CACHE_SECONDS", "0"))
CLIENT = httpx.AsyncClient(
    timeout=10, limits=httpx.Limits(max_connections=100, max_keepalive_connections=100)
)
PAGES: dict[int, tuple[float, Page]] = {}


@strawberry.type
class Entry:
    id: int
    uuid: str
    url: str
    event: str
    time_triggered: str
    time_last_attempted: str
    data: JSON
    error_message: str
    retry_attempts: int


@strawberry.type
class Page:
    entries: list[Entry]
    total_items: int


def entry(row: dict[str, Any]) -> Entry:
    return Entry(
        id=row["id"],
        uuid=row["uuid"],
        url=row["url"],
        event=row["event"],
        time_triggered=row["timeTriggered"],
        time_last_attempted=row["timeLastAttempted"],
        data=row["data"],
        error_message=row["errorMessage"],
        retry_attempts=row["retryAttempts"],
    )


@strawberry.type
class Query:
    @strawberry.field
    async def audit(self, per_page: int, marker: int | None = None) -> Page:
        """Return a page; ``marker`` only makes operations differ."""
        del marker
        read, page = PAGES.get(per_page, (0.0, None))
        if page is None or time.monotonic() - read > SECONDS:
            response = await CLIENT.get(URL, params={"page": 1, "perPage": per_page})
            document = response.raise_for_status().json()
            page = Page(
                entries=[entry(row) for row in document["entries"]],
                total_items=document["totalItems"],
            )
            if SECONDS:
                PAGES[per_page] = (time.monotonic(), page)
        return page


app: GraphQL[None, None] = GraphQL(
    strawberry.Schema(Query, extensions=[lambda: ParserCache(100), lambda: ValidationCache(100)])
)
