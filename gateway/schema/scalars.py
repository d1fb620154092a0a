"""Custom scalars."""

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
        raise GraphQLError("A moment must be a string, such as '2026-03-04T09:10:11Z' or 'PT1H'.")
    return value


SCALARS: dict[Any, Any] = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description=(
            "A date and time in UTC as RFC 3339 text that ends in Z, such as"
            " 2026-03-04T09:10:11.52Z, with as many fraction digits as the vendor gives, at most"
            " nine."
        ),
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=timestamps.format_rfc3339,
    ),
    Moment: strawberry.scalar(
        name="Moment",
        description=(
            "A point in time: a date and time as RFC 3339 text with an offset, such as"
            " 2026-03-04T09:10:11Z, or an ISO 8601 duration back from now, such as PT1H, P1DT12H or"
            " P2W."
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
