"""Which operations are written without graphql-core, and what is kept for the next ones."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway.callers import ANONYMOUS, Role
from gateway.config import Limit
from gateway.sandbox import Sandbox
from gateway.schema import build_schema, kept
from gateway.schema.context import Context
from gateway.schema.kept import Kept
from gateway.schema.rows import _Layout
from tests.schema.execution import limits
from tests.schema.sides import Side, caller, opened
from tests.support.fake_source import log
from tests.support.moment import stopped
from tests.support.operations import Operation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.model import WebhookLog
    from gateway.settings import Settings

pytestmark = pytest.mark.sampled(5)

LIST = "{ webhookLogs(first: 3) { nodes { id event status } } }"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=300)


@pytest.fixture
async def side(sandbox: Sandbox, demo_settings: Settings) -> AsyncIterator[Side]:
    async with opened(demo_settings, sandbox, build_schema()) as side:
        yield side


def query(text: str, **variables: Any) -> Operation:
    return Operation(text, variables, 1)


async def execute(side: Side, asked: Operation | str, **given: Any) -> tuple[dict[str, Any], bool]:
    """Execute an operation that has been seen before; return the response."""
    asked = asked if isinstance(asked, Operation) else query(asked)
    side.schema.documents.get(asked.text)
    response, is_written = await side.execute(asked, **given)
    body: dict[str, Any] = msgspec.json.decode(response)
    return body, is_written


async def records(side: Side) -> list[WebhookLog]:
    page = await side.gateway.logs(side.gateway.operation(), first=3)
    return [entry.record for entry in page.slice.entries]


async def test_document_is_left_to_graphql_core_when_it_is_first_seen(side: Side) -> None:
    """Planning costs as much as it saves once, and a scanner may send a new document each time."""
    found = [(await side.execute(query(LIST)))[1] for _ in range(3)]
    assert found == [False, True, True]


@pytest.mark.parametrize(
    "text",
    [
        "{ webhookLogs(first: 2) { nodes { id } } viewer { name } }",
        "{ webhookLogs(first: 2) { nodes { id } } __schema { queryType { name } } }",
        '{ webhookLogs(first: 2) { nodes { id } } __type(name: "Node") { name } }',
        "{ webhookLogs(first: 2) { nodes { source { hooks { totalCount } } } } }",
        "{ webhookLogs(first: 2) { sourceReports { source { logs { totalCount } } } } }",
        "{ sources { name } }",
        "{ _service { sdl } }",
        "mutation { invalidateCache(tags: []) { entries } }",
        "query A { webhookLogs { nodes { id } } } query B { webhookLogs { nodes { id } } }",
        "query ($no: Boolean = true) { webhookLogs(first: 200) @skip(if: $no) { nodes { id } } }",
    ],
)
async def test_other_operations_are_those_of_graphql_core(side: Side, text: str) -> None:
    _, is_written = await execute(side, text)
    assert is_written == ("$no" in text)


async def test_writing_is_switched_off_with_compiled(
    sandbox: Sandbox, demo_settings: Settings
) -> None:
    async with opened(demo_settings, sandbox, build_schema(compiled=False)) as side:
        assert not (await execute(side, LIST))[1]


@pytest.mark.parametrize(
    "variables",
    [
        {"n": "2"},
        {"n": 2.5},
        {"n": True},
        {"n": None, "f": {"nothing": 1}},
        {"n": 101},
        {"b": None},
    ],
)
async def test_errors_of_variables_are_those_of_graphql_core(
    side: Side, variables: dict[str, Any]
) -> None:
    text = """query ($n: Int, $f: WebhookLogFilter, $b: Boolean = false) {
        webhookLogs(first: $n, filter: $f) { nodes { id @skip(if: $b) } } }"""
    found, is_written = await execute(side, query(text, **variables))
    assert found["errors"]
    assert not is_written


async def test_failed_list_is_not_read_again(side: Side) -> None:
    """Asking a vendor that is down twice would double the time that the caller waits."""
    for text in (LIST, "{ a: webhookLogs { nodes { id } } b: webhookLogs { nodes { id } } }"):
        counts = []
        for side.writes in (False, True):
            side.readings.begin(set(side.gateway.sources))
            found, is_written = await execute(side, text)
            assert found["data"] is None
            assert not is_written
            counts.append(side.readings.counts.copy())
        assert counts[0] == counts[1]


async def test_page_with_a_field_that_fails_is_not_read_again(side: Side) -> None:
    text = "{ webhookLogs(first: 3) { totalCount nodes { id raw } } }"
    reader = caller((Role.READER, None))
    await execute(side, text)
    side.readings.begin(set())
    found, is_written = await execute(side, text, seen_by=reader)
    assert len(found["errors"]) == len(found["data"]["webhookLogs"]["nodes"]) == 3
    assert not is_written
    once = side.readings.counts.copy()
    side.readings.begin(set())
    await execute(side, "{ webhookLogs(first: 3) { totalCount nodes { id } } }", seen_by=reader)
    assert side.readings.counts == once


async def test_failed_hook_is_not_read_again(side: Side) -> None:
    text = "{ webhookLogs(first: 3) { nodes { hook { name } } } }"
    assert (await execute(side, text))[1]
    counts = []
    for side.writes in (False, True):
        side.readings.begin(set(side.gateway.sources), only="hooks")
        found, is_written = await execute(side, text)
        assert found["errors"]
        assert not is_written
        counts.append(side.readings.counts.copy())
    assert counts[0] == counts[1]


async def test_record_that_cannot_be_written_is_tried_once(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise one bad row would make each list that has it be executed one and a half times."""
    tried: list[WebhookLog] = []
    written = _Layout._written

    def write(layout: _Layout, record: WebhookLog, info: Any) -> Any:
        tried.append(record)
        return written(layout, record, info)

    monkeypatch.setattr(_Layout, "_written", write)
    text = "{ webhookLogs(first: 3) { nodes { raw } } }"
    for _ in range(3):
        assert not (await execute(side, text, seen_by=caller((Role.READER, None))))[1]
    assert len(tried) == 1
    for _ in range(3):
        assert (await execute(side, text))[1]
    assert len(tried) == 4


