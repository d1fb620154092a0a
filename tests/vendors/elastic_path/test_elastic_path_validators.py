"""Revalidation by ETag."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.model import CacheStatus
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Window
from tests.vendors.documents import STREAMS, changed
from tests.vendors.validators import tagged
from tests.vendors.vendors import START, Clock, make


async def test_url_of_an_integration_is_refreshed_though_its_logs_are_unchanged() -> None:
    """A page combines logs and integrations, which are cached separately."""
    integration = {
        "id": "2f2f0f9e-6f5c-4a0b-8f4e-8a7c5b0a1d22",
        "configuration": {"url": "https://old.example/hook"},
        "observes": ["order.paid"],
    }
    log = changed(
        "elastic-path",
        relationships={"integration": {"data": {"type": "integration", "id": integration["id"]}}},
    )

    def rows(request: httpx.Request) -> tuple[Any, str]:
        if request.url.path.endswith("/logs"):
            return {"data": [log]}, '"logs"'
        first = request.url.params.get("page[offset]") == "0"
        return {"data": [integration] if first else []}, f'"{integration}{first}"'.replace(" ", "")

    clock = Clock(START)
    source = make("elastic-path", tagged(rows), clock)

    async def read() -> tuple[Page, CacheStatus]:
        operation = Operation(5, max_age=0)
        cached = await source.page(STREAMS["elastic-path"], Window(limit=50), Criteria(), operation)
        return cached.value, cached.freshness.status

    await read()
    clock.advance(1)
    page, status = await read()
    assert status is CacheStatus.REVALIDATED
    integration["configuration"] = {"url": "https://new.example/hook"}
    clock.advance(1)
    page, status = await read()
    request = page.logs[0].request
    assert request is not None
    assert request.url == "https://new.example/hook"
    assert status is CacheStatus.MISS
