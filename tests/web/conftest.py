"""The application for the tests of the short way, and a page of a browser.

Each module has its own sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.web.direct import Direct, direct, watch_ways

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page
    from playwright.sync_api import Route as BrowserRoute

    from gateway.sandbox import Sandbox


@pytest.fixture
async def app(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Direct]:
    watch_ways(monkeypatch)
    async with direct(tmp_path, sandbox, monkeypatch) as app:
        yield app


@pytest.fixture
def complaints() -> list[str]:
    """Errors in the page's console; a test must leave none."""
    return []


@pytest.fixture
def browser_page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A page that reaches loopback only; the test fails if it reports errors."""
    refused: list[str] = []

    def guard(route: BrowserRoute) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        context.route("**/*", guard)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        yield page
    assert refused == []
    assert complaints == []
