"""Limits, throttling, disconnects and failures on the short way of a request."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.config import Limit
from gateway.sandbox import Sandbox
from gateway.web import concurrency
from tests.support.moment import stopped
from tests.web.direct import KEY, LIST, LONG_WAY, Direct, direct, repeat, watch_ways, ways

if TYPE_CHECKING:
    from pathlib import Path

LISTS = "query L($n: Int) { webhookLogs(first: $n) { nodes { id } totalCount } }"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=60)


@pytest.mark.parametrize("mode", ["enforce", "warn"])
async def test_rate_limit_counts_each_request_once(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    watch_ways(monkeypatch)
    async with direct(tmp_path, sandbox, monkeypatch, limits={"rate": Limit(5, mode)}) as app:
        replies = [await app.post(LIST, key=KEY) for _ in range(5)]
        assert ways(replies)[-1] == "kept"
        assert [reply.left for reply in replies] == [4, 3, 2, 1, 0]
        last = [
            await app.post(LIST, key=KEY),
            await app.post("{ __typename }", key=KEY),
            await app.post(LIST, LONG_WAY, key=KEY),
        ]
        if mode == "enforce":
            assert [reply.status for reply in last] == [429] * 3
            assert last[0].comparable == last[1].comparable == last[2].comparable
            assert last[0].headers["ratelimit"] == last[2].headers["ratelimit"]
        else:
            assert [reply.status for reply in last] == [200] * 3
            assert app.view._limits.exceeded["rate"] == 3
        app.clock.advance(60)
        assert (await app.post(LIST, key=KEY)).status == 200


async def test_throttled_address_is_refused_with_a_known_key(app: Direct) -> None:
    await repeat(app)
    for _ in range(10):
        assert (await app.post(LIST, key="wlg_00000000_" + "b" * 43)).status == 401
    for _ in range(2):
        reply = await app.post(LIST, key=KEY)
        assert (reply.status, reply.way) == (429, "view")
    assert (await app.post(LIST, key=KEY, address="192.0.2.9")).way == "kept"
    app.clock.advance(61)
    assert (await app.post(LIST, key=KEY)).status == 200


async def test_success_forgets_failed_attempts_on_the_short_way(app: Direct) -> None:
    await repeat(app)
    for _ in range(3):
        for _ in range(6):
            await app.post(LIST, key="wlg_00000000_" + "b" * 43)
        assert (await app.post(LIST, key=KEY)).way == "kept"


@pytest.mark.parametrize("other", ["cost", "variables_depth", "answer"])
async def test_excess_that_is_warned_of_is_counted_each_time(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    watch_ways(monkeypatch)
    limit = {other: Limit(1, "warn")}
    async with direct(tmp_path, sandbox, monkeypatch, limits=limit) as app:
        body = {"query": LISTS, "variables": {"n": 2, "more": {"a": {}}}}
        replies = await repeat(app, body)
        assert ways(replies) == ["view", "door", "door", "door"]
        assert app.view._limits.exceeded[other] == 6


async def test_busy_gateway_refuses_in_the_same_way(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_ways(monkeypatch)
    monkeypatch.setattr(concurrency, "MAX_WAIT", 0.0)
    async with direct(tmp_path, sandbox, monkeypatch, limits={"operations": Limit(1)}) as app:
        await repeat(app)
        other = {"query": LISTS, "variables": {"n": 7}}
        await app.view._execution._concurrency.take()
        replies = [await app.post(other, key=KEY), await app.post(other, LONG_WAY, key=KEY)]
        assert ways(replies) == ["door", "view"]
        assert replies[0].status == 503
        assert replies[0].comparable == replies[1].comparable
        # It takes no time to send again.
        assert (await app.post(LIST, key=KEY)).way == "kept"


async def test_client_that_leaves_ends_the_execution(app: Direct) -> None:
    await repeat(app)
    app.vendors.gate = asyncio.Event()
    app.clock.advance(4000)
    asked, left = len(app.vendors.calls), asyncio.Event()
    request = asyncio.create_task(app.post(LIST, key=KEY, leave=left.wait()))
    while len(app.vendors.calls) == asked:  # noqa: ASYNC110
        await asyncio.sleep(0)
    left.set()
    assert (await request).status == 0
    app.vendors.gate.set()
    assert (await app.post(LIST, key=KEY)).status == 200


async def test_failure_of_vendors_is_told_in_the_same_way(app: Direct) -> None:
    await repeat(app)
    app.vendors.status = 500
    app.clock.advance(10**5)
    replies = [await app.post(LIST, key=KEY), await app.post(LIST, LONG_WAY, key=KEY)]
    assert ways(replies) == ["door", "view"]
    assert replies[0].comparable[:2] == replies[1].comparable[:2]
    assert json.loads(replies[0].text)["data"] is None
