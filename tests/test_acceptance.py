"""The gateway keeps its promises to users, over all simulated vendors."""

from __future__ import annotations

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

from gateway.normalise import timestamps
from gateway.sandbox import Sandbox
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.upstream.auth import basic
from tests.support.demo import NOWHERE, SCHEMA, Demo, demo_settings
from tests.support.moment import stopped
from tests.support.sources import VENDORS

SOURCES = {vendor: source for source, vendor in VENDORS.items()}
"""The sources by their vendors."""
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


FIRST = """
query First($filter: WebhookLogFilter!) {
  webhookLogs(first: 1, filter: $filter) { nodes { id } }
}
"""


async def pages(demo: Demo, query: str, first: int = 100) -> AsyncIterator[dict[str, Any]]:
    """Return all nodes of the list, page by page."""
    after = None
    while True:
        page = (await demo.data(query, first=first, after=after))["webhookLogs"]
        yield page
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


class Listening(httpx.AsyncBaseTransport):
    """Sends requests to an application, and passes the bodies of responses to a listener."""

    def __init__(self, app: ASGIApp, listener: Callable[[bytes], None]) -> None:
        self._inner = httpx.ASGITransport(app)
        self._listener = listener

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        content = await response.aread()
        self._listener(content)
        return httpx.Response(response.status_code, headers=response.headers, content=content)


@pytest.mark.slow
async def test_paging_during_arrivals_and_deletions_returns_every_log_once(tmp_path: Path) -> None:
    """Deliveries arrive and Language Weaver entries are deleted meanwhile."""
    sandbox = Sandbox(clock=stopped, logs=12_000)
    async with Demo(demo_settings(tmp_path, sandbox), sandbox) as demo:
        await page_while_logs_change(demo)


async def page_while_logs_change(demo: Demo) -> None:
    chance = random.Random(7)
    key = demo.sandbox.credentials.language_weaver_key
    authorization = basic(key, "")
    inventory = await demo.inventory()
    assert len(inventory) >= 20_000
    entries = [row["id"] for row in inventory if row["vendor"] == "language-weaver"]
    deleted: set[tuple[str, str]] = set()

    seen: list[tuple[str, str]] = []
    ids: set[str] = set()
    times: list[int] = []
    calls: dict[str, list[int]] = {}
    async for page in pages(demo, BRIEF):
        for row in page["nodes"]:
            seen.append((row["source"]["name"], row["upstreamId"]))
            ids.add(row["id"])
            if row["triggeredAt"] is not None:
                times.append(timestamps.parse(row["triggeredAt"]))
        for report in page["sourceReports"]:
            assert (report["outcome"], report["unreadable"], report["notes"]) == ("OK", 0, [])
            calls.setdefault(report["source"]["name"], []).append(report["upstreamCalls"])
        await demo.arrive(chance.randrange(4))
        for _ in range(chance.randrange(4)):
            entry = entries.pop(chance.randrange(len(entries)))
            answer = await demo.control.delete(
                f"{NOWHERE}/language-weaver/api/v2/audit/webhooks/{entry}", headers=authorization
            )
            assert answer.status_code == 200
            deleted.add(("translations", entry))

    expected = {(SOURCES[row["vendor"]], row["id"]) for row in inventory}
    assert len(ids) == len(seen)
    assert expected - deleted <= set(seen)
    assert set(seen) <= expected
    assert times == sorted(times, reverse=True)
    for name in ("repo-cn", "tracker", "shop", "github", "svix", "hookdeck"):
        # Deep pages cost as much as the second page, apart from reading the hooks once a minute.
        deep, early = sorted(calls[name][100:])[:-10], calls[name][1:10]
        assert max(deep) <= max(early), name


