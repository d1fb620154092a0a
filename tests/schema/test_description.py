"""The schema as a document: its rules, its file, its examples, and what stays hidden."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_introspection_query,
    is_specified_scalar_type,
    parse,
    validate,
)

from gateway.errors import ErrorCode
from gateway.feed import filters
from gateway.model import FailureCategory, WebhookLogStatus
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.schema.filters import WebhookLogFilter, document
from gateway.schema.mutation import ERRORS
from gateway.web.explorer import example_operations

if TYPE_CHECKING:
    from tests.schema.conftest import Demo

SCHEMA = build_schema()
CORE = SCHEMA._schema
TYPES = {
    name: named
    for name, named in CORE.type_map.items()
    if not name.startswith("__") and name != "link__Purpose"
}
OUTPUTS = {
    name: named
    for name, named in TYPES.items()
    if isinstance(named, GraphQLObjectType | GraphQLInterfaceType)
}
INPUTS = {name: named for name, named in TYPES.items() if isinstance(named, GraphQLInputObjectType)}
FILE = Path(__file__).parents[2] / "schema.graphql"


def test_the_file_is_the_schema() -> None:
    """Refresh it with ``gateway schema > schema.graphql``."""
    assert FILE.read_text(encoding="utf-8") == SCHEMA.as_str() + "\n", (
        "schema.graphql is out of date; write it with: gateway schema > schema.graphql"
    )


def test_everything_has_a_description() -> None:
    described: dict[str, str | None] = {}
    for name, named in TYPES.items():
        if not is_specified_scalar_type(named):
            described[name] = named.description
        if isinstance(named, GraphQLEnumType):
            described |= {f"{name}.{key}": one.description for key, one in named.values.items()}
        if isinstance(named, GraphQLInputObjectType):
            described |= {f"{name}.{key}": one.description for key, one in named.fields.items()}
        if isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
            for key, field in named.fields.items():
                described[f"{name}.{key}"] = field.description
                described |= {
                    f"{name}.{key}({argument})": one.description
                    for argument, one in field.args.items()
                }
    sentences = {name: text for name, text in described.items() if text and text.endswith(".")}
    assert described.keys() - sentences.keys() == set()
    assert len(sentences) > 250


USER_ERRORS = {one.__name__ for one in ERRORS}
BOUNDED = {
    "ActionConnection": {"edges", "nodes"},
    "CodeArtsDetails": set(),
    "Hook": {"events"},  # as many as the vendor has
    "HttpRequest": {"headers"},
    "HttpResponse": {"headers"},
    "HookConnection": {"edges", "nodes"},
    "Query": {"_entities", "nodes", "sources"},  # 100 at most; as many as are configured
    "Source": {"capabilities"},
    "SourceReport": {"notes", "unreadableReasons"},  # one for each thing that is odd about a page
    "Granted": {"sources"},  # as many as are configured
    "Viewer": {"grants"},
    "WebhookLog": {"availableActions", "warnings"},
    "WebhookLogConnection": {"edges", "nodes", "sourceReports"},
    "RetryWebhookLogPayload": {"userErrors"},
    "DeleteWebhookLogPayload": {"userErrors"},
    "InvalidateCachePayload": {"userErrors"},
    **{name: {"path"} for name in ("UserError", *USER_ERRORS)},
    "ActionNotSupported": {"path", "sources"},
}
"""Every list of the schema: inside a page, or bounded by something small."""


def is_list(kind: Any) -> bool:
    return isinstance(kind.of_type if isinstance(kind, GraphQLNonNull) else kind, GraphQLList)


def test_every_list_is_paged_or_bounded() -> None:
    lists = {
        name: {key for key, field in named.fields.items() if is_list(field.type)}
        for name, named in OUTPUTS.items()
    }
    assert {name: keys for name, keys in lists.items() if keys} == {
        name: keys for name, keys in BOUNDED.items() if keys
    }
    for name, named in OUTPUTS.items():
        for key, field in named.fields.items():
            if "Connection" in str(field.type):
                assert {"first", "after"} <= field.args.keys(), f"{name}.{key}"


def test_the_filter_has_what_gateway_filters_knows() -> None:
    kinds = {"text": "StringComparator", "number": "IntComparator", "id": "IDComparator"}
    kinds |= {"time": "DateTimeComparator"}
    enums = {"provider": "ProviderComparator", "status": "StatusComparator"}
    enums |= {"failure": "FailureCategoryComparator"}
    declared = {name: str(field.type) for name, field in INPUTS["WebhookLogFilter"].fields.items()}
    assert declared == {
        **{name: kinds.get(field.kind) or enums[name] for name, field in filters.FIELDS.items()},
        "search": "String",
        "and": "[WebhookLogFilter!]",
        "or": "[WebhookLogFilter!]",
        "not": "WebhookLogFilter",
    }
    for name, field in filters.FIELDS.items():
        comparators = set(filters.COMPARISONS[field.kind])
        if field.kind == "text":
            comparators |= {f"{comparator}IgnoreCase" for comparator in comparators}
        assert INPUTS[declared[name]].fields.keys() == comparators


async def test_an_input_object_arrives_as_it_was_written() -> None:
    given: list[Any] = []

    class Gateway:
        sources: ClassVar[dict[str, Any]] = {}

        async def logs(self, _: object, *, wanted: Any, **paging: Any) -> Any:
            given.append((wanted, paging))
            return SimpleNamespace(slice=SimpleNamespace(entries=[]))

    async def arrives(arguments: str, **variables: Any) -> Any:
        types = {"wanted": "WebhookLogFilter", "none": "String"}
        declared = ", ".join(f"${name}: {types[name]}" for name in variables)
        result = await SCHEMA.execute(
            f"query ({declared}) {{ webhookLogs{arguments} {{ nodes {{ id }} }} }}"
            if variables
            else f"{{ webhookLogs{arguments} {{ nodes {{ id }} }} }}",
            variable_values=variables,
            context_value=Context(Gateway(), None),  # type: ignore[arg-type]
        )
        assert result.errors is None
        return given.pop()

    assert await arrives("") == (None, {})
    assert await arrives("(first: 0, filter: {})") == ({}, {"first": 0})
    assert await arrives("(first: null, after: $none, filter: null)", none=None) == (
        None,
        {"first": None, "after": None},
    )
    written = """{
      status: { eq: FAILED } provider: { in: [CODEARTS, ELASTIC_PATH] }
      failure: { nin: [DNS] } event: { eqIgnoreCase: "a", in: "one", neq: null }
      httpStatus: { gte: 500 } triggeredAt: { gt: "PT1H" } search: "x"
      and: [{ or: [{ not: { url: { notContainsIgnoreCase: "y" } } }] }]
    }"""
    wanted, _ = await arrives(f"(filter: {written})")
    assert wanted == {
        "status": {"eq": WebhookLogStatus.FAILED},
        "provider": {"in": ["codearts", "elastic-path"]},
        "failure": {"nin": [FailureCategory.DNS]},
        "event": {"eqIgnoreCase": "a", "in": ["one"], "neq": None},
        "httpStatus": {"gte": 500},
        "triggeredAt": {"gt": "PT1H"},
        "search": "x",
        "and": [{"or": [{"not": {"url": {"notContainsIgnoreCase": "y"}}}]}],
    }
    variable = {"status": {"in": ["FAILED"]}, "not": {"hook": {"eq": 5}}}
    assert await arrives("(filter: $wanted)", wanted=variable) == (
        {"status": {"in": [WebhookLogStatus.FAILED]}, "not": {"hook": {"eq": "5"}}},
        {},
    )


def test_no_input_object_at_all_is_none() -> None:
    assert document(None) is None
    assert document(WebhookLogFilter()) == {}


def test_error_codes_are_those_of_the_errors() -> None:
    codes = TYPES["ErrorCode"]
    assert isinstance(codes, GraphQLEnumType)
    assert {name: one.description for name, one in codes.values.items()} == {
        code.name: code.value for code in ErrorCode
    }


@pytest.mark.parametrize("operation", example_operations())
async def test_every_example_of_the_explorer_runs(demo: Demo, operation: str) -> None:
    assert validate(CORE, parse(operation)) == []
    assert None not in (await demo.data(operation)).values()


def test_the_examples_are_there() -> None:
    assert len(example_operations()) == 4


async def test_introspection_is_answered(demo: Demo) -> None:
    data = await demo.data(get_introspection_query(input_value_deprecation=True))
    assert len(data["__schema"]["types"]) > 40


# What it costs to execute the same document again


# What nobody meant to raise


class Defect(dict[str, Any]):
    """Sources whose text nobody may see."""

    def values(self) -> Any:
        raise RuntimeError("token s3cr3t in /srv/gateway")


class Broken:
    """A gateway with a defect."""

    sources = Defect()


@pytest.mark.parametrize(
    ("gateway", "query", "path", "logged"),
    [
        (Broken(), "{ sources { name } }", ["sources"], "s3cr3t"),
        (
            SimpleNamespace(sources={"one": object()}),
            "{ sources { name } }",
            ["sources", 0],
            "Expected value of type 'Source'",
        ),
        (
            SimpleNamespace(source=lambda _: None, sources={"one": None}),
            '{ source(name: "one") { name } sources { name } }',
            ["sources", 0],
            "Cannot return null for non-nullable field",
        ),
    ],
)
async def test_defects_are_masked_and_logged(
    caplog: pytest.LogCaptureFixture, gateway: Any, query: str, path: list[Any], logged: str
) -> None:
    result = await SCHEMA.execute(query, context_value=Context(gateway, None))  # type: ignore[arg-type]
    assert result.data is None
    [error] = [error.formatted for error in result.errors or []]
    assert error["message"] == "The gateway has a defect here. Its log tells more."
    assert error["extensions"] == {"code": "INTERNAL_ERROR"}
    assert error["path"] == path
    [record] = caplog.records
    assert (record.levelno, record.name) == (logging.ERROR, "gateway.schema.failures")
    assert logged in caplog.text


async def test_a_result_that_does_not_fit_its_type_is_a_defect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @dataclasses.dataclass
    class Page:
        slice: Any
        reports: Any = None

    class Gateway:
        sources: ClassVar[dict[str, Any]] = {}

        async def logs(self, _: object, **__: Any) -> Any:
            report = SimpleNamespace(source="one", returned="many", scanned=2**40)
            return Page(SimpleNamespace(reports=[report]))

    result = await SCHEMA.execute(
        "{ webhookLogs { sourceReports { returned scanned } } }",
        context_value=Context(Gateway(), None),  # type: ignore[arg-type]
    )
    assert {error.message for error in result.errors or []} == {
        "The gateway has a defect here. Its log tells more."
    }
    assert "Int cannot represent" in caplog.text


@pytest.mark.parametrize(
    ("query", "code", "sentence"),
    [
        (
            "{ sources { name }",
            "GRAPHQL_PARSE_FAILED",
            "Syntax Error: Expected Name, found <EOF>.",
        ),
        (
            "{ hooks }",
            "GRAPHQL_VALIDATION_FAILED",
            "Cannot query field 'hooks' on type 'Query'. Did you mean 'nodes'?",
        ),
        (
            "query One { sources { name } } query Two { sources { name } }",
            "GRAPHQL_VALIDATION_FAILED",
            "The document has several operations; name one as operationName.",
        ),
        (
            "subscription { logs }",
            "GRAPHQL_VALIDATION_FAILED",
            "The subscription operation is not supported by the schema.",
        ),
    ],
)
async def test_what_is_no_operation_is_refused_without_data(
    query: str, code: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    result = await SCHEMA.execute(query)
    assert result.data is None
    [error] = [error.formatted for error in result.errors or []]
    assert "path" not in error
    assert (error["extensions"], error["message"]) == ({"code": code}, sentence)
    assert caplog.records == []


async def test_a_null_for_what_must_be_given_is_the_callers_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = await SCHEMA.execute(
        'query ($id: ID = "x") { webhookLog(id: $id) { id } }', variable_values={"id": None}
    )
    assert result.data == {"webhookLog": None}
    [error] = [error.formatted for error in result.errors or []]
    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert caplog.records == []
