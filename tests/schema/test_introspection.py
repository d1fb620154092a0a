"""Without introspection, error messages do not reveal the schema either."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_introspection_query,
    is_introspection_type,
    is_specified_scalar_type,
)

from gateway.errors import ErrorCode, RequestError
from gateway.schema import build_schema
from gateway.schema.names import without_names
from gateway.web.explorer import example_operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.schema import Schema
    from tests.schema.conftest import Demo

OPEN, CLOSED = build_schema(), build_schema(introspection=False)
NOBODY = SimpleNamespace(gateway=SimpleNamespace(sources={}))
TYPES = [
    kind
    for kind in OPEN._schema.type_map.values()
    if not (is_introspection_type(kind) or is_specified_scalar_type(kind))
]
ENUMS = [kind for kind in TYPES if isinstance(kind, GraphQLEnumType)]
INPUTS = [kind for kind in TYPES if isinstance(kind, GraphQLInputObjectType)]
OUTPUTS = [kind for kind in TYPES if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)]
PROSE = {"and", "at", "in", "name", "not", "or", "path", "source", "value"}
"""Names that are also ordinary words of the messages."""
QUOTATIONS = ("it's", "'", '"', "it's \"x", "\n'", "x. Did you mean 'a", "Did you mean ")
"""Values that make it unclear where a quotation ends."""


def names() -> set[str]:
    """Return all names of the schema that are not ordinary words."""
    found = {kind.name for kind in TYPES}
    for enum in ENUMS:
        found |= enum.values.keys()
    for given in INPUTS:
        found |= given.fields.keys()
    for answered in OUTPUTS:
        found |= answered.fields.keys()
        found |= {name for field in answered.fields.values() for name in field.args}
    return found - PROSE


def near(name: str) -> str:
    """Misspell a name so that graphql-core would suggest it."""
    return f"{name[:-1]}{name[-1] * 2}"


def mistakes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield documents with a mistake at every name."""
    for text in example_operations():
        for word in set(re.findall(r"\w+", text)):
            yield re.sub(rf"\b{word}\b", near(word), text), {}
            yield re.sub(rf"\b{word}\b", "", text), {}
            yield re.sub(rf"\b{word}\b", f"{word}(nowhere: 1)", text), {}
            yield re.sub(rf"\b{word}\b", f"{word} {{ nowhere }}", text), {}
    for kind in TYPES:
        yield f"{{ ... on {near(kind.name)} {{ x }} }}", {}
        yield f"{{ sources {{ ... on {kind.name} {{ id }} }} }}", {}
        yield f"query ($x: {near(kind.name)}) {{ source(name: $x) {{ name }} }}", {}
        yield f"query ($x: {kind.name}) {{ source(name: $x) {{ name }} }}", {}
    for answered in OUTPUTS:
        for name, field in answered.fields.items():
            wrong = " ".join(f"{near(argument)}: 1" for argument in field.args)
            arguments = f"({wrong})" if wrong else ""
            for selected in (near(name), f"{name} {{ x }}", name, f"{name}{arguments} {{ x }}"):
                yield f"{{ ...F }} fragment F on {answered.name} {{ {selected} }}", {}
                yield f"{{ {selected} }}", {}
    for given in INPUTS:
        whole = f"query ($x: {given.name}) {{ webhookLogs(filter: $x) {{ nodes {{ id }} }} }}"
        for name in given.fields:
            yield f"{{ webhookLogs(filter: {{ {near(name)}: 1 }}) {{ nodes {{ id }} }} }}", {}
            yield f"{{ webhookLogs(filter: {{ {name}: 1 }}) {{ nodes {{ id }} }} }}", {}
            yield whole, {"x": {near(name): 1}}
            yield whole, {"x": {name: {"eqq": 1, "inn": 2}}}
    for enum in ENUMS:
        for value in enum.values:
            for key in ("status", "provider", "failure"):
                wanted = f"{{ {key}: {{ eq: {near(value)} }} }}"
                yield f"{{ webhookLogs(filter: {wanted}) {{ nodes {{ id }} }} }}", {}
                query = "query ($x: WebhookLogFilter) { webhookLogs(filter: $x) { nodes { id } } }"
                yield query, {"x": {key: {"eq": near(value)}}}
                yield query, {"x": {key: near(value)}}
    for whole in ("{ __schemaa { x } }", "{ __typee }", "{ __typename @skipp }", "{ a @include }"):
        yield whole, {}