@pytest.mark.slow
async def test_planted_secrets_do_not_leave_the_gateway(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Vendors send secrets. None reaches a response, an error, a log line or the cache."""
    caplog.set_level(logging.DEBUG)
    sandbox = Sandbox(clock=stopped, logs=4000)
    received: set[str] = set()
    secrets: list[str] = []

    def listen(content: bytes) -> None:
        text = content.decode(errors="replace")
        received.update(secret for secret in secrets if secret in text)

    given = ""
    transport = Listening(sandbox.app, listen)
    async with Demo(demo_settings(tmp_path, sandbox), sandbox, transport=transport) as demo:
        secrets += (await demo.control.get("/secrets")).json()
        async for page in pages(demo, EVERYTHING):
            given += json.dumps(page, ensure_ascii=False)
        hooks = "{ sources { name hooks(first: 100) { nodes { name url } } } }"
        given += json.dumps(await demo.data(hooks))
        for vendor in SOURCES:
            await demo.fault(vendor, kind="status", status=400)
        result = await SCHEMA.execute(
            EVERYTHING,
            variable_values={"first": 10},
            context_value=Context(demo.gateway, demo.gateway.operation(max_age=0)),
        )
        assert result.errors is not None
        given += json.dumps([error.formatted for error in result.errors])
        kept = demo.gateway._cache._store._entries._cache  # type: ignore[attr-defined]
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


@pytest.mark.slow
async def test_failing_vendors_do_not_affect_the_others(
    tmp_path: Path, serve: Callable[[ASGIApp], str]
) -> None:
    """One resets connections, one exceeds the deadline, one responds with HTML."""
    sandbox = Sandbox(clock=stopped, logs=400)
    url = serve(sandbox.app)
    settings = demo_settings(tmp_path, sandbox, url, GATEWAY_SERVER__DEADLINE="1.0")
    async with Gateway(settings) as gateway, httpx.AsyncClient(base_url=url) as control:
        for vendor, fault in (
            ("codearts", {"kind": "reset"}),
            ("yandex-tracker", {"kind": "latency", "seconds": 4}),
            ("language-weaver", {"kind": "html"}),
        ):
            assert (await control.put(f"/control/faults/{vendor}", json=fault)).is_success
        result = await SCHEMA.execute(
            """{ webhookLogs {
                   nodes { source { name } }
                   sourceReports { source { name } outcome returned error { code message } } } }""",
            context_value=Context(gateway, gateway.operation()),
        )
        assert result.errors is None
        assert result.data is not None
        page = result.data["webhookLogs"]
        failing = {"repo-cn", "tracker", "translations"}
        assert {row["source"]["name"] for row in page["nodes"]} <= VENDORS.keys() - failing
        assert len(page["nodes"]) == 25
        reports = {report["source"]["name"]: report for report in page["sourceReports"]}
        outcomes = {
            name: (report["outcome"], (report["error"] or {}).get("code"))
            for name, report in reports.items()
        }
        assert outcomes == {
            **dict.fromkeys(VENDORS, ("OK", None)),
            "repo-cn": ("FAILED", "UPSTREAM_UNREACHABLE"),
            "tracker": ("FAILED", "UPSTREAM_TIMEOUT"),
            "translations": ("FAILED", "UPSTREAM_INVALID_RESPONSE"),
        }
        assert "web page" in reports["translations"]["error"]["message"]


async def test_one_log_costs_one_call(tmp_path: Path) -> None:
    sandbox = Sandbox(clock=stopped, logs=400)
    async with Demo(demo_settings(tmp_path, sandbox), sandbox) as demo:
        for name in ("repo-cn", "tracker", "shop", "github", "svix"):
            page = await demo.data(FIRST, filter={"source": {"eq": name}})
            id = page["webhookLogs"]["nodes"][0]["id"]
            await demo.forget_calls()
            found = await demo.data("query($id: ID!) { webhookLog(id: $id) { id } }", id=id)
            assert found["webhookLog"] == {"id": id}
            assert len(await demo.calls()) == 1, name


@pytest.mark.slow
async def test_first_page_reads_every_stream_once_and_concurrently(
    tmp_path: Path, serve: Callable[[ASGIApp], str]
) -> None:
    sandbox = Sandbox(clock=stopped, logs=2000, latency=(0.05, 0.05))
    url = serve(sandbox.app)
    async with (
        Gateway(demo_settings(tmp_path, sandbox, url)) as gateway,
        httpx.AsyncClient(base_url=url) as control,
    ):
        # Hooks and tokens are fetched before the calls are counted.
        await gateway.logs(gateway.operation(), first=1)
        await control.delete("/control/calls")
        await gateway.logs(gateway.operation(), first=25)
        made = (await control.get("/control/calls")).json()
    lists = [call["path"] for call in made["calls"]]
    assert len(lists) == len(set(lists))
    for vendor, simultaneous in made["simultaneous"].items():
        asked = [call for call in made["calls"] if call["vendor"] == vendor]
        assert simultaneous == min(len(asked), 10), vendor
