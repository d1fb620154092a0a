"""The schema as a document: its descriptions, its lists, its file and its examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from gateway.schema import build_schema
from gateway.schema.mutation import ERRORS
from gateway.vendors import VENDORS
from gateway.vendors.base import enum_name
from gateway.vendors.described.vendor import DescribedVendor
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
FILE = Path(__file__).parents[2] / "schema.graphql"


def test_schema_file_is_up_to_date() -> None:
    """Update it with ``gateway schema > schema.graphql``."""
    shown, real = FILE.read_text(encoding="utf-8"), SCHEMA.as_str() + "\n"
    for name, kit in VENDORS.items():
        # A description that is added changes no file but its own.
        if issubclass(kit, DescribedVendor) and f"\n  {enum_name(name)}\n" not in shown:
            real = real.replace(f'  """{kit.title}."""\n  {enum_name(name)}\n\n', "")
    assert shown == real, (
        "schema.graphql is out of date. Update it: gateway schema > schema.graphql"
    )


def test_everything_is_described_in_sentences() -> None:
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
    "Hook": {"events"},  # as many as the vendor defines
    "HttpRequest": {"headers"},
    "HttpResponse": {"headers"},
    "HookConnection": {"edges", "nodes"},
    "Query": {"_entities", "nodes", "sources"},  # 100 at most; as many as are configured
    "Source": {"capabilities"},
    "SourceReport": {"notes", "unreadableReasons"},  # one for each oddity of a page
    "Granted": {"sources"},  # as many as are configured
    "Viewer": {"grants"},
    "WebhookLog": {"attempts", "availableActions", "warnings"},  # as many as the vendor makes
    "WebhookLogConnection": {"edges", "nodes", "sourceReports"},
    "RetryWebhookLogPayload": {"userErrors"},
    "DeleteWebhookLogPayload": {"userErrors"},
    "InvalidateCachePayload": {"userErrors"},
    **{name: {"path"} for name in ("UserError", *USER_ERRORS)},
    "ActionNotSupported": {"path", "sources"},
    # 750 buckets at most, and as many groups as the argument first says.
    "WebhookLogStats": {"buckets", "groups", "sourceReports"},
    "WebhookLogStatsGroup": {"bucketCounts", "bucketFound"},
    "FailureGroups": {"groups", "sourceReports"},
}
"""Every list of the schema that is not a page: its bound is small."""


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


def test_error_codes_match_gateway_errors() -> None:
    codes = TYPES["ErrorCode"]
    assert isinstance(codes, GraphQLEnumType)
    assert {name: one.description for name, one in codes.values.items()} == {
        code.name: code.value for code in ErrorCode
    }


ONE_TO_RETRY = """
{ webhookLogs(first: 1, filter: { source: { eq: "translations" } }) { nodes { id } } }
"""


@pytest.mark.slow
@pytest.mark.parametrize("operation", example_operations())
async def test_explorer_example_runs(demo: Demo, operation: str) -> None:
    assert validate(CORE, parse(operation)) == []
    [log] = (await demo.data(ONE_TO_RETRY))["webhookLogs"]["nodes"]
    assert None not in (await demo.data(operation, id=log["id"])).values()


def test_explorer_has_seven_examples() -> None:
    assert len(example_operations()) == 7


@pytest.mark.slow
async def test_introspection_query_succeeds(demo: Demo) -> None:
    data = await demo.data(get_introspection_query(input_value_deprecation=True))
    assert len(data["__schema"]["types"]) > 40
