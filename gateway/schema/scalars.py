"""The scalars that GraphQL does not have itself."""

from __future__ import annotations

from typing import Any, NewType

import strawberry
from graphql import GraphQLError

from gateway.normalise import timestamps

DateTime = NewType("DateTime", int)
Moment = NewType("Moment", str)
JSON = NewType("JSON", object)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise GraphQLError("A moment is given as text.")
    return value


SCALARS: dict[Any, Any] = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description=(
            "A moment in UTC as RFC 3339 text that ends in Z, with up to nine fraction digits: as"
            " many as the vendor gave."
        ),
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=timestamps.format_rfc3339,
    ),
    Moment: strawberry.scalar(
        name="Moment",
        description=(
            "A moment as RFC 3339 text with an offset (2026-03-04T09:10:11Z), or an ISO 8601"
            " duration back from now (PT1H, P1DT12H, P2W)."
        ),
        parse_value=_text,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        specified_by_url="https://ecma-international.org/publications-and-standards/standards/ecma-404/",
        serialize=lambda value: value,
    ),
}
