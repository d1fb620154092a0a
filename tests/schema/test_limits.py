"""The limits of documents and operations: what is counted, what it costs, and what is kept."""

from __future__ import annotations

import gc
import logging
import tracemalloc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    get_introspection_query,
    is_list_type,
    parse,
)

from gateway.config import Limit, LimitSettings
from gateway.limits import Limits
from gateway.schema import build_schema, cost, documents
from gateway.schema.documents import Documents
from gateway.schema.preparation import Preparation
from gateway.schema.shape import CEILING, Shape, measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from strawberry.types import ExecutionResult

CORE = build_schema()._schema
FOUR = SimpleNamespace(gateway=SimpleNamespace(sources=dict.fromkeys("abcd")))
INTROSPECTION = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
)


def limits(**settings: Limit) -> Limits:
    return Limits(LimitSettings(**settings))


async def answer(
    text: str, held: Limits | None = None, variables: dict[str, Any] | None = None
) -> ExecutionResult:
    """Execute with the cost told, for a caller who sees four sources."""
    return await build_schema(held).execute(
        text,
        variable_values=variables,
        context_value=FOUR,
        operation_extensions={"cost": True},
    )


async def price(document: str, **variables: Any) -> int:
    """Tell the cost of a document that costs too much to be executed."""
    result = await answer(document, limits(cost=Limit(1)), variables)
    assert result.extensions, result.errors
    assert result.extensions["cost"]["maximum"] == 1
    told: int = result.extensions["cost"]["requested"]
    return told


def chain(length: int, spreads: int) -> str:
    """Write fragments of which each spreads the next one several times."""
    links = [f"fragment F{n} on Query {{ {f'...F{n + 1} ' * spreads} }}" for n in range(length)]
    return " ".join(
        ["{ ...F0 }", *links, f"fragment F{length} on Query {{ a: __typename @skip(if: true) }}"]
    )


# Shape


@pytest.mark.parametrize(
    ("document", "shape"),
    [
        ("{ a }", Shape(1, 0, 1, 0)),
        ("{ a { b { c } d } e }", Shape(3, 0, 2, 0)),
        ("{ a { } }", Shape(1, 0, 1, 0)),
        ("{ x: a y: a { z: b } }", Shape(2, 3, 2, 0)),
        ("{ a a ... { a ... on T { a } } b { a } }", Shape(2, 3, 5, 0)),
        ("query ($x: I @b) @a { c @d ... @e { f @g } ...H @i } fragment H on T @j { k @l }",
         Shape(1, 0, 3, 8)),
        ("{ a { ...F } } fragment F on T { b { ...G } } fragment G on T { c }", Shape(3, 0, 1, 0)),
        ("{ ...F ...F } fragment F on T { x: b c { y: d @e } }", Shape(2, 4, 4, 2)),
        ("{ a ...Missing }", Shape(1, 0, 1, 0)),
        ("query A { a } query B { b { c } }", Shape(2, 0, 1, 0)),
        ("fragment F on T { x: a b c }", Shape(1, 1, 0, 0)),
        ("type T { a: I }", Shape()),
        ("type T { a: I @b } { c }", Shape(1, 0, 1, 0)),
        (chain(20, 2), Shape(1, 2**20, 2**20, 2**20)),
        (chain(60, 2), Shape(1, CEILING, CEILING, CEILING)),
        (chain(3000, 1), Shape(1, 1, 1, 1)),
    ],
)  # fmt: skip
def test_what_is_counted(document: str, shape: Shape) -> None:
    assert measure(parse(document))[0] == shape


@pytest.mark.parametrize(
    "document",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { x: __typename ...A }",
        "{ __typename } fragment A on Query { ...B } fragment B on Query { ...A }",
    ],
)
async def test_a_circle_of_fragments_is_all_that_is_told(document: str) -> None:
    result = await answer(document)
    assert result.errors
    assert ["within itself" in error.message for error in result.errors] == [True]


@pytest.mark.parametrize(
    ("name", "document", "value"),
    [
        ("depth", "{ sources { hooks { nodes { name } } } }", 4),
        ("aliases", "{ a: __typename b: __typename __typename __typename }", 3),
        ("root_fields", "{ a: __typename ...F } fragment F on Query { b: __typename }", 2),
        ("directives", "{ __typename @skip(if: false) @include(if: true) }", 2),
        ("tokens", "{ a: __typename # none\n }", 5),
        ("document", "{ __typename }", 14),
        ("cost", "{ __typename sources { name } }", 9),
    ],
)
async def test_each_limit_refuses_warns_or_is_off(
    caplog: pytest.LogCaptureFixture, name: str, document: str, value: int
) -> None:
    def told() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.name == "gateway.limits"]

    for allowed in (Limit(value), Limit(value - 1, "off")):
        held = limits(**{name: allowed})
        result = await answer(document, held)
        assert (result.extensions or {})["cost"], result.errors
        assert held.exceeded == {}
    assert told() == []

    held = limits(**{name: Limit(value - 1)})
    result = await answer(document, held)
    assert held.exceeded == {name: 1}
    assert result.data is None
    [error] = result.errors or []
    assert error.extensions == {"code": "LIMIT_EXCEEDED"}
    assert f"the limit {name} is {value - 1}. " in error.message
    assert str(value) in error.message or name == "tokens"
    assert told() == []

    held = limits(**{name: Limit(value - 1, "warn")})
    schema = build_schema(held)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await schema.execute(document, context_value=FOUR)
    assert told() == [
        f"A request is beyond the limit {name}: {value}, with {value - 1} allowed."
        f" It is number {number} since the start."
        for number in (1, 2)
    ]
    assert held.exceeded == {name: 2}


