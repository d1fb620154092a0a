"""When a whole answer is sent again, and what ends it."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from gateway.cache.evictions import EvictionLog
from gateway.config import Limit
from gateway.journal import ActionKind
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.service import Gateway
from gateway.upstream.operation import Result
from gateway.web import door
from gateway.web.answers import MEMORY, KeptAnswers
from tests.schema.test_written import TIMES, valid
from tests.support.moment import stopped
from tests.support.operations import Operations
from tests.web.direct import KEY, LONG_WAY, Direct, Reply, direct, watch_ways

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sampled(2)

ONE = """{ webhookLogs(first: 3, filter: { source: { eq: "translations" } }) {
  nodes { id event status } totalCount } }"""
OTHER = '{ webhookLogs(first: 3, filter: { source: { eq: "shop" } }) { nodes { id } } }'


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=300)


async def ask(app: Direct, query: Any = ONE) -> Reply:
    return await app.post(query, key=KEY)


async def kept(app: Direct, query: Any = ONE) -> Reply:
    """Send a query until its answer is kept."""
    replies = [await ask(app, query) for _ in range(6)]
    assert replies[-1].way == "kept", query
    return replies[-1]


async def test_third_equal_request_by_the_short_way_is_not_executed(app: Direct) -> None:
    await ask(app, "{ __typename }")
    await ask(app)  # the document is executed by graphql-core when it is first seen
    lists = []
    for _ in range(4):
        before = app.lists
        await ask(app)
        lists.append(app.lists - before)
    assert lists == [1, 1, 0, 0]


@pytest.mark.parametrize("action", ["retry", "delete"])
async def test_action_ends_an_answer(app: Direct, action: str) -> None:
    before = await kept(app)
    other = await kept(app, OTHER)
    id = before.data["webhookLogs"]["nodes"][0]["id"]
    name = f"{action}WebhookLog"
    change = f'mutation {{ {name}(id: "{id}") {{ __typename }} }}'
    done = await ask(app, change)
    assert "errors" not in json.loads(done.text), done.text
    after = await ask(app)
    assert after.way == "door"
    ids = [node["id"] for node in after.data["webhookLogs"]["nodes"]]
    assert (id in ids) == (action == "retry")
    assert (await ask(app, OTHER)).comparable == other.comparable
    assert (await ask(app, OTHER)).way == "kept"


@pytest.mark.parametrize("field", ["attempts { number status }", "request { body }"])
async def test_whatever_was_read_can_be_kept(app: Direct, field: str) -> None:
    query = f"{{ webhookLogs(first: 60) {{ nodes {{ id {field} }} }} }}"
    replies = [await ask(app, query) for _ in range(6)]
    assert {reply.status for reply in replies} == {200}
    assert replies[-1].way == "kept"
    assert replies[-1].data == replies[0].data


@pytest.mark.parametrize(("seed", "count"), [(1, 15), pytest.param(2, 300, marks=pytest.mark.slow)])
async def test_random_operations_have_one_result_on_all_ways(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, seed: int, count: int
) -> None:
    watch_ways(monkeypatch)
    off = {"rate": Limit(1, "off")}
    schema = build_schema()
    operations = Operations(schema._schema, random.Random(seed), [])
    ways = Counter[str]()
    async with direct(tmp_path, sandbox, monkeypatch, limits=off) as app:
        for _ in range(count):
            asked = valid(operations, schema)
            query = {"query": asked.text, "variables": asked.variables}
            results = []
            for more in [LONG_WAY], [LONG_WAY], [], [], [], []:
                reply = await app.post(query, *more, key=KEY)
                ways[reply.way] += 1
                results.append((reply.status, shown(reply)))
            # The first has filled the cache.
            assert results[2:] == results[1:2] * 4, asked
    assert ways["kept"] > count / 4


def shown(reply: Reply) -> dict[str, Any]:
    """Return what is the same in equal responses."""
    text = reply.text.replace(reply.headers["x-request-id"], "ID")
    document: dict[str, Any] = json.loads(TIMES.sub(b'"time":0', text.encode()))
    # Fields of several lists fail in any order.
    document.get("errors", []).sort(key=json.dumps)
    return document


async def test_answer_is_sent_before_it_is_kept(
    app: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller gets it at once, even if it can't be kept."""
    done = []
    send, keep = door._Request.send_body, KeptAnswers.keep

    async def sent(*given: Any) -> None:
        await send(*given)
        done.append("sent")

    def kept_then(*given: Any) -> None:
        keep(*given)
        done.append("kept")

    await ask(app)
    monkeypatch.setattr(door._Request, "send_body", sent)
    monkeypatch.setattr(KeptAnswers, "keep", kept_then)
    assert (await ask(app)).way == "door"
    assert done == ["sent", "kept"]