def unclear() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield documents with values that a message quotes."""
    query = "query ($x: WebhookLogFilter) { webhookLogs(filter: $x) { nodes { id } } }"
    for value in QUOTATIONS:
        for key in ("status", "provider", "triggeredAt", "httpStatus", "source"):
            yield query, {"x": {key: {"eq": value}}}
            yield query, {"x": {key: {value: 1}}}
            yield query, {"x": {key: value}}
            text = json.dumps(value)
            yield f"{{ webhookLogs(filter: {{ {key}: {{ eq: {text} }} }}) {{ x }} }}", {}
            yield f"{{ webhookLogs(filter: {{ {key}: {text} }}) {{ x }} }}", {}


def leaks(message: str, document: str, known: set[str]) -> set[str]:
    return set(re.findall(r"\w+", message)) & known - set(re.findall(r"\w+", document))


async def messages(schema: Schema, document: str, variables: dict[str, Any]) -> list[str]:
    result = await schema.execute(document, variable_values=variables, context_value=NOBODY)
    return [error.message for error in result.errors or () if not error.path]


@pytest.mark.slow
async def test_errors_of_the_caller_reveal_nothing_of_the_schema() -> None:
    known = names()
    assert len(known) > 200
    made = list({repr(one): one for one in (*mistakes(), *unclear())}.values())
    refused = 0
    for document, variables in made:
        written = f"{document} {variables}"
        for message in await messages(CLOSED, document, variables):
            refused += 1
            assert not leaks(message, written, known), (written, message)
    assert refused > len(made) / 2 > 1000
    # With introspection, the same mistakes do reveal names.
    told = [
        leaks(message, f"{document} {variables}", known)
        for document, variables in made[::20]
        for message in await messages(OPEN, document, variables)
    ]
    assert sum(map(bool, told)) > len(told) / 4


@pytest.mark.sampled(2)
@pytest.mark.parametrize("incremental", [False, True])
async def test_nothing_is_suggested_for_documents_or_variables(*, incremental: bool) -> None:
    closed = build_schema(introspection=False, incremental=incremental)
    query = "query ($x: WebhookLogFilter) { webhookLogs(filter: $x) { nodes { id } } }"
    for document, variables in [
        ("{ sourcess { name } }", {}),
        ("{ source(namee: 1) { name } }", {}),
        ("query ($x: WebhookLogFiltr) { webhookLogs(filter: $x) { nodes { id } } }", {}),
        ("{ webhookLogs(filter: { statuss: null }) { nodes { id } } }", {}),
        ("{ webhookLogs(filter: { status: { eq: FAILEDD } }) { nodes { id } } }", {}),
        (query, {"x": {"statuss": None}}),
        (query, {"x": {"status": {"eq": "FAILEDD"}}}),
    ]:
        shared = SimpleNamespace(gateway=NOBODY.gateway, in_parts=False, endings=[])
        for schema in (OPEN, closed):
            result = await schema.execute(document, variable_values=variables, context_value=shared)
            suggested = ["Did you mean" in error.message for error in result.errors or ()]
            assert any(suggested) is (schema is OPEN), (document, result.errors)


OWN = [
    ('{ webhookLogs(after: "x") { totalCount } }', "INVALID_CURSOR"),
    ('{ webhookLogs(before: "x") { totalCount } }', "INVALID_CURSOR"),
    ('{ actions(after: "x") { nodes { id } } }', "INVALID_CURSOR"),
    ("{ webhookLogs(first: 1, last: 1) { totalCount } }", "INVALID_PAGE_SIZE"),
    ("{ webhookLogs(last: 1) { totalCount } }", "INVALID_PAGE_SIZE"),
    ("{ webhookLogs(first: 101) { totalCount } }", "INVALID_PAGE_SIZE"),
    ('{ node(id: "x") { id } }', "INVALID_ID"),
    ("{ _entities(representations: [{}]) { __typename } }", "INVALID_REPRESENTATION"),
    ('{ _entities(representations: [{ __typename: "Source" }]) { __typename } }',
     "INVALID_REPRESENTATION"),
    ("{ sources { logs(first: 100) { nodes { source { logs(first: 100) { nodes { id } } } } } } }",
     "LIMIT_EXCEEDED"),
]  # fmt: skip


@pytest.mark.sampled(7)
@pytest.mark.parametrize(("document", "code"), OWN)
async def test_messages_of_the_gateway_reveal_nothing_of_the_schema(
    demo: Demo, document: str, code: str
) -> None:
    [error] = (await demo.answer(document))["errors"]
    assert error["extensions"]["code"] == code
    # The messages need these two words.
    known = names() - {"cursor", "hook"}
    assert not leaks(error["message"], document, known), error["message"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "document",
    [
        get_introspection_query(),
        '{ __type(name: "Query") { name } }',
        "{ __schema { queryType { name } } }",
        "{ ...F } fragment F on Query { s: __schema { types { name } } }",
    ],
)
async def test_introspection_query_is_refused(document: str) -> None:
    assert (await OPEN.execute(document, context_value=NOBODY)).errors is None
    result = await CLOSED.execute(document, context_value=NOBODY)
    assert result.data is None
    [error, *_] = result.errors or []
    assert error.message.startswith("GraphQL introspection has been disabled")
    assert error.extensions == {"code": "GRAPHQL_VALIDATION_FAILED"}


async def test_typename_is_still_allowed() -> None:
    result = await CLOSED.execute("{ __typename sources { __typename } }", context_value=NOBODY)
    assert result.data == {"__typename": "Query", "sources": []}


async def test_messages_of_the_gateway_stay_unchanged() -> None:
    class Gateway:
        sources: ClassVar[dict[str, Any]] = {}

        def source(self, name: str) -> Any:
            raise RequestError(ErrorCode.UNKNOWN_SOURCE, f"No '{name}' but \"shop\".")

    result = await CLOSED.execute(
        "query ($name: String!) { source(name: $name) { name } }",
        variable_values={"name": "x"},
        context_value=SimpleNamespace(gateway=Gateway()),
    )
    assert [error.message for error in result.errors or ()] == ["No 'x' but \"shop\"."]


@pytest.mark.parametrize(
    ("message", "document", "expected"),
    [
        ("Cannot query field 'nodess' on type 'Page'.",
         "{ nodess }", "Cannot query field 'nodess' on type '...'."),
        ("Field 'a' argument 'id' of type 'ID!' is required.", "{ a }",
         "Field 'a' argument '...' of type '...' is required."),
        ('Expected type "Int", found "x y".', '{ a(b: "x y") }',
         'Expected type "...", found "x y".'),
        ("Nothing to hide.", "", "Nothing to hide."),
    ],
)  # fmt: skip
def test_names_are_hidden_in_messages(message: str, document: str, expected: str) -> None:
    assert without_names(message, document) == expected


@pytest.mark.slow
@pytest.mark.parametrize("text", [" ", "\n", "Did you mean ", " Did you mean ", "'", "\"'", "a"])
def test_long_value_is_scanned_in_linear_time(text: str) -> None:
    """Scanning to the end from each position would take minutes."""
    value = text * 10**5
    assert without_names(f"{value} 'x'?", "").startswith(value[:1])