async def test_comments_are_bounded_with_the_tokens() -> None:
    result = await answer("{ __typename }" + "#\n" * 9, limits(tokens=Limit(8)))
    assert [error.extensions for error in result.errors or ()] == [{"code": "LIMIT_EXCEEDED"}]
    assert (await answer("{ __typename }" + "#\n" * 8, limits(tokens=Limit(8)))).errors is None


# Cost


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
        ("{ webhookLogs(first: 10) { nodes { availableActions { reason } } } }",
         41 + 1 + 10 * 2 * 2),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3 * (11 + 1)),
        ('{ nodes(ids: "a") { id } }', 10 * (11 + 1)),
        ('{ webhookLog(id: "a") { id } }', 11 + 1),
        ("{ sources { logs(first: 3) { nodes { id } } } }", 4 * (1 + 11 + 1 + 3)),
        ("{ sources { hooks(first: 3) { nodes { name } totalCount } } }", 4 * (1 + 11 + 2 + 3)),
        ('mutation { retryWebhookLog(id: "x") { userErrors { code } } }', 11 + 10 * 2),
    ],
)  # fmt: skip
async def test_lists_multiply_and_calls_are_dear(document: str, expected: int) -> None:
    assert await price(document) == expected


@pytest.mark.parametrize(
    ("value", "size"),
    [(7, 7), (0, 0), (-5, 0), (7.0, 7), (10**30, 100), (None, 25), ("7", 100), ([7], 100)],
)
async def test_the_size_of_a_page_may_be_a_variable(value: Any, size: int) -> None:
    query = "query ($n: Int) { webhookLogs(first: $n) { nodes { id } } }"
    assert await price(query, n=value) == 42 + size


async def test_a_filter_may_be_a_variable() -> None:
    query = "query ($f: WebhookLogFilter) { webhookLogs(filter: $f) { nodes { id } } }"
    assert await price(query) == await price(query, f=None) == 42 + 25
    assert await price(query, f={}) == 42 + 400 + 25
    query = query.replace("Filter)", "Filter = {})")
    assert await price(query) == 42 + 400 + 25
    assert await price(query, f=None) == 42 + 25


async def test_a_large_filter_costs_what_it_takes_to_read_it() -> None:
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


async def test_costs_are_remembered_by_what_they_depend_on() -> None:
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


async def test_what_is_remembered_of_costs_has_a_bound() -> None:
    kept = Documents(CORE, limits())
    prepared = Preparation(kept, cost.Price(CORE), limits())
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


async def test_variables_have_defaults_and_lists_their_length() -> None:
    query = "query ($n: Int = 9) { webhookLogs(first: $n) { nodes { id } } }"
    assert await price(query) == 42 + 9
    assert await price(query, n=3) == 42 + 3
    query = 'query ($ids: [ID!]! = ["a", "b"]) { nodes(ids: $ids) { id } }'
    assert await price(query) == 2 * 12
    assert await price(query, ids=["x"] * 10_000) == 10_000 * 12


async def test_the_cost_of_one_operation_is_counted_of_several() -> None:
    query = "query A { __typename } query B { sources { name } }"
    schema = build_schema()
    for name, requested in [("A", 1), ("B", 8)]:
        result = await schema.execute(
            query, operation_name=name, context_value=FOUR, operation_extensions={"cost": True}
        )
        assert result.extensions == {"cost": {"requested": requested, "maximum": 20_000}}


async def test_the_cost_is_told_to_who_asks() -> None:
    schema = build_schema(limits(cost=Limit(5, "warn")))
    for asked in (None, {}, {"cost": False}, {"cost": 1}):
        result = await schema.execute("{ __typename }", operation_extensions=asked)
        assert result.extensions == {}
    result = await schema.execute("{ __typename }", operation_extensions={"cost": True})
    assert result.extensions == {"cost": {"requested": 1, "maximum": None}}


async def test_multiplied_fragments_cost_no_time() -> None:
    """It would not end within a lifetime if it were not so."""
    off = Limit(1, "off")
    document = chain(60, 2).replace("a: __typename @skip(if: true)", "sources { name }")
    result = await answer(document, limits(tokens=off, root_fields=off))
    assert result.errors
    assert result.errors[0].message.startswith("The operation may cost 1000000000; ")


