"""Revalidation by ETag: a value from several responses is unchanged only if all of them are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from gateway.model import CacheStatus, Hook
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Window
from tests.vendors.documents import STREAMS, changed
from tests.vendors.vendors import PROJECT, START, Clock, Vendor, answer, make, token

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


async def test_codearts_hook_renamed_on_first_page_is_shown_though_second_is_unchanged() -> None:
    """The 304 for the second page must not bring back the old name."""
    names = {number: f"hook {number}" for number in range(1, 131)}
    version = [1]

    def rows(request: httpx.Request) -> tuple[Any, str]:
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        page = [{"id": n, "name": names[n]} for n in list(names)[offset : offset + limit]]
        return page, f'"{offset}-{version[0] if offset == 0 else 0}"'

    def rename() -> None:
        names[1] = "renamed"
        version[0] = 2

    hooks = await hooks_twice("codearts", rows, rename, projects=[PROJECT])
    assert len(hooks) == 130
    assert hooks[0].name == "renamed"


async def test_tracker_trigger_renamed_is_shown_though_another_is_unchanged() -> None:
    """Configured triggers are read one by one, each with an ETag of its own."""
    names = {"41": "first", "42": "second"}

    def rows(request: httpx.Request) -> tuple[Any, str]:
        id = request.url.path.rpartition("/")[2]
        document = {
            "id": int(id),
            "name": names[id],
            "actions": [{"type": "Webhook", "endpoint": "https://desk.example"}],
        }
        return document, f'"{id}-{names[id]}"'

    def rename() -> None:
        names["42"] = "renamed"

    hooks = await hooks_twice("yandex-tracker", rows, rename, queues=[], triggers={"DEV": [41, 42]})
    assert [hook.name for hook in hooks] == ["first", "renamed"]


async def test_tracker_trigger_added_to_second_page_is_found_though_first_is_unchanged() -> None:
    """The logs of a trigger that is not found are missing from every list."""
    ids = list(range(1, 53))

    def rows(request: httpx.Request) -> tuple[Any, str]:
        after = int(request.url.params.get("id", 0))
        page = [id for id in ids if id > after][:50]
        actions = [{"type": "Webhook", "endpoint": "https://desk.example"}]
        return [{"id": id, "actions": actions} for id in page], f'"{after}-{len(page)}"'

    hooks = await hooks_twice("yandex-tracker", rows, lambda: ids.append(53))
    assert [int(hook.upstream_id) for hook in hooks] == ids


async def test_elastic_path_url_of_integration_is_refreshed_though_logs_are_unchanged() -> None:
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
