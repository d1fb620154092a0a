"""Equal operations in flight are executed once, where the result is one for all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gateway.callers import Role
from gateway.sandbox import Sandbox
from tests.support.moment import stopped
from tests.web.direct import KEY, LIST, Direct, Reply, direct, watch_ways
from tests.web.protected import CALLERS, GRANTS, Grant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

VIEWER = CALLERS[GRANTS.index(Grant(Role.VIEWER))].credential
REPORTS = "{ webhookLogs(first: 3) { sourceReports { upstreamCalls } } }"
AGES = "{ webhookLogs(first: 3) { nodes { freshness { age } } } }"


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Direct]:
    watch_ways(monkeypatch)
    sandbox = Sandbox(clock=stopped, logs=60)
    async with direct(tmp_path, sandbox, monkeypatch) as app:
        yield app


async def prepare(app: Direct, query: str = LIST, *keys: str) -> None:
    """Let a query be seen and then expire; the vendors hold their next responses back."""
    for key in keys or (KEY,):
        for _ in range(4):
            await app.post(query, key=key)
    app.clock.advance(4000)
    app.vendors.gate = asyncio.Event()
    app.lists = 0


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def begin(app: Direct, query: str = LIST, key: str = KEY, **given: Any) -> asyncio.Task[Reply]:
    return asyncio.create_task(app.post(query, key=key, **given))


def release(app: Direct) -> None:
    assert app.vendors.gate is not None
    app.vendors.gate.set()


async def test_equal_operations_are_executed_once(app: Direct) -> None:
    await prepare(app)
    requests = [begin(app) for _ in range(20)]
    await settle()
    assert app.lists == 1
    release(app)
    replies = await asyncio.gather(*requests)
    assert app.lists == 1
    assert {reply.text for reply in replies} == {replies[0].text}
    assert {reply.status for reply in replies} == {200}
    assert len({reply.headers["x-request-id"] for reply in replies}) == 20
    statuses = [reply.headers["cache-status"] for reply in replies]
    assert [("collapsed" in status) for status in statuses] == [False] + [True] * 19
    assert statuses[1].count("fwd=miss") == statuses[1].count("collapsed")
    # Each is counted by the rate limit.
    lefts = [reply.left for reply in replies]
    assert lefts == list(range(lefts[0], lefts[0] - 20, -1))


@pytest.mark.parametrize("query", [REPORTS, AGES, "{ sources { name hooks { totalCount } } }"])
async def test_results_of_an_operation_of_its_own_are_not_shared(app: Direct, query: str) -> None:
    """A report counts the calls that were made for its own operation."""
    await prepare(app, query)
    requests = [begin(app, query) for _ in range(2)]
    await settle()
    release(app)
    one, other = await asyncio.gather(*requests)
    if query == REPORTS:
        assert app.lists == 2
        calls = [
            sum(report["upstreamCalls"] for report in reply.data["webhookLogs"]["sourceReports"])
            for reply in (one, other)
        ]
        assert calls[0] > calls[1] == 0
    assert app.lists in {0, 2}


async def test_operations_of_other_rights_are_not_shared(app: Direct) -> None:
    query = "{ webhookLogs(first: 3) { nodes { id request { method } } } }"
    await prepare(app, query, KEY, VIEWER)
    requests = [begin(app, query, key) for key in (KEY, VIEWER)]
    await settle()
    assert app.lists == 2
    release(app)
    await asyncio.gather(*requests)


async def test_operation_after_an_eviction_does_not_wait_for_one_before_it(app: Direct) -> None:
    """A caller who has changed something has to see it."""
    await prepare(app)
    first = begin(app)
    await settle()
    change = 'mutation { invalidateCache(tags: ["source:translations"]) { entries } }'
    assert (await app.post(change, key=KEY)).status == 200
    second = begin(app)
    await settle()
    assert app.lists == 2
    release(app)
    await asyncio.gather(first, second)


async def test_follower_goes_on_when_its_leader_leaves(app: Direct) -> None:
    await prepare(app)
    left = asyncio.Event()
    leader = begin(app, leave=left.wait())
    await settle()
    followers = [begin(app) for _ in range(3)]
    await settle()
    left.set()
    assert (await leader).status == 0
    assert app.lists == 1
    release(app)
    assert [(await each).status for each in followers] == [200] * 3


async def test_execution_is_cancelled_when_all_have_left(app: Direct) -> None:
    await prepare(app)
    left = asyncio.Event()
    requests = [begin(app, leave=left.wait()) for _ in range(3)]
    await settle()
    left.set()
    assert [(await each).status for each in requests] == [0] * 3
    app.vendors.gate = None
    before = app.lists
    assert (await app.post(LIST, key=KEY)).status == 200
    assert app.lists == before + 1


async def test_followers_of_a_failure_execute_themselves(app: Direct) -> None:
    await prepare(app)
    app.clock.advance(10**5)
    requests = [begin(app) for _ in range(3)]
    await settle()
    app.vendors.status = 500
    release(app)
    replies = await asyncio.gather(*requests)
    assert app.lists == 3
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert len(set(ids)) == 3
    for reply, id in zip(replies, ids, strict=True):
        assert '"data":null' in reply.text
        assert id in reply.text


async def test_defect_of_a_leader_is_its_own(app: Direct, monkeypatch: pytest.MonkeyPatch) -> None:
    await prepare(app)
    run, failing = app.view.run_posted, [True]

    async def fail_once(*given: Any) -> Any:
        await asyncio.sleep(0)
        if failing.pop() if failing else False:
            await settle()
            raise ZeroDivisionError
        return await run(*given)

    monkeypatch.setattr(app.view, "run_posted", fail_once)
    requests = [begin(app) for _ in range(2)]
    await settle()
    await settle()
    release(app)
    one, other = await asyncio.gather(*requests, return_exceptions=True)
    assert isinstance(one, ZeroDivisionError)
    assert isinstance(other, Reply)
    assert other.status == 200
