"""GraphiQL beside the console: its header, the key that both share, and narrow windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.web.explorer import example_operations
from tests.web.console.screen import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.web.console.screen import Console

    Axe = Callable[..., list[str]]


def run_example(page: Page) -> None:
    page.get_by_role("button", name="Execute query").click()
    page.locator(".result-window").get_by_text('"webhookLogs"').wait_for()


def use(page: Page, key: str) -> None:
    page.get_by_role("dialog", name="API key").get_by_label("API key or access token").fill(key)
    page.keyboard.press("Enter")


def test_page_says_what_the_examples_do(console: Console) -> None:
    console.open("graphql")
    page = console.page
    page.get_by_text("Each tab is an example").wait_for()
    page.get_by_role("tab", name="Statistics").click()
    page.get_by_text("Deliveries of the last day by source").wait_for()
    page.get_by_role("link", name="Console").click()
    page.get_by_role("heading", name="Overview").wait_for()


def test_page_without_the_console_has_no_link_to_it(console: Console) -> None:
    server = console.settings.server.model_copy(update={"console": False})
    console.start(console.settings.model_copy(update={"server": server}))
    console.open("graphql")
    console.page.get_by_text("Each tab is an example").wait_for()
    assert console.page.get_by_role("link", name="Console").count() == 0


@pytest.mark.parametrize("query", [text for text in example_operations() if "$id" not in text])
def test_example_can_be_run(console: Console, query: str) -> None:
    console.start()
    answer = httpx.post(f"{console.url}/graphql", json={"query": query})
    assert answer.json().keys() == {"data"}


def test_key_is_asked_for_and_shared_with_the_console(protected: Console) -> None:
    page = protected.page
    page.goto(f"{protected.url}/graphql")
    dialog = page.get_by_role("dialog", name="API key")
    dialog.get_by_text("This gateway needs an API key").wait_for()
    use(page, "wlg_wrong")
    dialog.get_by_text("The API key or token is not accepted").wait_for()
    use(page, KEYS["admin"])
    dialog.wait_for(state="hidden")
    run_example(page)
    page.get_by_role("link", name="Console").click()
    page.get_by_role("heading", name="Overview").wait_for()
    page.goto(f"{protected.url}/graphql")
    page.get_by_role("button", name="API key is set").click()
    page.get_by_role("button", name="Forget").click()
    dialog.get_by_text("This gateway needs an API key").wait_for()
    assert page.evaluate("() => sessionStorage.getItem('webhook-logs.key')") is None


def test_key_of_the_console_is_there_in_another_tab(protected: Console) -> None:
    """Also a key that is kept for the tab only, in the tab that the console opens."""
    page = protected.page
    protected.enter(KEYS["admin"])
    page.locator(".grid-row").first.click()
    assert protected.drawer.is_visible()
    link = page.get_by_role("link", name="GraphiQL")
    page.locator(".drawer a[href*='query=']").wait_for()
    with page.expect_popup() as opened:
        link.click()
    explorer = opened.value
    explorer.get_by_role("tab", name="Delivery").wait_for()
    explorer.get_by_role("button", name="API key is set").wait_for()
    explorer.get_by_role("button", name="Execute query").click()
    explorer.locator(".result-window").get_by_text('"webhookLog"').wait_for()


def test_own_credential_of_a_tab_goes_before_the_key(protected: Console) -> None:
    page = protected.page
    protected.enter(KEYS["viewer"])
    assert protected.rows
    page.goto(f"{protected.url}/graphql")
    page.get_by_role("button", name="Headers").click()
    page.locator(".graphiql-editor-tool .CodeMirror:visible").click()
    page.keyboard.insert_text('{ "authorization": "Bearer %s" }' % KEYS["admin"])  # noqa: UP031
    with page.expect_request(
        lambda request: "NewestFailures" in (request.post_data or "")
    ) as asked:
        run_example(page)
    assert asked.value.headers["authorization"] == f"Bearer {KEYS['admin']}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_own_parts_are_accessible(console: Console, axe: Axe, theme: str) -> None:
    page = console.page
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    console.open("graphql")
    page.get_by_role("tab").first.wait_for()
    assert axe(".welcome") == []
    page.get_by_role("button", name="API key").click()
    assert axe("#key") == []


def test_theme_that_was_chosen_in_graphiql_holds_for_all(console: Console) -> None:
    console.open("graphql")
    page = console.page
    page.get_by_label("Open settings dialog").click()
    page.get_by_role("button", name="Dark").click()
    page.wait_for_function(
        "() => getComputedStyle(document.documentElement).colorScheme === 'dark'"
    )


def test_phone_shows_query_and_response_one_below_the_other(console: Console) -> None:
    page = console.page
    page.set_viewport_size({"width": 390, "height": 844})
    console.open("graphql")
    page.get_by_role("tab").first.wait_for()
    run_example(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    query = page.locator(".graphiql-query-editor").bounding_box()
    response = page.locator(".result-window").bounding_box()
    assert query
    assert response
    assert query["y"] + query["height"] <= response["y"]
    assert min(query["width"], response["width"]) > 300
    page.get_by_label("Show Documentation Explorer").click()
    page.get_by_role("link", name="Query").click()
    page.get_by_text("webhookLogs").first.wait_for()
