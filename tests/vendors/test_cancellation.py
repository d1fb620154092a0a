"""Reads that are cancelled at any moment, as by a disconnect or a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import warnings
from collections.abc import Awaitable, Callable

import httpx
import pytest

from gateway.errors import UpstreamError
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, StreamsChanged, Window
from tests.vendors.cases import CASES
from tests.vendors.documents import PLACES, STREAMS
from tests.vendors.vendors import PROVIDERS, Vendor, always, make


async def given_up(work: Callable[[], Awaitable[object]], turns: int) -> bool:
    """Start work and cancel it some iterations of the event loop later, if it has not ended."""
    task = asyncio.ensure_future(work())
    for _ in range(turns):
        await asyncio.sleep(0)
    gave_up = task.cancel()
    with contextlib.suppress(asyncio.CancelledError, UpstreamError, StreamsChanged):
        await task
    return gave_up


@pytest.mark.slow
@pytest.mark.parametrize("what", ["streams", "hooks", "page", "log"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_cancelled_read_leaves_no_coroutine_unawaited(provider: str, what: str) -> None:
    at_once = always([])

    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return await at_once.handle_async_request(request)

    def read() -> Awaitable[object]:
        source = make(provider, Vendor(answer), **CASES[provider].several_scopes)
        operation = Operation(5)
        match what:
            case "streams":
                return source.find_streams(operation)
            case "hooks":
                return source.hooks(operation)
            case "page":
                return source.vendor.read_page(
                    STREAMS[provider], Window(limit=5), Criteria(), operation
                )
            case _:
                return source.read_log(PLACES[provider], operation)

    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        for turns in itertools.count():
            if not await given_up(read, turns):
                break
        gc.collect()
    assert [str(complaint.message) for complaint in complaints] == []
