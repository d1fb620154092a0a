"""Pages of other origins in a real browser: only configured ones can do anything."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.web.test_view import made_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Serve = Callable[[ASGIApp], str]

LIST = "{webhookLogs{totalCount}}"
ATTACK = """
<!doctype html><body><script>
const endpoint = "GATEWAY/graphql", asked = endpoint + "?query={webhookLogs{totalCount}}";
const body = JSON.stringify({ query: "{webhookLogs{totalCount}}" });
const settled = (element) => new Promise((resolve) => {
  element.onload = element.onerror = resolve;
  document.body.append(element);
});
const loaded = (name, attributes) =>
  settled(Object.assign(document.createElement(name), attributes));
function submitted(method, enctype, name, value) {
  const frame = document.createElement("iframe");
  frame.name = method;
  document.body.append(frame);
  const form = document.createElement("form");
  Object.assign(form, { method, enctype, action: endpoint, target: method });
  form.append(Object.assign(document.createElement("input"), { name, value }));
  document.body.append(form);
  return new Promise((resolve) => { frame.onload = resolve; form.submit(); });
}
const simple = (headers) => ({ method: "POST", mode: "no-cors", body, headers });
Promise.allSettled([
  loaded("img", { src: asked }),
  loaded("script", { src: asked }),
  loaded("link", { rel: "stylesheet", href: asked }),
  fetch(asked, { mode: "no-cors" }),
  fetch(asked, { mode: "no-cors", headers: { Accept: "application/json" } }),
  fetch(asked),
  submitted("get", "", "query", "{webhookLogs{totalCount}}"),
  fetch(endpoint, simple({ "Content-Type": "text/plain" })),
  fetch(endpoint, simple({ "Content-Type": "application/x-www-form-urlencoded" })),
  submitted("post", "text/plain", '{"query":"{webhookLogs{totalCount}}","x":"', '"}'),
  fetch(asked, { headers: { "X-Requested-With": "XMLHttpRequest" } }),
  fetch(endpoint, { method: "POST", body, headers: { "Content-Type": "application/json" } }),
]).then(() => parent.postMessage("done", "*"));
</script>
"""
OUTER = """
<!doctype html><script>
addEventListener("message", () => { document.title = "done"; });
</script>
<iframe src="/attack" SANDBOX></iframe>
"""


class Witness:
    """Records the endpoint's statuses, and whether the browser sent Sec-Fetch-Site."""

    def __init__(self, app: ASGIApp) -> None:
        self.answered: Counter[tuple[str, int]] = Counter()
        self.told = False
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answered[scope["method"], message["status"]] += 1
                self.told = self.told or b"sec-fetch-site" in dict(scope["headers"])
            await send(message)

        await self._app(scope, receive, note)


class Vendor:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _: httpx.Request) -> httpx.Response:
        self.calls += 1
        return httpx.Response(403)


@pytest.mark.parametrize("host", ["127.0.0.1", "gateway.test"])
@pytest.mark.parametrize("sandbox", ["", 'sandbox="allow-scripts allow-forms"'])
def test_foreign_page_executes_nothing(
    browser: Browser, serve: Serve, sandbox: str, host: str
) -> None:
    """Any page could otherwise read or delete webhook logs with its visitor's browser.

    A sandboxed page has the origin null. Over plain HTTP, browsers send Sec-Fetch-Site to loopback
    only.
    """
    origins = ["https://app.example"]
    app = made_app(answer=(vendor := Vendor()), host="0.0.0.0", cors_origins=origins)  # noqa: S104
    gateway = Witness(app)
    url = serve(gateway).replace("127.0.0.1", host)

    async def attack(_: Request) -> Response:
        return HTMLResponse(ATTACK.replace("GATEWAY", url))

    async def outer(_: Request) -> Response:
        return HTMLResponse(OUTER.replace("SANDBOX", sandbox))

    site = serve(Starlette(routes=[Route("/attack", attack), Route("/", outer)]))
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(site)
        page.wait_for_function("document.title === 'done'")
    # Requests whose preflight is refused are not sent.
    assert gateway.answered == {("GET", 403): 7, ("POST", 403): 3, ("OPTIONS", 400): 2}
    assert gateway.told == (host == "127.0.0.1")
    assert vendor.calls == 0


def test_own_page_works_without_fetch_metadata(browser: Browser, serve: Serve) -> None:
    app = made_app(answer=(vendor := Vendor()), host="0.0.0.0")  # noqa: S104
    url = serve(app).replace("127.0.0.1", "gateway.test")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{url}/healthz")
        statuses: list[int] = page.evaluate(
            """async (query) => {
              const headers = { "Content-Type": "application/json" };
              const body = JSON.stringify({ query });
              const asked = `/graphql?query=${encodeURIComponent(query)}`;
              return Promise.all([
                fetch("/graphql", { method: "POST", headers, body }),
                fetch(asked, { headers }),
                fetch(asked),
              ].map(async (sent) => (await sent).status));
            }""",
            LIST,
        )
    assert statuses == [200, 200, 403]
    assert vendor.calls


def test_configured_page_sends_and_reads(browser: Browser, serve: Serve) -> None:
    async def empty(_: Request) -> Response:
        return HTMLResponse("<!doctype html>")

    site = serve(Starlette(routes=[Route("/", empty)]))
    url = serve(made_app(answer=(vendor := Vendor()), cors_origins=[site]))
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(site)
        answers: list[Any] = page.evaluate(
            """async ([endpoint, query]) => {
              const headers = { "Content-Type": "application/json", "X-Request-Id": "mine" };
              const body = JSON.stringify({ query });
              const asked = `${endpoint}?query=${encodeURIComponent(query)}`;
              return Promise.all([
                fetch(endpoint, { method: "POST", headers, body }),
                fetch(asked, { headers: { "X-Request-Id": "mine" } }),
              ].map(async (sent) => {
                const answer = await sent;
                return [await answer.json(), answer.headers.get("X-Request-Id")];
              }));
            }""",
            [f"{url}/graphql", LIST],
        )
    for document, known_as in answers:
        assert document["errors"][0]["extensions"]["code"] == "ALL_SOURCES_FAILED"
        assert known_as == "mine"
    assert vendor.calls
