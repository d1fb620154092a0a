"""An application whose vendors are simulated, and its spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.sandbox import Sandbox
from tests.support.moment import stopped
from tests.telemetry.recorded import Recorded
from tests.web.direct import Direct, direct

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Direct]:
    sandbox = Sandbox(clock=stopped, logs=60)
    async with direct(tmp_path, sandbox, monkeypatch) as app:
        yield app


@pytest.fixture
def recorded(app: Direct) -> Recorded:
    return Recorded(app.gateway.events)


@pytest.fixture
def parents(app: Direct, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return the traceparent of each request that vendors get."""
    found: list[str | None] = []
    handle = app.vendors.handle_async_request

    async def noted(request: httpx.Request) -> httpx.Response:
        found.append(request.headers.get("traceparent"))
        return await handle(request)

    monkeypatch.setattr(app.vendors, "handle_async_request", noted)
    return found