async def test_answer_of_stale_hooks_is_not_kept(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hide the lists of new hooks for as long as its pages are fresh."""
    watch_ways(monkeypatch)
    lifetimes = {"first_page": 5.0, "hooks": 60.0, "stale_while_revalidate": 2.0}
    query = '{ webhookLogs(filter: { source: { eq: "github" } }) { nodes { id } } }'
    async with direct(tmp_path, sandbox, monkeypatch, cache=lifetimes) as app:
        await kept(app, query)
        app.clock.advance(58)
        await kept(app, query)
        # Now the hooks are stale, and the pages fresh.
        app.clock.advance(3)
        app.vendors.gate = asyncio.Event()
        assert [(await ask(app, query)).way for _ in range(3)] == ["door"] * 3
        app.vendors.gate.set()
        app.clock.advance(5)
        await kept(app, query)


async def test_extensions_count_for_the_limit_of_an_answer(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_ways(monkeypatch)
    query = {"query": ONE, "extensions": {"cost": True}}
    async with direct(tmp_path, sandbox, monkeypatch) as app:
        whole = await kept(app, query)
        settings = app.gateway.settings
    assert '"cost"' in whole.text
    limit = {"answer": Limit(len(whole.text) - 20, "enforce")}
    async with direct(tmp_path, sandbox, monkeypatch, settings=settings, limits=limit) as app:
        for count in range(1, 5):
            assert "the limit answer is" in (await ask(app, query)).text
            assert app.view._limits.exceeded["answer"] == count


async def test_invalidation_ends_an_answer(app: Direct) -> None:
    await kept(app)
    tags = '["source:translations"]'
    await ask(app, f"mutation {{ invalidateCache(tags: {tags}) {{ entries }} }}")
    asked = len(app.vendors.calls)
    assert (await ask(app)).way == "door"
    assert len(app.vendors.calls) > asked


async def test_expiry_ends_an_answer(app: Direct) -> None:
    await kept(app)
    app.clock.advance(4.9)
    assert (await ask(app)).way == "kept"
    app.clock.advance(0.2)
    assert (await ask(app)).way == "door"


async def test_changed_row_ends_an_answer_and_an_equal_page_does_not(app: Direct) -> None:
    await kept(app, _without_total(ONE))
    # A page that was refreshed once knows when it was first read.
    app.clock.advance(60)
    before = await kept(app, _without_total(ONE))
    app.clock.advance(60)
    # Others have the page refreshed.
    await app.post(_without_total(ONE).replace("id ", "id raw "), key=KEY)
    again = await ask(app, _without_total(ONE))
    assert (again.way, again.text) == ("kept", before.text)
    event = before.data["webhookLogs"]["nodes"][0]["event"]
    app.vendors.edits = {f'"{event}"'.encode(): b'"changed"'}
    app.clock.advance(60)
    await app.post(_without_total(ONE).replace("id ", "id raw "), key=KEY)
    after = await ask(app, _without_total(ONE))
    assert after.way == "door"
    assert after.data["webhookLogs"]["nodes"][0]["event"] == "changed"


def _without_total(query: str) -> str:
    return query.replace("totalCount", "")


async def test_action_of_another_process_ends_an_answer(app: Direct) -> None:
    before = await kept(app)
    id = before.data["webhookLogs"]["nodes"][0]["id"]
    async with Gateway(app.gateway.settings, transport=app.vendors, clock=app.clock) as other:
        await other.act(other.operation(), ActionKind.DELETE, id)
    after = await ask(app)
    assert after.way == "door"
    assert id not in [node["id"] for node in after.data["webhookLogs"]["nodes"]]


async def test_eviction_by_another_worker_ends_an_answer(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_ways(monkeypatch)
    ring = EvictionLog()
    other = EvictionLog(ring._shared)
    async with direct(tmp_path, sandbox, monkeypatch, evictions=ring) as app:
        await kept(app)
        other.append(["source:translations"])
        assert (await ask(app)).way == "door"


@pytest.mark.parametrize(
    "query",
    [
        '{ webhookLogs(first: 2, filter: { triggeredAt: { gte: "PT1H" } }) { nodes { id } } }',
        "{ webhookLogs(first: 2) { nodes { freshness { age } } } }",
        "{ webhookLogs(first: 2) { nodes { freshness { status } } } }",
        "{ webhookLogs(first: 2) { sourceReports { age } } }",
        "{ webhookLogs(first: 2) { sourceReports { fetchedAt } } }",
        "{ webhookLogs(first: 2) { nodes { source { health { status } } } } }",
        "{ webhookLogs(first: 2) { nodes { availableActions { action available } } } }",
        "{ webhookLogs(first: 2, cache: { maxAge: 60 }) { nodes { id } } }",
        "{ webhookLogs(first: 200) { nodes { id } } }",
        "{ viewer { name } }",
    ],
)
async def test_answer_that_is_not_lasting_is_not_kept(app: Direct, query: str) -> None:
    for _ in range(6):
        assert (await ask(app, query)).way != "kept"


async def test_no_cache_passes_by_kept_answers(app: Direct) -> None:
    await kept(app)
    asked = len(app.vendors.calls)
    app.clock.advance(2)
    reply = await app.post(ONE, ("cache-control", "no-cache"), key=KEY)
    assert reply.way == "view"
    assert len(app.vendors.calls) > asked


async def test_stale_pages_are_not_kept(app: Direct) -> None:
    await kept(app)
    app.vendors.status = 503
    app.clock.advance(60)
    for _ in range(5):
        reply = await ask(app)
        assert (reply.status, reply.way) == (200, "door")


async def test_failure_to_count_is_not_kept(app: Direct) -> None:
    """The list is cached, so that the response has no error; the next one may have the count."""
    await kept(app, _without_total(ONE))
    app.vendors.status = 500
    for _ in range(5):
        reply = await ask(app)
        assert reply.data["webhookLogs"]["totalCount"] is None
        assert reply.way != "kept"
    app.vendors.status = None
    app.clock.advance(3)  # behind the breaker and the limit of calls
    assert (await ask(app)).data["webhookLogs"]["totalCount"]


async def test_failed_refresh_of_a_fresh_page_is_told(app: Direct) -> None:
    """Only the reports and Cache-Status can tell that the vendor fails."""
    query = ONE.replace("totalCount", "sourceReports { notes }")
    before = await kept(app, query)
    app.vendors.status = 503
    app.clock.advance(2)
    await app.post(_without_total(ONE), ("cache-control", "no-cache"), key=KEY)
    after = await ask(app, query)
    assert after.text != before.text
    assert after.text == (await app.post(query, LONG_WAY, key=KEY)).text


async def test_totals_are_not_kept_while_what_is_known_of_a_list_changes(app: Direct) -> None:
    await kept(app)
    app.gateway.sources["translations"].list_facts.contradicted = True
    assert (await ask(app)).way == "door"


async def test_answer_of_pages_that_follow_each_other_ends_with_a_refresh(app: Direct) -> None:
    """A later page that is older than the first might not continue it."""
    query = _without_total(ONE).replace("first: 3", "first: 100")
    before = await kept(app, query)
    assert len(before.data["webhookLogs"]["nodes"]) > 50  # a page of the vendor
    app.clock.advance(6)
    await app.post(_without_total(ONE), ("cache-control", "no-cache"), key=KEY)
    assert (await ask(app, query)).way == "door"


async def test_kept_answers_do_not_keep_pages(app: Direct) -> None:
    """The cache bounds its pages; kept answers could otherwise hold thousands more."""
    await kept(app)
    store: Any = app.gateway._cache._store
    pages = [
        weakref.ref(store._entries._cache[key].value) for key in store._sizes if "/page/" in key
    ]
    assert pages
    await store.close()
    await kept(app, OTHER)
    gc.collect()
    assert [page() for page in pages] == [None] * len(pages)
    assert (await ask(app)).way == "door"


def test_kept_answers_are_bounded() -> None:
    class Operation:
        used: tuple[Any, ...] = ()
        result = Result()
        executed, returned = None, 0

    class Facts:
        def list_facts(self) -> None:
            return None

    answers = KeptAnswers(Facts())  # type: ignore[arg-type]
    operation: Any = Operation()
    body = b"a" * 2**17
    for number in range(300):
        for _ in range(2):
            answers.keep(((), b"%d" % number), body, operation)
    assert 100 < len(answers._kept) < 130
    assert answers._kept.currsize <= MEMORY
    for number in range(9000):
        answers.keep(((), b"%d" % number), b"", operation)
    assert len(answers._seen) <= 4096
    large = b"a" * (MEMORY + 1)
    for _ in range(2):
        answers.keep(((), b"large"), large, operation)
    assert answers.find(((), b"large")) is None


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"cache": {"reuse_answers": False}}, "door"),
        ({"server": {"compiled": False}}, "door"),
        ({"cache": {"reuse_rows": False}}, "kept"),
    ],
)
async def test_each_layer_has_a_switch(
    tmp_path: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    tables: dict[str, Any],
    expected: str,
) -> None:
    watch_ways(monkeypatch)
    async with direct(tmp_path, sandbox, monkeypatch, **tables) as app:
        found = [(await ask(app)).way for _ in range(6)]
        assert found[-1] == expected
        memo: Any = app.gateway.sources["translations"]._cache._row_memo
        assert bool(len(memo)) == tables.get("cache", {}).get("reuse_rows", True)
