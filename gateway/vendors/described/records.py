"""The tables of a description that say what the fields of a vendor's documents mean."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.config.values import Table, Text, error_message
from gateway.vendors.described.paging import (
    PagesTable,
)
from gateway.vendors.described.terms import (
    Category,
    CodeRange,
    CountSpec,
    DurationSpec,
    FieldSpec,
    IdSpec,
    Key,
    Path,
    Paths,
    PlainPath,
    Size,
    Status,
    ValueTable,
    VariableName,
)


class StatusTable(Table):
    """How the status is told. The first rule that fits decides; without one, it is UNKNOWN."""

    path: Paths
    """The field that tells it."""
    missing: Status = "UNKNOWN"
    """The status if the field is null or absent."""
    empty: Status | None = None
    """The status if the field is an empty text."""
    values: dict[Key, Status] = Field(default_factory=dict)
    """The status for each value, in any case; booleans are "true" and "false"."""
    codes: Annotated[
        dict[CodeRange, Status],
        error_message('must be a table of HTTP statuses, such as { "200-299" = "SUCCEEDED" }'),
    ] = Field(default_factory=dict)
    """The status for ranges of HTTP statuses, such as "200-299"; the first that fits decides."""
    otherwise: Status | None = None
    """The status for any other value."""


class FailureTable(Table):
    """Why a delivery failed. By default, this is found from the HTTP status and the message."""

    message: Paths | None = None
    """The vendor's message."""
    code: Paths | None = None
    """The vendor's code of the failure."""
    categories: dict[Category, tuple[Text, ...]] = Field(default_factory=dict)
    """The codes of each category, with * for any letters. A code that is in none is left to the
    usual rules."""


class OutcomeTable(Table):
    """The result of a delivery or of one attempt."""

    status: StatusTable
    """How the status is told."""
    failure: FailureTable = FailureTable()
    """How a failure is told; that of an attempt, by default like that of a log."""
    duration: DurationSpec | None = None
    """How long the request took."""
    response_status: FieldSpec | None = None
    """The receiver's HTTP status: a number, or a text that begins with one. 0 is none."""
    response_body: FieldSpec | None = None
    """The body of the receiver's response."""


class LogTable(OutcomeTable):
    """The fields of a webhook log. All but ``id`` and ``status`` may be left out."""

    id: IdSpec
    """The vendor's id of the log."""
    place: dict[VariableName, Path] = Field(default_factory=dict)
    """Other ids that are needed to find the log again, by the variables that they become."""
    hook: FieldSpec | None = None
    """The id of the hook; lists of one hook need none."""
    event: FieldSpec | None = None
    """The name of the event."""
    triggered_at: FieldSpec | None = None
    """The time by which the list is sorted."""
    last_attempted_at: FieldSpec | None = None
    """The time of the last attempt."""
    attempt: CountSpec | None = None
    """The number of attempts."""
    correlation_id: FieldSpec | None = None
    """An id that deliveries of one event share."""
    is_redelivery: Path | None = None
    """Whether the log was made by sending another one again."""
    redelivery_of: Path | None = None
    """The id of the log that was sent again."""
    method: FieldSpec | None = None
    """The method of the request."""
    url: FieldSpec | None = None
    """The address of the receiver."""
    request_headers: PlainPath | None = None
    """The headers of the request: an object, a list or a text."""
    request_body: FieldSpec | None = None
    """The body of the request: a text or any JSON value."""
    response_headers: PlainPath | None = None
    """The headers of the response: an object, a list or a text."""
    values: dict[VariableName, ValueTable] = Field(default_factory=dict)
    """The values that only this vendor has."""
    warnings: dict[Key, Text] = Field(default_factory=dict)
    """Sentences to add to the warnings of a log, each by a path that is true for it."""


class AttemptsTable(PagesTable, OutcomeTable):
    """The list of a log's attempts."""

    newest_first: bool = True
    """Whether the list begins with the newest attempt."""
    number: CountSpec | None = None
    """The number of the attempt, from 1; by default they are counted."""
    at: FieldSpec | None = None
    """The time of the attempt."""
    most: Size | None = None
    """How many attempts the list has at most; if it has as many, there may have been others."""
    response_headers: PlainPath | None = None
    """The headers of the response, for ``completes``."""
    completes: bool = False
    """Whether the newest attempt has the outcome of the log, which a single log lacks."""