async def test_what_an_admin_may_see_is_not_kept_for_others(side: Side) -> None:
    text = "{ webhookLogs(first: 3) { nodes { request { body } response { headers { value } } } } }"
    callers = [ANONYMOUS, *(caller((role, None)) for role in (Role.VIEWER, Role.READER))]
    for first, second in itertools.permutations(callers, 2):
        for seen_by in (first, second, first):
            found, is_written = await execute(side, text, seen_by=seen_by)
            assert is_written == (seen_by != callers[1])
            assert ("errors" in found) == (seen_by == callers[1])


async def test_few_selections_are_kept_beside_a_record(side: Side) -> None:
    fields = ("id", "event", "status", "attempt", "upstreamId", "correlationId", "warnings")
    for name in fields:
        assert (await execute(side, f"{{ webhookLogs(first: 3) {{ nodes {{ {name} }} }} }}"))[1]
    for record in await records(side):
        assert len(record.__dict__["written"]) == kept.MAX_KEPT


def test_oldest_rows_are_dropped_when_there_is_no_room() -> None:
    """A caller must not be able to fill the memory by asking for ever other selections."""
    room = 3 * (kept.RECORD + kept.OVERHEAD + 100)
    store = Kept(room)
    rows = [log("shop", number, number) for number in range(5)]
    for row in rows:
        store.keep(row, "mark", b"x" * 100, 100)
    assert [len(row.__dict__["written"]) for row in rows] == [0, 0, 1, 1, 1]
    assert store.size == room
    for number in range(9):
        store.keep(rows[0], number, b"x" * 100, 100)
    assert len(rows[0].__dict__["written"]) <= kept.MAX_KEPT
    assert store.size <= room


def test_what_is_kept_is_what_is_counted() -> None:
    """Whatever is written, dropped, written again or ends."""
    chance = random.Random(3)
    store = Kept(room=40 * (kept.LARGE + kept.OVERHEAD))
    sizes = {b"s": 100, b"l": kept.LARGE + 1}
    records = [log("shop", number, number) for number in range(60)]
    for step in range(2000):
        place, text = chance.randrange(60), chance.choice(list(sizes))
        if chance.random() < 0.1:
            records[place] = log("shop", step, step)
        store.keep(records[place], chance.randrange(6), text, sizes[text])
        texts = [list(each.__dict__.get("written", {}).values()) for each in records]
        counted = [sizes[text] + kept.OVERHEAD for each in texts for text in each]
        assert store.size == sum(counted) + sum(len(set(each)) for each in texts) * kept.RECORD
    records.clear()
    assert store.size == 0


