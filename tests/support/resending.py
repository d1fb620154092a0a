"""Retries over a simulated vendor, whose clock goes on after each."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.service import Gateway
from gateway.settings import load
from gateway.sources import retries
from tests.support.actions import Schema
from tests.support.clock import Clock
from tests.support.demo import NOWHERE

START = 1_772_615_411_250_000_000
_SECONDS = 10
_SHOWN = "{ id status attempt correlationId isRedelivery redeliveryOf triggeredAt }"
RETRY = f"""
mutation($id: ID!) {{
  retryWebhookLog(id: $id) {{
    kind webhookLog {_SHOWN} replacement {_SHOWN} userErrors {{ code message }}
  }}
}}
"""
LIST = f"""
query($filter: WebhookLogFilter) {{ webhookLogs(first: 100, filter: $filter) {{ nodes {_SHOWN} }} }}
"""
ATTEMPTS = """
query($id: ID!) {
  webhookLog(id: $id) {
    durationMs
    attempts { number at status statusCode durationMs error responseBody }
  }
}
"""


class _Passing(httpx.AsyncBaseTransport):
    """A vendor that has sent again whatever it was asked to when the answer is there."""

    def __init__(self, vendor: httpx.AsyncBaseTransport, clock: Clock[int]) -> None:
        self._vendor = vendor
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._vendor.handle_async_request(request)
        if request.method != "GET":
            self._clock.advance(_SECONDS)
        return response


class Resending(Schema):
    """The schema over a gateway of one simulated vendor."""

    async def listed(self, **filter: Any) -> list[dict[str, Any]]:
        """Return the newest logs that match a filter."""
        found = await self.data(LIST, filter=filter)
        nodes: list[dict[str, Any]] = found["webhookLogs"]["nodes"]
        return nodes

    async def complete(self, id: str) -> dict[str, Any]:
        """Return the attempts of a log, and what only a single log has."""
        log: dict[str, Any] = (await self.data(ATTEMPTS, id=id))["webhookLog"]
        return log

    async def resend(self, id: str) -> dict[str, Any]:
        """Send a log again; return the payload, which has no errors."""
        payload: dict[str, Any] = (await self.data(RETRY, id=id))["retryWebhookLog"]
        assert payload.pop("userErrors") == []
        return payload


@contextlib.asynccontextmanager
async def resending(
    vendor: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Resending]:
    """Open a gateway over a simulated vendor."""
    monkeypatch.setattr(retries, "PAUSES", (0.0,))
    clock = Clock(START)
    sandbox = Sandbox(clock=clock.unix, logs=1000, vendors={vendor})
    clock.advance(60)
    settings = load(write_configuration(folder, sandbox, NOWHERE, port=0), {})
    transport = _Passing(httpx.ASGITransport(sandbox.app), clock)
    async with Gateway(settings, transport=transport, clock=clock) as gateway:
        yield Resending(gateway)
