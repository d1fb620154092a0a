"""The cost of operations, known before they are executed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLNonNull, GraphQLObjectType, is_list_type

from gateway.config import Limit
from gateway.schema import build_schema, cost
from gateway.schema.documents import Documents
from gateway.schema.preparation import Preparation
from tests.schema.execution import CORE, FOUR, answer, limits


async def price(document: str, **variables: Any) -> int:
    """Return the cost of a document, under a limit that keeps it from being executed."""
    result = await answer(document, limits(cost=Limit(1)), variables)
    assert result.extensions, result.errors
    assert result.extensions["cost"]["maximum"] == 1
    told: int = result.extensions["cost"]["requested"]
    return told


@pytest.mark.sampled(7)
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ __typename sources { name } }", 1 + 4 * (1 + 1)),
        ("{ webhookLogs { nodes { id } } }", 41 + 1 + 25),
        ("{ webhookLogs(first: 100) { edges { cursor node { id } } } }", 41 + 1 + 100 * 3),
        ("{ webhookLogs(first: 0) { nodes { id } } }", 41 + 1),
        ("{ webhookLogs(first: null) { nodes { id } } }", 41 + 1 + 25),
        ('{ webhookLogs(last: 7, before: "x") { nodes { id } } }', 41 + 400 + 1 + 7),
        ("{ webhookLogs(filter: {}) { nodes { id } } }", 41 + 400 + 1 + 25),
        ("{ webhookLogs(filter: null, before: null) { nodes { id } } }", 41 + 1 + 25),
        ("{ sources { logs(filter: {}, first: 3) { nodes { id } } } }",
         4 * (1 + 11 + 400 + 1 + 3)),
        ("{ webhookLogs(first: 5000) { nodes { id } } }", 41 + 1 + 100),
        ("{ webhookLogs(first: 1) { totalCount sourceReports { returned } } }", 41 + 41 + 4 * 2),
        ("{ webhookLogs(first: 2) { ...P } } fragment P on WebhookLogConnection"
         " { nodes { ...L } } fragment L on WebhookLog { id event }", 41 + 1 + 2 * 2),
        ("{ webhookLogs(first: 10) { nodes { request { url } } } }", 41 + 1 + 10 * 2),
        ("{ webhookLogs(first: 10) { nodes { request { body bodyJson } } } }",
         41 + 1 + 10 * (1 + 2 + 10)),
        ("{ webhookLogs(first: 10) { nodes { request { headers { name } } } } }",
         41 + 1 + 10 * (1 + 10 * 2 + 10)),
        ("{ webhookLogs(first: 10) { nodes { attempts { number } } } }",
         41 + 1 + 10 * (10 * 2 + 10)),
        ("{ webhookLogs(first: 10) { nodes { availableActions { reason } } } }",
         41 + 1 + 10 * 2 * 2),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3 * (11 + 1)),
        ('{ nodes(ids: "a") { id } }', 10 * (11 + 1)),
        ('{ webhookLog(id: "a") { id } }', 11 + 1),
        ("{ sources { logs(first: 3) { nodes { id } } } }", 4 * (1 + 11 + 1 + 3)),
        ("{ sources { hooks(first: 3) { nodes { name } totalCount } } }", 4 * (1 + 11 + 2 + 3)),
        ("{ webhookLogStats { found } }", 1 + 40 + 400 + 1),
        ("{ webhookLogStats(filter: {}) { count } }", 441 + 1 + 40),
        ('{ webhookLogStats(bucket: "PT1H") { buckets { start count } } }', 441 + 750 * (1 + 2)),
        ("{ webhookLogStats(by: [STATUS], first: 7) { groups { status found } groupCount } }",
         441 + 1 + 7 * 2 + 1),
        ("{ webhookLogStats(by: [HOOK]) { groups { count } } }", 441 + 1 + 25 * 11),
        ("{ webhookLogStats { sourceReports { outcome } } }", 441 + 4 * 2),
        ("{ failureGroups(first: 3) { groups { id share } complete } }", 441 + 1 + 3 * 2 + 1),
        ("{ failureGroups(first: 3) { groups { sample { request { body } } } } }",
         441 + 1 + 3 * (1 + 1 + 1 + 10)),
        ('mutation { retryWebhookLog(id: "x") { userErrors { code } } }', 11 + 10 * 2),
    ],
)  # fmt: skip
async def test_cost_of_lists_and_calls(document: str, expected: int) -> None:
    assert await price(document) == expected


@pytest.mark.parametrize(
    ("value", "size"),
    [(7, 7), (0, 0), (-5, 0), (7.0, 7), (10**30, 100), (None, 25), ("7", 100), ([7], 100)],
)
async def test_page_size_from_a_variable_counts(value: Any, size: int) -> None:
    query = "query ($n: Int) { webhookLogs(first: $n) { nodes { id } } }"
    assert await price(query, n=value) == 42 + size


async def test_filter_from_a_variable_counts() -> None:
    query = "query ($f: WebhookLogFilter) { webhookLogs(filter: $f) { nodes { id } } }"
    assert await price(query) == await price(query, f=None) == 42 + 25
    assert await price(query, f={}) == 42 + 400 + 25
    query = query.replace("Filter)", "Filter = {})")
    assert await price(query) == 42 + 400 + 25
    assert await price(query, f=None) == 42 + 25


async def test_large_filter_costs_by_its_size() -> None:
    fifty = [{"event": {"eq": "a"}}] * 25
    text = ", ".join(["{ event: { eq: $e } }"] * 25)
    query = f"query ($e: String) {{ webhookLogs(filter: {{ and: [{text}] }}) {{ totalCount }} }}"
    assert await price(query) == 41 + 10 * 51 + 25 + 41
    query = "query ($f: WebhookLogFilter) { webhookLogs(filter: $f) { totalCount } }"
    assert await price(query, f={"or": fifty}) == 41 + 10 * 51 + 25 + 41
    assert await price(query, f={"or": fifty[:10]}) == 41 + 400 + 41
    assert await price(query, f={"event": {"in": ["a"] * 900}}) == 41 + 10 * 2 + 900 + 41
    query = query.replace("Filter)", f"Filter = {{ and: [{text.replace('$e', 'null')}] }})")
    assert await price(query) == 41 + 10 * 51 + 25 + 41
    query = """query ($f: WebhookLogFilter!, $l: [WebhookLogFilter!]) {
                 webhookLogs(filter: { and: [$f, $f, { or: $l }] }) { totalCount } }"""
    assert await price(query, f={"and": fifty}, l=fifty) == 41 + 10 * (2 + 51 + 51 + 50) + 75 + 41
    assert await price(query, f={}, l=None) == 41 + 400 + 41


@pytest.mark.slow
async def test_cached_cost_is_not_reused_for_other_variables() -> None:
    schema = build_schema()
    query = "query ($n: Int, $after: String) { webhookLogs(first: $n, after: $after) { nodes { id }"
    query += " } }"
    values: list[Any] = [None, 1, 2, "2", [2], {}, True, 2.0, *range(3, 110), None, 1, "x"]
    for value in values:
        result = await schema.execute(
            query,
            variable_values={"n": value, "after": "x"},
            context_value=FOUR,
            operation_extensions={"cost": True},
        )
        size = 25 if value is None else min(value, 100) if isinstance(value, int | float) else 100
        assert result.extensions == {"cost": {"requested": 42 + size, "maximum": 20_000}}
    query = "query ($f: WebhookLogFilter) { webhookLogs(filter: $f) { nodes { id } } }"
    filters: list[Any] = [None, {}, {"and": [{}] * 100}, None, {"and": [{}] * 10}]
    for wanted in filters:
        result = await schema.execute(
            query,
            variable_values={"f": wanted},
            context_value=FOUR,
            operation_extensions={"cost": True},
        )
        objects = len(wanted.get("and", ())) + 1 if wanted is not None else 0
        requested = 67 + (max(400, 10 * objects) if objects else 0)
        assert result.extensions == {"cost": {"requested": requested, "maximum": 20_000}}
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    for ids in (["x"], ["y"] * 3, ["x"] * 3):
        result = await schema.execute(
            query,
            variable_values={"ids": ids},
            context_value=FOUR,
            operation_extensions={"cost": True},
        )
        assert result.extensions == {"cost": {"requested": 12 * len(ids), "maximum": 20_000}}


async def test_cached_costs_are_bounded() -> None:
    kept = Documents(CORE, limits())
    prepared = Preparation(kept, cost.PriceList(CORE), limits())
    text = "query ($n: Int) { webhookLogs(first: $n) { nodes { id } } }"
    for number in range(300):
        prepared.execution_context = SimpleNamespace(  # type: ignore[assignment]
            operation_name=None,
            context=FOUR,
            variables={"n": number * 10**100, f"other{number}": "x" * 10**4},
        )
        assert prepared._cost_of(kept.get(text)) == (42 if number == 0 else 142)
    assert kept.get(text).costs == {(None, 4, (0,)): 42, (None, 4, (100,)): 142}
    for number in range(300):
        prepared.execution_context.variables = {"n": ["x"] * number}
        prepared._cost_of(kept.get(text))
        assert len(kept.get(text).costs) <= 100


async def test_defaults_and_list_lengths_of_variables_count() -> None:
    query = "query ($n: Int = 9) { webhookLogs(first: $n) { nodes { id } } }"
    assert await price(query) == 42 + 9
    assert await price(query, n=3) == 42 + 3
    query = 'query ($ids: [ID!]! = ["a", "b"]) { nodes(ids: $ids) { id } }'
    assert await price(query) == 2 * 12
    assert await price(query, ids=["x"] * 10_000) == 10_000 * 12


async def test_only_the_named_operation_counts() -> None:
    query = "query A { __typename } query B { sources { name } }"
    schema = build_schema()
    for name, requested in [("A", 1), ("B", 8)]:
        result = await schema.execute(
            query, operation_name=name, context_value=FOUR, operation_extensions={"cost": True}
        )
        assert result.extensions == {"cost": {"requested": requested, "maximum": 20_000}}


async def test_cost_is_returned_only_on_request() -> None:
    schema = build_schema(limits(cost=Limit(5, "warn")))
    for asked in (None, {}, {"cost": False}, {"cost": 1}):
        result = await schema.execute("{ __typename }", operation_extensions=asked)
        assert result.extensions == {}
    result = await schema.execute("{ __typename }", operation_extensions={"cost": True})
    assert result.extensions == {"cost": {"requested": 1, "maximum": None}}


def test_price_list_matches_the_schema() -> None:
    names = {
        f"{kind.name}.{name}": field
        for kind in CORE.type_map.values()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        for name, field in kind.fields.items()
    }
    dear = cost.ONE_CALL | cost.CALL_A_SOURCE | cost.DETAIL_CALL
    lists = cost.LIST_OF_SOURCES | cost.LIST_OF_ACTIONS | cost.LIST_OF_BUCKETS | cost.GROUPS
    assert dear | lists <= names.keys()
    for name in lists:
        kind = names[name].type
        assert is_list_type(kind.of_type if isinstance(kind, GraphQLNonNull) else kind)
    # Every field with pages or an id may need a call, and so may every mutation.
    for name, field in names.items():
        if {"first", "id", "ids"} & field.args.keys():
            assert name in dear, name