def test_record_that_ends_at_the_limit_of_recursion_is_uncounted_later() -> None:
    """Python then can't call what would uncount it."""
    store = Kept(room=40 * (kept.RECORD + kept.OVERHEAD + 100))

    def end(depth: int) -> None:
        records = [log("shop", number, number) for number in range(10)]
        for record in records:
            store.keep(record, "mark", b"x" * 100, 100)
        del record

        def deeper(left: int) -> None:
            if left:
                deeper(left - 1)
            else:
                records.clear()

        with contextlib.suppress(RecursionError):
            deeper(depth)

    limit = sys.getrecursionlimit()
    for depth in range(limit - 200, limit):
        end(depth)
        if store.size:
            break
    ended = set(store._small._rows)
    assert ended
    records = [log("shop", number, number) for number in range(60)]
    assert ended & {id(record) for record in records}
    for record in records:
        store.keep(record, "mark", b"x" * 100, 100)
    texts = [text for each in records for text in each.__dict__["written"].values()]
    assert store.size == len(texts) * (kept.RECORD + kept.OVERHEAD + 100)
    assert len(texts) == 40


def test_row_of_many_runs_takes_more() -> None:
    store = Kept()
    record = log("shop", 1, 1)
    store.keep(record, "mark", (b"x",) * 60, 60)
    assert store.size == kept.RECORD + kept.OVERHEAD + 60 + 60 * kept.RUN


async def test_few_plans_are_kept_for_combinations_of_variables(side: Side) -> None:
    text = """query (%s) { webhookLogs(first: 1) { nodes {
        id @skip(if: $a) event @include(if: $b) status @skip(if: $c) attempt @skip(if: $d)
        warnings } } }"""
    text %= ", ".join(f"${name}: Boolean!" for name in "abcd")
    for values in itertools.product([True, False], repeat=4):
        a, b, c, d = values
        found, is_written = await execute(side, query(text, a=a, b=b, c=c, d=d))
        [node] = found["data"]["webhookLogs"]["nodes"]
        wanted = {"id": not a, "event": b, "status": not c, "attempt": not d, "warnings": True}
        assert list(node) == [name for name, is_wanted in wanted.items() if is_wanted]
        assert is_written
    outline = side.schema.documents.get(text).plans[None]
    assert len(outline._plans) == 8


@pytest.mark.parametrize("name", ["cost", "answer", "aliases", "document"])
@pytest.mark.parametrize("mode", ["enforce", "warn"])
async def test_excess_is_counted_once(
    sandbox: Sandbox, demo_settings: Settings, name: str, mode: Any
) -> None:
    """Whether a limit only warns must not depend on how the operation is executed."""
    held = limits(**{name: Limit(1, mode)})
    text = "{ webhookLogs(first: 2) { a: totalCount b: totalCount nodes { id } } }"
    async with opened(demo_settings, sandbox, build_schema(held)) as side:
        for number in range(1, 3):
            response, is_written = await side.execute(query(text))
            in_view = name == "answer"
            assert held.exceeded[name] == (0 if in_view else number)
            assert is_written == (in_view and mode == "warn" and number == 2)
            assert (b"LIMIT_EXCEEDED" in response) == (mode == "enforce" and not in_view)


async def test_cost_is_an_extension_if_the_request_asks_for_it(side: Side) -> None:
    context = Context(side.gateway, side.gateway.operation())
    side.schema.documents.get(LIST)
    written = await side.schema.write(
        LIST, variables=None, operation_name=None, extensions={"cost": True}, context=context
    )
    result = await side.schema.execute(
        LIST, context_value=context, operation_extensions={"cost": True}
    )
    assert written == msgspec.json.encode({"data": result.data, "extensions": result.extensions})
    assert (result.extensions or {})["cost"]["requested"] > 3


async def test_large_value_is_not_repeated_for_each_alias(side: Side) -> None:
    """A document of a few bytes must not make the gateway write gigabytes."""
    [record, *_] = await records(side)
    large = msgspec.structs.replace(record, raw="x" * 2**19, complete=True)
    side.readings._records[record.id] = large
    side.readings._pages.clear()
    fields = " ".join(f"a{number}: raw" for number in range(90))
    found, is_written = await execute(
        side, f"{{ webhookLogs(first: 1) {{ nodes {{ {fields} }} }} }}"
    )
    assert len(found["data"]["webhookLogs"]["nodes"][0]) == 90
    assert not is_written
    assert (await execute(side, "{ webhookLogs(first: 1) { nodes { raw } } }"))[1]


async def test_other_lists_are_cancelled_when_one_is_refused(side: Side) -> None:
    running = asyncio.all_tasks()
    text = "{ a: webhookLogs(first: 200) { nodes { id } } b: webhookLogs { nodes { id } } }"
    found, _ = await execute(side, text)
    assert [error["path"] for error in found["errors"]] == [["a"]]
    for _ in range(20):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() <= running


async def test_defect_of_a_plan_is_left_to_graphql_core(
    side: Side, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(_Layout, "_written", fail)
    with caplog.at_level(logging.WARNING):
        found, is_written = await execute(side, LIST)
    assert len(found["data"]["webhookLogs"]["nodes"]) == 3
    assert not is_written
