"""The console with and without callers, and axe, which checks pages for accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tests.support.npm import install
from tests.web.console.screen import Console, refusals_allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from tests.web.console.screen import Serve

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def console(browser_page: Page, serve: Serve, static: Path, tmp_path: Path) -> Console:
    del static
    return Console(browser_page, serve, tmp_path)


@pytest.fixture
def protected(console: Console, complaints: list[str]) -> Iterator[Console]:
    """A console whose gateway asks for a key."""
    with refusals_allowed(console.page, complaints):
        console.protect()
        console.open("?view=deliveries")
        console.page.get_by_text("A key is needed").wait_for()
        yield console


@pytest.fixture(scope="session")
def axe_script(absent: Callable[[str], NoReturn]) -> str:
    folder = install(Path(__file__).parent, absent)
    return (folder / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture
def axe(browser_page: Page, axe_script: str) -> Callable[..., list[str]]:
    """Return a function that returns what is wrong with the page as it is now, or with a part of
    it, for people who can't see it or use no mouse.
    """

    def check(part: str = "html") -> list[str]:
        browser_page.evaluate(axe_script + "; void 0")
        # An element that fades in has too little contrast on its way.
        found: dict[str, Any] = browser_page.evaluate(
            """async ([part, rules]) => {
              const running = document.getAnimations().filter(
                (one) => one.effect.getComputedTiming().iterations !== Infinity);
              await Promise.allSettled(running.map((one) => one.finished));
              return axe.run(part, { runOnly: rules });
            }""",
            [part, RULES],
        )
        return [
            f"{violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return check
