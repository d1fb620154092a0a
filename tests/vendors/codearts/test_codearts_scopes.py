"""Hooks belong to several scopes, some of which may fail or be empty."""

from __future__ import annotations

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.operation import Operation
from tests.vendors.codearts.case import CASE, PROJECT
from tests.vendors.vendors import Vendor, always, answer, make


async def test_failing_scope_does_not_hide_the_others() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if "/groups/" in request.url.path:
            return answer({}, 403)
        return answer(CASE.hooks)

    source = make("codearts", Vendor(respond), groups=[41207])
    found = await source.find_streams(Operation(5))
    assert [stream.place for stream in found.streams] == [("projects", PROJECT, "990412")]
    assert [error.code for error in found.errors] == [ErrorCode.UPSTREAM_FORBIDDEN]
    with pytest.raises(UpstreamError):
        await make("codearts", Vendor(respond), projects=[], groups=[41207]).find_streams(
            Operation(5)
        )


async def test_cause_of_an_open_breaker_is_reported() -> None:
    """The first of many scopes still waits for its retry when the others open the breaker."""
    groups = list(range(1, 13))
    source = make("codearts", always({}, 503), projects=[], groups=groups, concurrency=1)
    with pytest.raises(UpstreamError) as failure:
        await source.find_streams(Operation(5))
    assert failure.value.code is ErrorCode.UPSTREAM_ERROR


async def test_configured_hook_missing_in_all_scopes_is_reported() -> None:
    source = make("codearts", always(CASE.hooks), groups=[1], hooks=[990412, 7])
    found = await source.find_streams(Operation(5))
    assert len(found.streams) == 2
    (error,) = found.errors
    assert str(error).startswith("Source it has no hook 7 in any of its scopes. Check hooks")
