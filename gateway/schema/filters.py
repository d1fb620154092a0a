"""Input types of the filter, whose meaning is defined in ``gateway.feed.filters``."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.utils.str_converters import to_camel_case

from gateway.schema.enums import FailureCategory, Provider, WebhookLogStatus
from gateway.schema.scalars import Moment


def _condition(description: str, name: str | None = None) -> Any:
    return strawberry.field(default=UNSET, name=name, description=description)


@strawberry.input(
    description="Conditions on text. Those that are given must all hold; null means none."
)
class StringComparator:
    eq: str | None = _condition("Equal to this.")
    neq: str | None = _condition("Not equal to this, or the log has no value.")
    in_: list[str] | None = _condition("Equal to one of these, 1 to 100 values.", "in")
    nin: list[str] | None = _condition(
        "Equal to none of these, up to 100 values, or the log has no value."
    )
    contains: str | None = _condition("Contains this.")
    not_contains: str | None = _condition("Does not contain this, or the log has no value.")
    starts_with: str | None = _condition("Starts with this.")
    ends_with: str | None = _condition("Ends with this.")
    eq_ignore_case: str | None = _condition("Equal to this, ignoring case.")
    neq_ignore_case: str | None = _condition(
        "Not equal to this, ignoring case, or the log has no value."
    )
    in_ignore_case: list[str] | None = _condition(
        "Equal to one of these, ignoring case, 1 to 100 values."
    )
    nin_ignore_case: list[str] | None = _condition(
        "Equal to none of these, ignoring case, up to 100 values, or the log has no value."
    )
    contains_ignore_case: str | None = _condition("Contains this, ignoring case.")
    not_contains_ignore_case: str | None = _condition(
        "Does not contain this, ignoring case, or the log has no value."
    )
    starts_with_ignore_case: str | None = _condition("Starts with this, ignoring case.")
    ends_with_ignore_case: str | None = _condition("Ends with this, ignoring case.")


@strawberry.input(
    description="Conditions on whole numbers. Those that are given must all hold; null means none."
)
class IntComparator:
    eq: int | None = _condition("Equal to this.")
    neq: int | None = _condition("Not equal to this, or the log has no value.")
    in_: list[int] | None = _condition("Equal to one of these, 1 to 100 values.", "in")
    nin: list[int] | None = _condition(
        "Equal to none of these, up to 100 values, or the log has no value."
    )
    gt: int | None = _condition("Greater than this.")
    gte: int | None = _condition("Greater than or equal to this.")
    lt: int | None = _condition("Less than this.")
    lte: int | None = _condition("Less than or equal to this.")


@strawberry.input(
    description="Conditions on points in time. Those that are given must all hold; null means none."
)
class DateTimeComparator:
    gt: Moment | None = _condition("After this.")
    gte: Moment | None = _condition("At or after this.")
    lt: Moment | None = _condition("Before this.")
    lte: Moment | None = _condition("At or before this.")


@strawberry.input(
    description="Conditions on ids. Those that are given must all hold; null means none."
)
class IDComparator:
    eq: strawberry.ID | None = _condition("Equal to this.")
    neq: strawberry.ID | None = _condition("Not equal to this, or the log has no value.")
    in_: list[strawberry.ID] | None = _condition("Equal to one of these, 1 to 100 values.", "in")
    nin: list[strawberry.ID] | None = _condition(
        "Equal to none of these, up to 100 values, or the log has no value."
    )


@strawberry.input(
    description="Conditions on the provider. Those that are given must all hold; null means none."
)
class ProviderComparator:
    eq: Provider | None = _condition("Equal to this.")
    neq: Provider | None = _condition("Not equal to this.")
    in_: list[Provider] | None = _condition("Equal to one of these, at least one value.", "in")
    nin: list[Provider] | None = _condition("Equal to none of these.")


@strawberry.input(
    description="Conditions on the status. Those that are given must all hold; null means none."
)
class StatusComparator:
    eq: WebhookLogStatus | None = _condition("Equal to this.")
    neq: WebhookLogStatus | None = _condition("Not equal to this.")
    in_: list[WebhookLogStatus] | None = _condition(
        "Equal to one of these, at least one value.", "in"
    )
    nin: list[WebhookLogStatus] | None = _condition("Equal to none of these.")


@strawberry.input(
    description=(
        "Conditions on the failure category. Those that are given must all hold; null means none."
    )
)
class FailureCategoryComparator:
    eq: FailureCategory | None = _condition("Equal to this.")
    neq: FailureCategory | None = _condition("Not equal to this, or the delivery did not fail.")
    in_: list[FailureCategory] | None = _condition(
        "Equal to one of these, at least one value.", "in"
    )
    nin: list[FailureCategory] | None = _condition(
        "Equal to none of these, or the delivery did not fail."
    )


@strawberry.input(
    description=(
        "Conditions on webhook logs. Those that are given must all hold; null and an empty object"
        " mean none. If a log has no value for a field, only the negative conditions on it hold."
    )
)
class WebhookLogFilter:
    source: StringComparator | None = _condition("Name of the source.")
    provider: ProviderComparator | None = _condition("Kind of system.")
    status: StatusComparator | None = _condition("Result of the delivery.")
    event: StringComparator | None = _condition("The vendor's name of the event.")
    url: StringComparator | None = _condition("URL of the receiver, redacted as in the response.")
    http_status: IntComparator | None = _condition("HTTP status of the receiver's response.")
    failure: FailureCategoryComparator | None = _condition("Category of the failure.")
    hook: IDComparator | None = _condition("Id of the hook.")
    correlation_id: StringComparator | None = _condition(
        "Id that all attempts to deliver one event share."
    )
    failure_group: IDComparator | None = _condition(
        "Id of the group of failures, as in FailureGroup.id."
    )
    triggered_at: DateTimeComparator | None = _condition("When the delivery was triggered.")
    search: str | None = _condition(
        "Text, in any case, to find in the vendor's id, event, URL, correlation id, failure message"
        " or bodies, as far as the vendor's lists contain them. Bodies are searched only for"
        " callers with the role READER."
    )
    and_: list[WebhookLogFilter] | None = _condition(
        "All of these must hold. An empty list means no condition.", "and"
    )
    or_: list[WebhookLogFilter] | None = _condition(
        "At least one of these must hold; at least one must be given.", "or"
    )
    not_: WebhookLogFilter | None = _condition(
        "This must not hold; it must contain a condition.", "not"
    )


def document(value: Any) -> Any:
    """Convert an input object to the plain dictionary that ``gateway.feed.filters`` reads.

    Fields that were not given are left out. Without an input object the result is None.
    """
    if value is UNSET:
        return None
    if isinstance(value, list):
        return [document(item) for item in value]
    if isinstance(value, Provider):
        return value.value
    definition = getattr(type(value), "__strawberry_definition__", None)
    if not isinstance(definition, StrawberryObjectDefinition):
        return value
    return {
        field.graphql_name or to_camel_case(field.python_name): document(inner)
        for field in definition.fields
        if (inner := getattr(value, field.python_name)) is not UNSET
    }