async def test_what_code_generators_ask_for_is_within_the_usual_limits() -> None:
    result = await answer(INTROSPECTION)
    assert result.errors is None
    assert result.extensions
    assert 4800 < result.extensions["cost"]["requested"] < 16_000
    twice = INTROSPECTION.replace("__schema {", "a: __schema { types { name } } __schema {")
    assert (await answer(twice)).errors is None


@pytest.mark.parametrize(
    "document",
    [
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
        "{ " + " ".join(f"a{n}: __schema {{ ...S }}" for n in range(20)) + " } fragment S on"
        " __Schema { types { fields { args { type { name } } type { fields { name } } } } }",
    ],
)
async def test_an_introspection_that_grows_is_refused(document: str) -> None:
    result = await answer(document)
    assert result.data is None
    assert result.errors


def test_what_is_priced_by_name_is_in_the_schema() -> None:
    names = {
        f"{kind.name}.{name}": field
        for kind in CORE.type_map.values()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        for name, field in kind.fields.items()
    }
    dear = cost.ONE_CALL | cost.CALL_A_SOURCE | cost.DETAIL_CALL
    assert dear | cost.LIST_OF_SOURCES | cost.LIST_OF_ACTIONS <= names.keys()
    for name in cost.LIST_OF_SOURCES | cost.LIST_OF_ACTIONS:
        kind = names[name].type
        assert is_list_type(kind.of_type if isinstance(kind, GraphQLNonNull) else kind)
    # Whatever may take a call is dear: what is read by pages, or by an id, and what acts.
    for name, field in names.items():
        if {"first", "id", "ids"} & field.args.keys():
            assert name in dear, name


# What is kept


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count how often documents are parsed and validated."""
    counts = {"parse": 0, "validate": 0}

    def count(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*given: Any, **named: Any) -> Any:
            counts[name] += 1
            return function(*given, **named)

        return counting

    for name in counts:
        monkeypatch.setattr(documents, name, count(name, getattr(documents, name)))
    return counts


async def test_a_document_is_parsed_and_validated_once(counted: dict[str, int]) -> None:
    schema = build_schema()
    query = "query ($n: Int) { webhookLogs(first: $n) { nodes { id } } }"
    for size in range(5):
        await schema.execute(query, variable_values={"n": size}, context_value=FOUR)
    assert counted == {"parse": 1, "validate": 1}
    await schema.execute(f"{query} ", context_value=FOUR)
    assert counted == {"parse": 2, "validate": 2}


@pytest.mark.parametrize(
    "refused",
    ["{ a: b c: d }", "{ a } # " + "x" * 90, chain(30, 2), "{ a a a }", "{ a { a { a { a } } } }"],
)
async def test_what_is_refused_is_not_validated(counted: dict[str, int], refused: str) -> None:
    held = limits(aliases=Limit(1), document=Limit(90), depth=Limit(3))
    result = await answer(refused, held)
    assert [error.extensions for error in result.errors or ()] == [{"code": "LIMIT_EXCEEDED"}]
    assert counted["validate"] == 0


def test_the_documents_that_are_kept_have_a_bound(counted: dict[str, int]) -> None:
    one = Documents(CORE, limits()).get("{ a0: __typename }").size
    kept = Documents(CORE, limits(), memory=3 * one)
    before = dict(counted)

    def parsed(number: int) -> bool:
        count = counted["parse"]
        kept.get(f"{{ a{number}: __typename }}")
        return counted["parse"] > count

    assert [parsed(number) for number in (0, 1, 2, 0, 1, 2, 0)] == [True] * 3 + [False] * 4
    assert parsed(3)  # 1 was not asked for the longest
    assert [parsed(number) for number in (0, 2, 3, 1)] == [False, False, False, True]
    kept.get("{ __typename " + "# comment\n" * 1000 + "}")  # larger than all memory
    assert [parsed(number) for number in (2, 3, 1)] == [False, False, False]
    assert kept._cached.currsize == sum(document.size for document in kept._cached.values())
    assert kept._cached.currsize <= 3 * one
    assert counted["validate"] - before["validate"] == counted["parse"] - before["parse"]


def test_what_is_invalid_drives_nothing_out() -> None:
    kept = Documents(CORE, limits())
    assert kept.get("{ nowhere }").errors
    assert len(kept._cached) == 0


def test_the_estimate_of_the_memory_is_no_less_than_it_takes() -> None:
    texts = ["{" + " ".join(f"a{n}:__typename" for n in range(99)) + "}", INTROSPECTION]
    kept = Documents(CORE, limits(root_fields=Limit(1, "off")))
    kept.get(f"{INTROSPECTION} ")  # what is made for the first of all documents
    for text in texts:
        gc.collect()
        tracemalloc.start()
        document = kept.get(text)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert taken < document.size
