"""Hooks are found page by page, and what is wrong with one does not lose the others."""

from __future__ import annotations

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.operation import Operation
from gateway.vendors.pages import StreamsChanged, Wanted, Window
from tests.vendors.documents import HOOKS, STREAMS, hook_source
from tests.vendors.vendors import PROJECT, PROVIDERS, Vendor, always, answer, make


@pytest.mark.parametrize("provider", ["codearts", "yandex-tracker", "elastic-path"])
async def test_hook_that_cannot_be_read_is_told_and_the_others_are_served(provider: str) -> None:
    source = hook_source(provider, [{"name": "no id"}, "no hook", *HOOKS[provider]])
    if provider == "elastic-path":
        with pytest.raises(StreamsChanged):
            await source.vendor.read_page(
                STREAMS[provider], Window(limit=1), Wanted(), Operation(5)
            )
    found = await source.find_streams(Operation(5))
    assert len(found.streams) == 1
    (error,) = found.errors
    assert error.code is ErrorCode.UPSTREAM_INVALID_RESPONSE
    assert str(error).startswith("Source it has hooks that can't be read")
    assert len(await source.hooks(Operation(5))) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_list_of_hooks_that_ignores_its_paging_has_an_end(provider: str) -> None:
    """Even where the vendor gives no total, and a full page that could have a successor."""
    id = "uuid" if provider == "language-weaver" else "id"
    rows = [HOOKS[provider][0] | {id: 1000 + number} for number in range(100)]
    source = hook_source(provider, rows)
    assert len(await source.hooks(Operation(5))) == 100


@pytest.mark.parametrize("id", ["../jobs", "a/b", "..", "x" * 65, "é"])
async def test_elastic_path_integration_that_would_lead_elsewhere_is_not_asked_for(id: str) -> None:
    source = hook_source("elastic-path", [{"id": id}])
    with pytest.raises(StreamsChanged):
        await source.vendor.read_page(
            STREAMS["elastic-path"], Window(limit=1), Wanted(), Operation(5)
        )
    found = await source.find_streams(Operation(5))
    assert found.streams == []
    assert len(found.errors) == 1


async def test_scope_that_fails_leaves_the_others() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if "/groups/" in request.url.path:
            return answer({}, 403)
        return answer(HOOKS["codearts"])

    source = make("codearts", Vendor(respond), groups=[41207])
    found = await source.find_streams(Operation(5))
    assert [stream.place for stream in found.streams] == [("projects", PROJECT, "990412")]
    assert [error.code for error in found.errors] == [ErrorCode.UPSTREAM_FORBIDDEN]
    with pytest.raises(UpstreamError):
        await make("codearts", Vendor(respond), projects=[], groups=[41207]).find_streams(
            Operation(5)
        )


async def test_what_opened_the_breaker_is_told_before_that_it_is_open() -> None:
    """Of many scopes, the first waits to be tried again when the others open it."""
    groups = list(range(1, 13))
    source = make("codearts", always({}, 503), projects=[], groups=groups, concurrency=1)
    with pytest.raises(UpstreamError) as failure:
        await source.find_streams(Operation(5))
    assert failure.value.code is ErrorCode.UPSTREAM_ERROR


async def test_chosen_hook_that_no_scope_has_is_told() -> None:
    source = make("codearts", always(HOOKS["codearts"]), groups=[1], hooks=[990412, 7])
    found = await source.find_streams(Operation(5))
    assert len(found.streams) == 2
    (error,) = found.errors
    assert str(error).startswith("Source it has no hook 7 in any of its scopes. Check hooks")
