"""The explorer in a real browser that reaches loopback only."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.settings import load
from gateway.web.app import create_app
from gateway.web.assets import EXPLORER
from gateway.web.explorer import CDN, explorer_page, explorer_routes
from tests.support.moment import stopped
from tests.web.test_incremental import Gate, made_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    Serve = Callable[[ASGIApp], str]

EXAMPLES = [
    *("NewestFailures", "FailureGroups", "Statistics"),
    *("OneSource", "OneLog", "SourcesAndHooks", "Retry"),
]


@strawberry.type
class Query:
    @strawberry.field
    def greeting(self, name: str) -> str:
        return f"Hello {name}"


def application(folder: Path) -> Starlette:
    async def page(request: Request) -> Response:
        return explorer_page(request.url.path, static=folder)

    graphql: GraphQL[None, None] = GraphQL(strawberry.Schema(Query), graphql_ide=None)
    return Starlette(
        routes=[
            Route("/graphql", page, methods=["GET"]),
            Route("/graphql", graphql, methods=["POST"]),
            *explorer_routes(static=folder),
        ]
    )


def greet(page: Page) -> None:
    """Run a query in the first tab; its title shows that GraphiQL has parsed it."""
    page.locator(".graphiql-query-editor .CodeMirror").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text('query Greeting { greeting(name: "reader") }')
    page.get_by_role("tab", name="Greeting").wait_for()
    page.keyboard.press("Control+Enter")
    page.locator(".result-window").get_by_text('"Hello reader"').wait_for()


def test_query_is_executed(browser_page: Page, serve: Serve, static: Path) -> None:
    browser_page.goto(f"{serve(application(static))}/graphql")
    greet(browser_page)
    assert browser_page.title() == "Webhook logs"


@pytest.mark.parametrize(
    ("pasted", "sent", "shown"),
    [
        ('query Pasted { greeting(name: "pasted") }', None, "Hello pasted"),
        ('{ greeting(name: "pasted") }', None, "Hello pasted"),
        ('query Greeting { greeting(name: "the same") }', "Greeting", "Hello the same"),
        (
            '# query Greeting\n{ greeting(name: "query Greeting { x }") }',
            None,
            "Hello query Greeting { x }",
        ),
        (
            'query Pasted { ...Greeting } fragment Greeting on Query { greeting(name: "part") }',
            None,
            "Hello part",
        ),
    ],
)
def test_pasted_text_runs_without_the_old_operation_name(
    browser_page: Page, serve: Serve, static: Path, pasted: str, sent: str | None, shown: str
) -> None:
    """GraphiQL parses an edit 0.2 s later, and sent the name of the operation before it."""
    browser_page.goto(f"{serve(application(static))}/graphql")
    greet(browser_page)
    with browser_page.expect_request(
        lambda request: pasted in (request.post_data_json or {}).get("query", "")
    ) as asked:
        # In one task of the page, so that no timer of GraphiQL runs in between.
        browser_page.evaluate(
            """(text) => {
              const node = document.querySelector(".graphiql-query-editor .CodeMirror");
              node.CodeMirror.setValue(text);
              document.querySelector(".graphiql-execute-button").click();
            }""",
            pasted,
        )
    assert (asked.value.post_data_json or {}).get("operationName") == sent
    browser_page.locator(".result-window").get_by_text(shown).wait_for()


def test_examples_are_the_first_tabs(browser_page: Page, serve: Serve, static: Path) -> None:
    browser_page.goto(f"{serve(application(static))}/graphql")
    tabs = browser_page.get_by_role("tab")
    tabs.first.wait_for()
    assert tabs.all_inner_texts() == EXAMPLES


def test_link_opens_its_query_in_a_tab(browser_page: Page, serve: Serve, static: Path) -> None:
    """The console links to GraphiQL so; tabs of an earlier visit must not hide it."""
    url = serve(application(static))
    linked = {
        "query": "query Linked($name: String!) { greeting(name: $name) }",
        "variables": '{"name": "the link"}',
    }
    for _ in ("first visit", "later one"):
        browser_page.goto(f"{url}/graphql#{urlencode(linked)}")
        # GraphiQL stores tabs some time after a change. One that was not stored in full is another.
        browser_page.get_by_role("tab", name="Linked", selected=True).wait_for()
        browser_page.get_by_role("button", name="Execute query").click()
        browser_page.locator(".result-window").get_by_text("Hello the link").wait_for()
        browser_page.goto(f"{url}/graphql")
        greet(browser_page)
        browser_page.goto("about:blank")


def test_example_reads_rows_of_every_vendor(
    browser_page: Page, serve: Serve, static: Path, tmp_path: Path
) -> None:
    """This is the first thing that a new user does."""
    del static
    sandbox = Sandbox(clock=stopped)
    settings = load(write_configuration(tmp_path, sandbox, serve(sandbox.app), port=0), {})
    browser_page.goto(f"{serve(create_app(settings))}/graphql")
    browser_page.get_by_role("tab", name="NewestFailures").wait_for()
    with browser_page.expect_response(
        # GraphiQL queries the schema, too.
        lambda response: "NewestFailures" in (response.request.post_data or "")
    ) as answered:
        browser_page.get_by_role("button", name="Execute query").click()
    rows = answered.value.json()["data"]["webhookLogs"]["nodes"]
    assert {row["source"]["name"] for row in rows} == {source.name for source in settings.sources}
    assert all(row["failure"]["message"] for row in rows)
    browser_page.locator(".result-window").get_by_text("webhookLogs").wait_for()
    browser_page.screenshot(path=tmp_path / "explorer.png")
    assert (tmp_path / "explorer.png").stat().st_size > 10_000


def test_parts_are_shown_as_they_arrive(
    browser_page: Page, serve: Serve, static: Path, tmp_path: Path
) -> None:
    del static
    gate = Gate("^/elastic-path")
    browser_page.goto(f"{serve(made_app(tmp_path, gate))}/graphql")
    browser_page.locator(".graphiql-query-editor .CodeMirror").click()
    browser_page.keyboard.press("Control+A")
    browser_page.keyboard.insert_text(
        "query Parts { sources { ...@defer { logs(first: 1) { totalCount } } } }"
    )
    browser_page.get_by_role("tab", name="Parts").wait_for()
    browser_page.keyboard.press("Control+Enter")
    counts = browser_page.locator(".result-window").get_by_text('"totalCount"')
    counts.nth(6).wait_for()
    assert counts.count() == 7
    gate.open()
    counts.nth(7).wait_for()


def test_dialogs_and_documentation_work_under_the_policy(
    browser_page: Page, serve: Serve, static: Path
) -> None:
    browser_page.goto(f"{serve(application(static))}/graphql")
    for label in ("Open short keys dialog", "Open settings dialog"):
        browser_page.get_by_label(label).click()
        browser_page.get_by_role("dialog").wait_for()
        assert browser_page.locator("style[nonce]").count() == 1
        browser_page.keyboard.press("Escape")
        browser_page.get_by_role("dialog").wait_for(state="hidden")
    browser_page.get_by_label("Show Documentation Explorer").click()
    browser_page.get_by_role("link", name="Query").click()
    browser_page.get_by_text("greeting").first.wait_for()


def test_files_come_from_the_cdn_if_not_built_in(
    browser_page: Page, serve: Serve, static: Path, tmp_path: Path
) -> None:
    for asset in EXPLORER:
        body = (static / asset.name).read_bytes()
        cdn(browser_page, f"{CDN}/{asset.package}/{asset.member}", body)
    browser_page.goto(f"{serve(application(tmp_path))}/graphql")
    greet(browser_page)


def test_changed_file_from_the_cdn_is_rejected(
    browser_page: Page, complaints: list[str], serve: Serve, tmp_path: Path
) -> None:
    cdn(browser_page, f"{CDN}/**", b"window.GraphiQL = 'another';")
    browser_page.goto(f"{serve(application(tmp_path))}/graphql")
    browser_page.get_by_text("GraphiQL could not be loaded").wait_for()
    assert all("integrity" in complaint for complaint in complaints)
    assert len(complaints) == 4
    complaints.clear()


def cdn(page: Page, url: str, body: bytes) -> None:
    media_type = "text/css" if url.endswith(".css") else "text/javascript"
    page.route(
        url,
        lambda route: route.fulfill(
            body=body, content_type=media_type, headers={"Access-Control-Allow-Origin": "*"}
        ),
    )
