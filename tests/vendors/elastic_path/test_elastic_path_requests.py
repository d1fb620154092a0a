"""Requests have exactly the documented method, path, headers and parameters."""

from __future__ import annotations

from gateway.upstream.operation import Operation
from tests.vendors.requests import (
    PLAIN,
    asked,
    list_logs,
)
from tests.vendors.vendors import INTEGRATION, JOB


async def test_integrations_and_logs() -> None:
    source, vendor = await asked("elastic-path", {"data": []})
    await source.hooks(Operation(5))
    await list_logs(source)
    await list_logs(source, INTEGRATION, offset=50)
    await source.read_log((INTEGRATION, JOB, "5e0a6f0c"), Operation(5))
    await source.read_log((INTEGRATION, "", "5e0a6f0c"), Operation(5))
    integrations = "GET /v2/integrations"
    assert vendor.asked == [
        f"{integrations}?page%5Blimit%5D=100&page%5Boffset%5D=0",
        f"{integrations}/logs?page%5Blimit%5D=50&page%5Boffset%5D=0",
        f"{integrations}/{INTEGRATION}/logs?page%5Blimit%5D=50&page%5Boffset%5D=50",
        f"{integrations}/{INTEGRATION}/jobs/{JOB}/logs",
        f"{integrations}/{INTEGRATION}/logs?page%5Blimit%5D=50&page%5Boffset%5D=0",
    ]
    assert dict(vendor.requests[-1].headers) == {
        **PLAIN,
        "host": "vendor.example",
        "authorization": "Bearer t0",
    }
