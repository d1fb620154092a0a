from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from tests.support.moment import stopped


@pytest.fixture(scope="module")
def vendors(serve: Callable[[ASGIApp], str]) -> tuple[Sandbox, str]:
    sandbox = Sandbox(clock=stopped, logs=1000)
    return sandbox, serve(sandbox.app)


@pytest.fixture
def control(vendors: tuple[Sandbox, str]) -> Iterator[httpx.Client]:
    """Return a client of the sandbox's control API; faults end with the test."""
    with httpx.Client(base_url=vendors[1] + "/control") as client:
        yield client
        client.delete("/faults")


@pytest.fixture
def configuration(
    vendors: tuple[Sandbox, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    path = write_configuration(tmp_path, *vendors, port=0)
    monkeypatch.setenv("GATEWAY_CONFIG", str(path))
    return path
