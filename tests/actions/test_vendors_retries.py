"""Each vendor's kind of retry over HTTP: by the example of GraphiQL, and on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from typer.testing import CliRunner

from gateway import ids
from gateway.cli import app as commands
from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.settings import load
from gateway.sources import retries
from gateway.web.app import create_app
from gateway.web.explorer import example_operations
from tests.support.clock import Clock
from tests.support.moment import MOMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.slow

FAILED = """
query($source: String!) {
  webhookLogs(
    first: 100
    filter: {
      source: { eq: $source }
      status: { eq: FAILED }
      not: { failure: { eq: NO_RESPONSE } }
    }
  ) { nodes { id upstreamId attempt correlationId triggeredAt attempts { number } } }
}
"""
NEWEST = """
query($source: String!) {
  webhookLogs(first: 100, filter: { source: { eq: $source } }, cache: { maxAge: 0 }) {
    nodes { id attempt correlationId attempts { number } }
  }
}
"""
EXAMPLE = next(text for text in example_operations() if "retryWebhookLog" in text)
NEW, SAME = "NEW_LOG", "SAME_LOG"
cases = pytest.mark.parametrize(
    ("source", "hook", "kind"),
    [
        ("github", "512001", NEW),
        ("github", "512500", NEW),
        ("gitlab", "88012", NEW),
        ("gitlab", "88013", NEW),
        ("gitlab", "88107", NEW),
        ("svix", "ep_2yZwAe7rPq1sTn5mXk3vHd9LbCf", NEW),
        ("hookdeck", None, SAME),
        ("translations", None, SAME),
    ],
)
"""A retry at a hook of each kind; resends of the hooks of GitLab differ in what they keep."""


class Demo:
    """The demo over HTTP. On the clock of the vendors, a second passes with each request."""

    def __init__(self, folder: Path, serve: Callable[[ASGIApp], str]) -> None:
        self._clock = clock = Clock(float(MOMENT))
        sandbox = Sandbox(clock=clock, logs=2000)

        async def ticking(scope: Scope, receive: Receive, send: Send) -> None:
            clock.advance(1)
            await sandbox.app(scope, receive, send)

        self.file = write_configuration(folder, sandbox, serve(ticking), port=0)
        self._url = serve(create_app(load(self.file, {}))) + "/graphql"

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the only field of a response without errors."""
        sent = {"query": query, "variables": variables}
        answer = httpx.post(self._url, json=sent, timeout=30).json()
        assert "errors" not in answer, answer["errors"]
        (field,) = answer["data"].values()
        return field

    def failed(self, source: str, hook: str | None) -> list[dict[str, Any]]:
        """Return failed logs of a hook, the newest first."""
        logs = self.ask(FAILED, source=source)["nodes"]
        return [log for log in logs if hook is None or hook in ids.decode(log["id"]).place]

    def log(self, source: str, id: str) -> dict[str, Any] | None:
        """Return one of the newest logs of a source as it now is."""
        logs = self.ask(NEWEST, source=source)["nodes"]
        return next((log for log in logs if log["id"] == id), None)

    def later(self, seconds: float) -> None:
        self._clock.advance(seconds)


@pytest.fixture(scope="module")
def demo(
    tmp_path_factory: pytest.TempPathFactory, serve: Callable[[ASGIApp], str]
) -> Iterator[Demo]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retries, "PAUSES", (0.0,) * len(retries.PAUSES))
        demo = Demo(tmp_path_factory.mktemp("demo"), serve)
        patch.setenv("GATEWAY_CONFIG", str(demo.file))
        yield demo


@cases
def test_example_of_graphiql_shows_what_came_of_a_retry(
    demo: Demo, source: str, hook: str | None, kind: str
) -> None:
    failed = demo.failed(source, hook)[0]
    payload = demo.ask(EXAMPLE, id=failed["id"])
    assert payload["userErrors"] == []
    assert (payload["kind"], payload["webhookLog"]["id"]) == (kind, failed["id"])
    demo.later(60)
    log = demo.log(source, failed["id"])
    if kind == SAME:
        assert log
        assert payload["replacement"] is None
        assert log["attempt"] == failed["attempt"] + 1
        if source == "hookdeck":
            assert len(log["attempts"]) == len(failed["attempts"]) + 1
    else:
        new = payload["replacement"]
        assert new["id"] != failed["id"]
        assert new["triggeredAt"] > failed["triggeredAt"]
        listed = demo.log(source, new["id"])
        assert listed
        assert (listed["correlationId"] == failed["correlationId"]) is (hook != "88013")


@cases
def test_command_line_tells_what_came_of_a_retry(
    demo: Demo, source: str, hook: str | None, kind: str
) -> None:
    failed = demo.failed(source, hook)[1]
    demo.later(60)
    result = CliRunner().invoke(commands, ["retry", failed["id"]])
    assert result.exit_code == 0, result.output
    if kind == SAME:
        assert result.stdout.startswith(f"Sent again: {failed['upstreamId']} (")
        assert result.stdout.endswith(f") {failed['id']}\n")
    else:
        told, new = result.stdout.split(", with a new log: ")
        assert told == f"Sent again: {failed['id']}"
        assert demo.log(source, new.split()[-1])
