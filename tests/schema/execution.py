"""Execution of documents under limits, for the tests of limits, cost and cached documents."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from graphql import get_introspection_query

from gateway.config import Limit, LimitSettings
from gateway.limits import Limits
from gateway.schema import build_schema

if TYPE_CHECKING:
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
    """Execute as a caller who sees four sources, and request the cost."""
    return await build_schema(held).execute(
        text,
        variable_values=variables,
        context_value=FOUR,
        operation_extensions={"cost": True},
    )


def chain(length: int, spreads: int) -> str:
    """Return a document with ``length`` fragments, each spreading the next ``spreads`` times."""
    links = [f"fragment F{n} on Query {{ {f'...F{n + 1} ' * spreads} }}" for n in range(length)]
    return " ".join(
        ["{ ...F0 }", *links, f"fragment F{length} on Query {{ a: __typename @skip(if: true) }}"]
    )
