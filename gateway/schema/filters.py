"""The filter as callers write it; ``gateway.feed.filters`` gives it its meaning."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.utils.str_converters import to_camel_case

from gateway.schema.enums import FailureCategory, Provider, WebhookLogStatus
from gateway.schema.scalars import Moment


def _given(description: str, name: str | None = None) -> Any:
    return strawberry.field(default=UNSET, name=name, description=description)


@strawberry.input(description="Compares text. All comparators that are given must hold.")
class StringComparator:
    eq: str | None = _given("Equal to this.")
    neq: str | None = _given("Not equal to this, or absent.")
    in_: list[str] | None = _given("One of these; at most 100.", "in")
    nin: list[str] | None = _given("None of these, or absent; at most 100.")
    contains: str | None = _given("Holds this.")
    not_contains: str | None = _given("Does not hold this, or is absent.")
    starts_with: str | None = _given("Begins with this.")
    ends_with: str | None = _given("Ends with this.")
    eq_ignore_case: str | None = _given("Equal to this in any case.")
    neq_ignore_case: str | None = _given("Not equal to this in any case, or absent.")
    in_ignore_case: list[str] | None = _given("One of these in any case; at most 100.")
    nin_ignore_case: list[str] | None = _given("None of these in any case, or absent; at most 100.")
    contains_ignore_case: str | None = _given("Holds this in any case.")
    not_contains_ignore_case: str | None = _given("Does not hold this in any case, or is absent.")
    starts_with_ignore_case: str | None = _given("Begins with this in any case.")
    ends_with_ignore_case: str | None = _given("Ends with this in any case.")


@strawberry.input(description="Compares whole numbers. All comparators that are given must hold.")
class IntComparator:
    eq: int | None = _given("Equal to this.")
    neq: int | None = _given("Not equal to this, or absent.")
    in_: list[int] | None = _given("One of these; at most 100.", "in")
    nin: list[int] | None = _given("None of these, or absent; at most 100.")
    gt: int | None = _given("Greater than this.")
    gte: int | None = _given("Greater than this, or equal.")
    lt: int | None = _given("Less than this.")
    lte: int | None = _given("Less than this, or equal.")


@strawberry.input(description="Compares moments. All comparators that are given must hold.")
class DateTimeComparator:
    gt: Moment | None = _given("Later than this.")
    gte: Moment | None = _given("At this moment, or later.")
    lt: Moment | None = _given("Earlier than this.")
    lte: Moment | None = _given("At this moment, or earlier.")


@strawberry.input(description="Compares ids. All comparators that are given must hold.")
class IDComparator:
    eq: strawberry.ID | None = _given("Equal to this.")
    neq: strawberry.ID | None = _given("Not equal to this, or absent.")
    in_: list[strawberry.ID] | None = _given("One of these; at most 100.", "in")
    nin: list[strawberry.ID] | None = _given("None of these, or absent; at most 100.")


@strawberry.input(description="Compares providers. All comparators that are given must hold.")
class ProviderComparator:
    eq: Provider | None = _given("Equal to this.")
    neq: Provider | None = _given("Not equal to this.")
    in_: list[Provider] | None = _given("One of these.", "in")
    nin: list[Provider] | None = _given("None of these.")


@strawberry.input(description="Compares statuses. All comparators that are given must hold.")
class StatusComparator:
    eq: WebhookLogStatus | None = _given("Equal to this.")
    neq: WebhookLogStatus | None = _given("Not equal to this.")
    in_: list[WebhookLogStatus] | None = _given("One of these.", "in")
    nin: list[WebhookLogStatus] | None = _given("None of these.")


@strawberry.input(
    description="Compares the categories of failures. All comparators that are given must hold."
)
class FailureCategoryComparator:
    eq: FailureCategory | None = _given("Equal to this.")
    neq: FailureCategory | None = _given("Not equal to this, or no failure at all.")
    in_: list[FailureCategory] | None = _given("One of these.", "in")
    nin: list[FailureCategory] | None = _given("None of these, or no failure at all.")


@strawberry.input(
    description=(
        "Which webhook logs. All fields that are given must hold; a null counts as not given."
        " A field that a log lacks satisfies only the negations."
    )
)
class WebhookLogFilter:
    source: StringComparator | None = _given("The name of the source.")
    provider: ProviderComparator | None = _given("The kind of system.")
    status: StatusComparator | None = _given("How the delivery ended.")
    event: StringComparator | None = _given("The vendor's event name.")
    url: StringComparator | None = _given("The receiver's URL, as it is shown: redacted.")
    http_status: IntComparator | None = _given("The HTTP status of the receiver's answer.")
    failure: FailureCategoryComparator | None = _given("The category of the failure.")
    hook: IDComparator | None = _given("The id of the hook.")
    correlation_id: StringComparator | None = _given("What joins the attempts of one event.")
    triggered_at: DateTimeComparator | None = _given("When the delivery happened.")
    search: str | None = _given(
        "Text in any case in the vendor's id, event, URL, correlation id, failure message or"
        " bodies, as far as the vendor's list gives them."
    )
    and_: list[WebhookLogFilter] | None = _given("All of these must hold.", "and")
    or_: list[WebhookLogFilter] | None = _given("At least one of these must hold.", "or")
    not_: WebhookLogFilter | None = _given("This must not hold.", "not")


def document(value: Any) -> Any:
    """Turn an input object into the plain dictionary that ``gateway.feed.filters`` reads.

    What was not given is left out; no input object at all is None.
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
