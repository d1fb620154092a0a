"""The console in a browser, over a gateway with all simulated vendors."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx

from gateway.callers.keys import create, hash_of
from gateway.cli.demo_configuration import write_configuration
from gateway.config.auth import AuthSettings
from gateway.sandbox import Sandbox
from gateway.settings import Settings, load
from gateway.web.app import create_app
from tests.support.moment import MOMENT, stopped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page
    from starlette.types import ASGIApp

    Serve = Callable[[ASGIApp], str]

DAY = "2026-03-03T09:00:00.000Z~2026-03-04T09:10:00.000Z"
"""The last day of the vendors, whose clock stands still."""
EMPTY = "2026-03-04T09:08:00.001Z~2026-03-04T09:08:00.002Z"
"""A time in which nothing was delivered."""
KEYS = {role: create(role, role)[0] for role in ("viewer", "admin")}
RETRYABLE = ".group:has(.retryable)"
"""A group of failures of which some can be sent again."""


class Console:
    """A gateway with all simulated vendors, and a page of its console.

    The vendors have at least ``logs`` deliveries.
    """

    def __init__(self, page: Page, serve: Serve, folder: Path, *, logs: int = 4000) -> None:
        self.page = page
        page.clock.set_fixed_time(MOMENT)
        sandbox = Sandbox(clock=stopped, logs=logs)
        self.sandbox = serve(sandbox.app)
        self.settings = load(write_configuration(folder, sandbox, self.sandbox, port=0), {})
        self._serve = serve
        self.url = ""

    def start(self, settings: Settings | None = None) -> None:
        """Serve the gateway; ``open`` does it with the settings of the demo."""
        self.url = self._serve(create_app(settings or self.settings))

    def protect(self) -> None:
        """Serve a gateway that asks for one of the ``KEYS``."""
        keys = [{"name": role, "role": role, "hash": hash_of(key)} for role, key in KEYS.items()]
        auth = AuthSettings.model_validate({"methods": ["api-keys"], "keys": keys})
        self.start(self.settings.model_copy(update={"auth": auth}))

    def open(self, query: str = "") -> None:
        self._start_if_needed()
        self.page.goto(f"{self.url}/{query}")

    def fail(self, vendor: str, **fault: object) -> None:
        httpx.put(f"{self.sandbox}/control/faults/{vendor}", json=fault).raise_for_status()

    def heal(self) -> None:
        httpx.delete(f"{self.sandbox}/control/faults").raise_for_status()

    def ask(self, query: str) -> Any:
        """Return the data of a query that needs no browser."""
        self._start_if_needed()
        answer = httpx.post(f"{self.url}/graphql", json={"query": query}).json()
        assert "errors" not in answer
        return answer["data"]

    def _start_if_needed(self) -> None:
        if not self.url:
            self.start()

    @property
    def parameters(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.page.url).query)

    @property
    def drawer(self) -> Locator:
        """The delivery that is open, once its details are there."""
        drawer = self.page.get_by_role("complementary", name="Delivery")
        drawer.locator(".facts").wait_for()
        return drawer

    @property
    def rows(self) -> list[str]:
        self.page.locator(".grid-row").first.wait_for()
        return self.page.locator(".grid-row").all_inner_texts()

    def enter(self, key: str) -> None:
        """Answer the question for a key."""
        self.page.get_by_label("API key or access token").fill(key)
        self.page.keyboard.press("Enter")

    def is_sent_again(self) -> None:
        """Wait for the message about a retry. The result of some vendors comes later."""
        message = self.page.locator(".message").first
        message.wait_for()
        assert re.match("Sent again|The vendor has accepted it", message.inner_text())
        [action] = self.ask("{ actions(first: 9) { nodes { kind outcome } } }")["actions"]["nodes"]
        assert action == {"kind": "RETRY", "outcome": "SUCCEEDED"}


@contextlib.contextmanager
def refusals_allowed(page: Page, complaints: list[str]) -> Iterator[None]:
    """Let the browser report answers with the status 401, which it does by itself."""
    yield
    page.goto("about:blank")  # after this nothing more is reported
    complaints[:] = [complaint for complaint in complaints if "401" not in complaint]
