from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.sandbox import Sandbox
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = 1_772_615_411.25


@pytest.fixture
def clock() -> Clock[float]:
    return Clock(START)


long_history = pytest.mark.parametrize("sandbox", [2_000], indirect=True, ids=["long"])
"""Gives a test a sandbox with so many logs that rare ones are among them."""


@pytest.fixture
def sandbox(clock: Clock[float], request: pytest.FixtureRequest) -> Sandbox:
    return Sandbox(clock=clock, logs=getattr(request, "param", 500))


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        yield client
