"""The filter's input objects reach the gateway as they were written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

from graphql import GraphQLInputObjectType

from gateway.feed import filter_fields
from gateway.model import FailureCategory, WebhookLogStatus
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.schema.filters import WebhookLogFilter, document
from gateway.upstream.operation import Operation

SCHEMA = build_schema()
INPUTS = {
    name: named
    for name, named in SCHEMA._schema.type_map.items()
    if isinstance(named, GraphQLInputObjectType)
}


def test_filter_inputs_match_gateway_filters() -> None:
    kinds = {"text": "StringComparator", "number": "IntComparator", "id": "IDComparator"}
    kinds |= {"time": "DateTimeComparator"}
    enums = {"provider": "ProviderComparator", "status": "StatusComparator"}
    enums |= {"failure": "FailureCategoryComparator"}
    declared = {name: str(field.type) for name, field in INPUTS["WebhookLogFilter"].fields.items()}
    assert declared == {
        **{
            name: kinds.get(field.kind) or enums[name]
            for name, field in filter_fields.FIELDS.items()
        },
        "search": "String",
        "and": "[WebhookLogFilter!]",
        "or": "[WebhookLogFilter!]",
        "not": "WebhookLogFilter",
    }
    for name, field in filter_fields.FIELDS.items():
        comparators = set(filter_fields.COMPARISONS[field.kind])
        if field.kind == "text":
            comparators |= {f"{comparator}IgnoreCase" for comparator in comparators}
        assert INPUTS[declared[name]].fields.keys() == comparators


async def test_filter_reaches_the_gateway_as_written() -> None:
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
            context_value=Context(Gateway(), Operation(5)),  # type: ignore[arg-type]
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


def test_missing_filter_is_none() -> None:
    assert document(None) is None
    assert document(WebhookLogFilter()) == {}
