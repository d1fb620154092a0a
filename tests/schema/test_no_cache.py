"""What one operation asks of the vendors when nothing old will do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import Settings, load
from tests.support.demo import SCHEMA
from tests.support.virtual_time import VIRTUAL_TIME, Backend

HOOKS = 130
"""More than the vendor lists on one page."""
SETTINGS = {
    "GATEWAY_SOURCES": """[{
        "name": "repo", "provider": "codearts", "base_url": "https://vendor.example",
        "groups": [1], "auth": {"type": "token", "token": {"env": "TOKEN"}}
    }]""",
    "TOKEN": "a-token-of-the-vendor",
}


class Vendor(httpx.AsyncBaseTransport):
    """Hooks with a log each. Calls that are in flight together make up a round."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []
        self._round: asyncio.Event | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._round is None:
            self._round = asyncio.Event()
            self.rounds.append([])
            asyncio.get_running_loop().call_later(0.05, self._end_round)
        self.rounds[-1].append(request.url.path + "?" + request.url.params["offset"])
        await self._round.wait()
        return httpx.Response(200, json=self._rows(request))

    def _end_round(self) -> None:
        assert self._round is not None
        self._round.set()
        self._round = None

    def _rows(self, request: httpx.Request) -> list[dict[str, Any]]:
        offset = int(request.url.params["offset"])
        if request.url.path.endswith("/hooks"):
            return [{"id": 1 + n} for n in range(offset, min(offset + 100, HOOKS))]
        hook = int(request.url.path.split("/")[-2])
        created_at = f"2026-03-04T09:{hook // 60:02}:{hook % 60:02}.000Z"
        return [{"id": hook, "created_at": created_at}] if offset == 0 else []


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


@pytest.fixture
async def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
async def gateway(vendor: Vendor) -> AsyncIterator[Gateway]:
    settings: Settings = load(None, SETTINGS)
    settings = settings.model_copy(
        update={
            "sources": tuple(
                source.model_copy(update={"concurrency": 100, "rate_limit": 1000.0})
                for source in settings.sources
            )
        }
    )
    async with Gateway(settings, transport=vendor, clock=time.time_ns) as gateway:
        yield gateway


async def ask(gateway: Gateway, document: str) -> dict[str, Any]:
    context = Context(gateway, gateway.operation(max_age=0))
    result = await SCHEMA.execute(document, context_value=context)
    assert result.errors is None
    assert result.data is not None
    return result.data


@pytest.mark.slow
async def test_logs_of_known_hooks_are_read_while_other_hooks_are_listed(
    gateway: Gateway, vendor: Vendor
) -> None:
    """Otherwise a first page takes one more round of calls for each page of hooks."""
    data = await ask(gateway, "{ webhookLogs(first: 5) { nodes { upstreamId } } }")
    assert [node["upstreamId"] for node in data["webhookLogs"]["nodes"]] == [
        str(HOOKS - n) for n in range(5)
    ]
    kinds = [
        {"hooks" if "/hooks?" in call else "logs" for call in calls} for calls in vendor.rounds
    ]
    assert kinds[:2] == [{"hooks"}, {"hooks", "logs"}]
    last_hooks = max(number for number, kind in enumerate(kinds) if "hooks" in kind)
    # The first rows of every list are there one round after the hooks that it belongs to.
    firsts = [
        number
        for number, calls in enumerate(vendor.rounds)
        for call in calls
        if call.endswith("/logs?0")
    ]
    assert len(firsts) == HOOKS
    assert max(firsts) <= last_hooks


@pytest.mark.slow
async def test_equal_fields_of_one_operation_call_the_vendor_once(
    gateway: Gateway, vendor: Vendor
) -> None:
    """What was requested since the operation began is new enough for all of it."""
    field = "webhookLogs(first: 5) { nodes { upstreamId } }"
    data = await ask(gateway, f"{{ one: {field} two: {field} }}")
    assert data["one"] == data["two"]
    calls = [call for calls in vendor.rounds for call in calls]
    assert len(calls) == len(set(calls))
    await ask(gateway, f"{{ {field} }}")
    again = [call for calls in vendor.rounds for call in calls]
    assert len(again) > len(calls)
