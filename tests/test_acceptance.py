"""The whole gateway against the sandbox: what its users were promised."""

from __future__ import annotations

import base64
import json
import logging
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.types import ASGIApp

from gateway.cli.demo_configuration import write_configuration
from gateway.normalise import timestamps
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import Settings, load
from tests.support.moment import stopped

SOURCES = {
    "codearts": "repo-cn",
    "yandex-tracker": "tracker",
    "language-weaver": "translations",
    "elastic-path": "shop",
}
EVERYTHING = """
query Everything($first: Int!, $after: String) {
  webhookLogs(first: $first, after: $after) {
    nodes {
      id upstreamId event status triggeredAt lastAttemptedAt durationMs attempt correlationId raw
      warnings source { name } hook { name url }
      failure { category message retryable }
      request { method url headers { name value redacted } body bodyJson }
      response { statusCode headers { name value redacted } body bodyJson }
    }
    pageInfo { hasNextPage endCursor }
    sourceReports { source { name } outcome error { message } unreadable notes upstreamCalls }
  }
}
"""
BRIEF = """
query Brief($first: Int!, $after: String) {
  webhookLogs(first: $first, after: $after) {
    nodes { id upstreamId triggeredAt source { name } }
    pageInfo { hasNextPage endCursor }
    sourceReports { source { name } outcome unreadable notes upstreamCalls }
  }
}
"""


