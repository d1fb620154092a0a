"""A list of 20,000 deliveries, scrolled from one end to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.web.console.screen import Console

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import CDPSession, Page

    from tests.web.console.screen import Serve

ROWS = 20_000
ROW_HEIGHT = 36

SCROLL = """async ([rows, rowHeight]) => {
  const grid = document.querySelector(".grid");
  const body = grid.querySelector(".grid-body");
  const grown = (height) => new Promise((resolve) => {
    const watcher = new ResizeObserver(() => {
      if (body.offsetHeight <= height) return;
      watcher.disconnect();
      resolve();
    });
    watcher.observe(body);
  });
  while (body.offsetHeight < rows * rowHeight) {
    const more = grown(body.offsetHeight);
    grid.scrollTop = grid.scrollHeight;
    await more;
  }
}"""
"""Scroll to the end again and again until there are so many rows."""


def test_page_does_not_grow_with_the_list(
    browser_page: Page, serve: Serve, static: Path, tmp_path: Path
) -> None:
    del static
    console = Console(browser_page, serve, tmp_path, logs=ROWS)
    console.open("?view=deliveries")
    assert console.rows
    page = console.page
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.evaluate(SCROLL, [ROWS // 5, ROW_HEIGHT])
    early = measure(session)
    page.evaluate(SCROLL, [ROWS, ROW_HEIGHT])
    late = measure(session)
    assert late["Nodes"] < 1.5 * early["Nodes"]
    assert late["JSEventListeners"] < 1.5 * early["JSEventListeners"]
    assert late["JSHeapUsedSize"] < 1.5 * early["JSHeapUsedSize"]
    assert page.locator(".grid-row").count() < 120
    # Rows that were let go are read again, and the row that is seen is the first one.
    page.evaluate("() => { document.querySelector('.grid').scrollTop = 0; }")
    page.locator("#row-0 a").wait_for()
    assert page.locator("#row-0").get_attribute("aria-rowindex") == "2"


def measure(session: CDPSession) -> dict[str, float]:
    """Return the numbers of the page that are left after garbage collection."""
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in metrics}
