"""Queries of the same configuration, to compare their responses with the command's JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any

from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type

from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import load

SCHEMA = build_schema()


def ask(configuration: Path, document: str, **variables: str) -> dict[str, Any]:
    async def execute() -> Any:
        async with Gateway(load(configuration, {})) as gateway:
            context = Context(gateway, gateway.operation())
            return await SCHEMA.execute(document, variables, context_value=context)

    result = asyncio.run(execute())
    assert result.errors is None
    answer: dict[str, Any] = result.data
    return answer


def every_field(name: str, without: Collection[str] = ()) -> str:
    """Select all fields that the schema has for a type, and all below them."""
    match SCHEMA._schema.type_map[name]:
        case GraphQLObjectType(name="Source"):
            return "{ name provider }"
        case GraphQLObjectType(name="Hook"):
            return "{ id }"
        case GraphQLObjectType(fields=fields):
            parts = [
                f"{field} {every_field(get_named_type(each.type).name, without)}"
                for field, each in fields.items()
                if field not in without
            ]
        case GraphQLUnionType(types=members):
            parts = [f"... on {each.name} {every_field(each.name, without)}" for each in members]
        case _:
            return ""
    return f"{{ {' '.join(parts)} }}"