class Demo:
    """A gateway over a sandbox, and the sandbox's control API."""

    def __init__(self, gateway: Gateway, control: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.control = control
        self._schema = build_schema()

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute, expecting no error."""
        result = await self._schema.execute(
            query,
            variable_values=variables,
            context_value=Context(self.gateway, self.gateway.operation()),
        )
        assert result.errors is None, result.errors
        assert result.data is not None
        return result.data

    async def pages(self, query: str, first: int = 100) -> AsyncIterator[dict[str, Any]]:
        """Page through the whole list."""
        after = None
        while True:
            page = (await self.ask(query, first=first, after=after))["webhookLogs"]
            yield page
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]


class Listening(httpx.AsyncBaseTransport):
    """Passes requests on to an application, and hands the answers' bodies to a listener."""

    def __init__(self, app: ASGIApp, listener: Callable[[bytes], None]) -> None:
        self._inner = httpx.ASGITransport(app)
        self._listener = listener

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        content = await response.aread()
        self._listener(content)
        return httpx.Response(response.status_code, headers=response.headers, content=content)


def configured(
    folder: Path, sandbox: Sandbox, url: str = "http://127.0.0.1:1", **server: str
) -> Settings:
    environ = {f"GATEWAY_SERVER__{name.upper()}": value for name, value in server.items()}
    return load(write_configuration(folder, sandbox, url, port=0), environ)


async def demo(
    folder: Path, sandbox: Sandbox, listener: Callable[[bytes], None] = lambda _: None
) -> AsyncIterator[Demo]:
    settings = configured(folder, sandbox)
    transport = httpx.ASGITransport(sandbox.app)
    async with (
        Gateway(settings, transport=Listening(sandbox.app, listener)) as gateway,
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as control,
    ):
        yield Demo(gateway, control)


@pytest.fixture
async def whole_demo(tmp_path: Path) -> AsyncIterator[tuple[Demo, Sandbox]]:
    sandbox = Sandbox(clock=stopped)
    async for made in demo(tmp_path, sandbox):
        yield made, sandbox


async def test_paging_through_a_living_demo_gives_every_log_once(
    whole_demo: tuple[Demo, Sandbox],
) -> None:
    """While deliveries arrive, and Language Weaver entries are deleted."""
    demo, sandbox = whole_demo
    chance = random.Random(7)
    key = base64.b64encode(f"{sandbox.credentials.language_weaver_key}:".encode()).decode()
    inventory = (await demo.control.get("/control/inventory")).json()
    assert len(inventory) >= 20_000
    entries = [row["id"] for row in inventory if row["vendor"] == "language-weaver"]
    deleted: set[tuple[str, str]] = set()

    seen: list[tuple[str, str]] = []
    ids: set[str] = set()
    times: list[int] = []
    calls: dict[str, list[int]] = {}
    async for page in demo.pages(BRIEF):
        for row in page["nodes"]:
            seen.append((row["source"]["name"], row["upstreamId"]))
            ids.add(row["id"])
            if row["triggeredAt"] is not None:
                times.append(timestamps.parse(row["triggeredAt"]))
        for report in page["sourceReports"]:
            assert (report["outcome"], report["unreadable"], report["notes"]) == ("OK", 0, [])
            calls.setdefault(report["source"]["name"], []).append(report["upstreamCalls"])
        await demo.control.post("/control/arrive", json={"count": chance.randrange(4)})
        for _ in range(chance.randrange(4)):
            entry = entries.pop(chance.randrange(len(entries)))
            answer = await demo.control.delete(
                f"/language-weaver/api/v2/audit/webhooks/{entry}",
                headers={"Authorization": f"Basic {key}"},
            )
            assert answer.status_code == 200
            deleted.add(("translations", entry))

    expected = {(SOURCES[row["vendor"]], row["id"]) for row in inventory}
    assert len(ids) == len(seen)
    assert expected - deleted <= set(seen)
    assert set(seen) <= expected
    assert times == sorted(times, reverse=True)
    for name in ("repo-cn", "tracker", "shop"):
        # Deep pages cost what the second page costs, hook discovery once a minute aside.
        deep, early = sorted(calls[name][100:])[:-10], calls[name][1:10]
        assert max(deep) <= max(early), name


async def test_no_planted_secret_comes_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in an answer, an error or a log line, nor in the cache, though vendors send it."""
    caplog.set_level(logging.DEBUG)
    sandbox = Sandbox(clock=stopped, logs=4000)
    received: set[str] = set()
    secrets: list[str] = []

    def listen(content: bytes) -> None:
        text = content.decode(errors="replace")
        received.update(secret for secret in secrets if secret in text)

    given = ""
    async for made in demo(tmp_path, sandbox, listen):
        secrets += (await made.control.get("/control/secrets")).json()
        async for page in made.pages(EVERYTHING):
            given += json.dumps(page, ensure_ascii=False)
        hooks = "{ sources { name hooks(first: 100) { nodes { name url } } } }"
        given += json.dumps(await made.ask(hooks))
        fault = {"kind": "status", "status": 400}
        for vendor in SOURCES:
            await made.control.put(f"/control/faults/{vendor}", json=fault)
        result = await build_schema().execute(
            EVERYTHING,
            variable_values={"first": 10},
            context_value=Context(made.gateway, made.gateway.operation(max_age=0)),
        )
        assert result.errors is not None
        given += json.dumps([error.formatted for error in result.errors])
        kept = made.gateway._cache._store._kept._cache  # type: ignore[attr-defined]
        assert kept
        given += "".join(map(str, (msgspec.json.encode(value) for value in kept.values())))
        given += "".join(map(str, kept))
    assert received == set(secrets)
    given += caplog.text
    assert [secret for secret in secrets if secret in given] == []
    own = msgspec.to_builtins(sandbox.credentials)
    words = ("token", "password", "secret")
    hidden = [value for name, value in own.items() if any(word in name for word in words)]
    assert [secret for secret in hidden if secret in given] == []


async def test_three_vendors_in_trouble_leave_the_fourth_its_rows(
    tmp_path: Path, serve: Callable[[ASGIApp], str]
) -> None:
    """One resets its connections, one is slow past the deadline, one answers HTML."""
    sandbox = Sandbox(clock=stopped, logs=400)
    url = serve(sandbox.app)
    settings = configured(tmp_path, sandbox, url, deadline="1.0")
    async with Gateway(settings) as gateway, httpx.AsyncClient(base_url=url) as control:
        for vendor, fault in (
            ("codearts", {"kind": "reset"}),
            ("yandex-tracker", {"kind": "latency", "seconds": 4}),
            ("language-weaver", {"kind": "html"}),
        ):
            assert (await control.put(f"/control/faults/{vendor}", json=fault)).is_success
        result = await build_schema().execute(
            """{ webhookLogs {
                   nodes { source { name } }
                   sourceReports { source { name } outcome returned error { code message } } } }""",
            context_value=Context(gateway, gateway.operation()),
        )
        assert result.errors is None
        assert result.data is not None
        page = result.data["webhookLogs"]
        assert [row["source"]["name"] for row in page["nodes"]] == ["shop"] * 25
        reports = {report["source"]["name"]: report for report in page["sourceReports"]}
        told = {
            name: (report["outcome"], (report["error"] or {}).get("code"))
            for name, report in reports.items()
        }
        assert told == {
            "repo-cn": ("FAILED", "UPSTREAM_UNREACHABLE"),
            "tracker": ("FAILED", "UPSTREAM_TIMEOUT"),
            "translations": ("FAILED", "UPSTREAM_INVALID_RESPONSE"),
            "shop": ("OK", None),
        }
        assert "web page" in reports["translations"]["error"]["message"]


async def test_one_log_costs_one_call(whole_demo: tuple[Demo, Sandbox]) -> None:
    demo, _ = whole_demo
    for name in ("repo-cn", "tracker", "shop"):
        page = await demo.ask(
            "query($f: WebhookLogFilter) { webhookLogs(first: 1, filter: $f) { nodes { id } } }",
            f={"source": {"eq": name}},
        )
        id = page["webhookLogs"]["nodes"][0]["id"]
        await demo.control.delete("/control/calls")
        found = await demo.ask("query($id: ID!) { webhookLog(id: $id) { id } }", id=id)
        assert found["webhookLog"] == {"id": id}
        calls = (await demo.control.get("/control/calls")).json()["calls"]
        assert len(calls) == 1, name


async def test_first_page_asks_every_stream_once_and_all_at_the_same_time(
    tmp_path: Path, serve: Callable[[ASGIApp], str]
) -> None:
    sandbox = Sandbox(clock=stopped, logs=2000, latency=(0.05, 0.05))
    url = serve(sandbox.app)
    async with (
        Gateway(configured(tmp_path, sandbox, url)) as gateway,
        httpx.AsyncClient(base_url=url) as control,
    ):
        # The hooks are found, and the tokens got, before the lists are counted.
        await gateway.logs(gateway.operation(), first=1)
        await control.delete("/control/calls")
        await gateway.logs(gateway.operation(), first=25)
        made = (await control.get("/control/calls")).json()
    lists = [call["path"] for call in made["calls"]]
    assert len(lists) == len(set(lists))
    for vendor, simultaneous in made["simultaneous"].items():
        asked = [call for call in made["calls"] if call["vendor"] == vendor]
        assert simultaneous == min(len(asked), 10), vendor
