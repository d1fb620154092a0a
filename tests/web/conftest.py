"""The application for the tests of the short way; each module has its own sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.web.direct import Direct, direct, watch_ways

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.sandbox import Sandbox


@pytest.fixture
async def app(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Direct]:
    watch_ways(monkeypatch)
    async with direct(tmp_path, sandbox, monkeypatch) as app:
        yield app
