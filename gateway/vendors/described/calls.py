"""The tables of a description that say how the vendor is called."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from gateway.config.values import HeaderName, ListOf, Table, Text, error_message
from gateway.vendors.described.paging import PagesTable
from gateway.vendors.described.terms import (
    CodeRange,
    FieldSpec,
    Granularity,
    IdSpec,
    Key,
    ListMethod,
    Makes,
    MappedSpec,
    Method,
    Parameters,
    Path,
    Paths,
    Place,
    RegularExpression,
    ScopePath,
    SentHeaders,
    Size,
    Status,
    Style,
    Template,
    TimeFormat,
    Values,
    VariableName,
)


class RequestTable(Table):
    """What all requests have in common."""

    headers: SentHeaders = Field(default_factory=dict)
    """Headers that every request has, such as the version of the API."""
    lists: Style = "comma"
    """How a parameter with several values is sent: "comma" (a=1,2), "repeat" (a=1&a=2), "brackets"
    (a[]=1&a[]=2), "index" (a[0]=1&a[1]=2) or "single" (one value only)."""


class TokenTable(Table):
    """A token or key in a header."""

    header: HeaderName = "Authorization"
    """The header that it is sent in."""
    prefix: str | None = None
    """What stands before it; by default "Bearer " in the header Authorization, else nothing."""
    as_user: bool = False
    """Send it as the user of HTTP Basic, with an empty password."""


class BearerTable(Table):
    """A token that is sent as ``Authorization: Bearer``."""


class BasicTable(Table):
    """A user and a password, sent by HTTP Basic."""


class ClientCredentialsTable(Table):
    """Tokens that are issued to a client id and secret (RFC 6749, 4.4)."""

    path: Template
    """The path of the token endpoint."""
    scope: Text | None = None
    """The scope to ask for."""


class AuthTable(Table):
    """The forms of authentication, by the ``auth.type`` of a source.

    A caller's own credential (``pass-through``) is always one of them.
    """

    token: TokenTable | None = None
    """``auth = { type = "token", token = ... }``."""
    bearer: BearerTable | None = None
    """``auth = { type = "bearer", token = ... }``."""
    basic: BasicTable | None = None
    """``auth = { type = "basic", username = ..., password = ... }``."""
    client_credentials: ClientCredentialsTable | None = Field(
        default=None, alias="client-credentials"
    )
    """``auth = { type = "client-credentials", client_id = ..., client_secret = ... }``."""


class SettingTable(Table):
    """A key of the source's table in the configuration, and a variable of the same name."""

    about: Text
    """A sentence that says what it is."""
    required: bool = False
    """Whether a source must have it."""


class ScopeTable(Table):
    """What a source covers: the values of a key of its table, such as projects."""

    name: VariableName
    """The variable with one of the values."""
    about: Text
    """A sentence that says what the key holds."""
    path: ScopePath = ""
    """The path of one of them, which is the variable ``{scope}``."""
    pattern: RegularExpression | None = None
    """A regular expression that the values match."""
    find: FindTable | None = None
    """The list of all of them, for sources that name none."""


class FindTable(PagesTable):
    """The list of all that a source could cover."""

    id: IdSpec
    """The value of a row."""


ScopeTable.model_rebuild()


class HooksTable(PagesTable):
    """The list of webhooks, of one scope if there are any."""

    id: IdSpec
    """The id of a hook."""
    name: FieldSpec | None = None
    """Its name or description."""
    url: FieldSpec | None = None
    """The address of the receiver."""
    events: MappedSpec | None = None
    """The names of its events: a list of texts."""
    enabled: MappedSpec | None = None
    """Whether it is active: a boolean, or values that ``map`` makes one."""
    created_at: FieldSpec | None = None
    """When it was created."""
    keep: Path | None = None
    """An expression that is true for rows that send webhooks."""


class BoundTable(Table):
    """A parameter that leaves out the rows before or after a moment."""

    param: Text
    """The name of the parameter."""
    format: TimeFormat = "rfc3339"
    """How the moment is written: "rfc3339", "no-zone" (the same in UTC, without Z), "epoch-s" or
    "epoch-ms"."""
    granularity: Granularity = "millisecond"
    """The smallest step of the parameter. Moments are rounded so that no row is lost."""
    inclusive: bool = False
    """Whether it is certain that rows of exactly this moment are listed."""
    alone: bool = True
    """Whether the newest rows come first even without the other bound. If not, this one is sent
    only together with that."""


class ValuesFilter(Table):
    """A parameter that leaves only rows with one of some values."""

    param: Text
    """The name of the parameter."""
    style: Style | None = None
    """How several values are sent, if not like those of other parameters."""
    max: Size = 20
    """The most values of one request; with more, the list is not filtered by the vendor."""


class StatusFilter(Table):
    """A parameter that leaves only rows with some statuses."""

    param: Text
    """The name of the parameter."""
    style: Style | None = None
    """How several values are sent, if not like those of other parameters."""
    values: dict[Status, Values]
    """All values that rows of a status may have. The list is not filtered for a status that is left
    out, so leave it out if the vendor's filter may miss rows of it."""
    exact: tuple[Status, ...] = ()
    """The statuses whose values no rows of other statuses have. For these the total of the filtered
    list is a count."""


class CodesFilter(ValuesFilter):
    """A parameter that leaves only rows with some HTTP statuses of the receiver."""

    classes: bool = False
    """Whether a value stands for a hundred: 500 for 500 to 599."""
    ranges: Annotated[
        dict[CodeRange, Text],
        error_message('must be a table of values, such as { "500-599" = "server_failure" }'),
    ] = Field(default_factory=dict)
    """The values for ranges, if there are no others: "500-599" = "server_failure"."""
    most: Text | None = None
    """The parameter with the highest of the statuses, where ``param`` has the lowest."""


class FiltersTable(Table):
    """The vendor's own filters. They may let through too many rows, but never too few."""

    status: StatusFilter | None = None
    """By the status of the log."""
    events: ValuesFilter | None = None
    """By the name of the event."""
    hooks: ValuesFilter | None = None
    """By the vendor's id of the hook."""
    codes: CodesFilter | None = None
    """By the HTTP status of the receiver."""
    correlation_id: ValuesFilter | None = None
    """By the correlation id."""


class ListTable(PagesTable):
    """The list of webhook logs, newest first.

    With {hook} in it, each hook has a list of its own; otherwise each scope, or the whole source.
    """

    method: ListMethod = "GET"
    """With "POST", parameters are sent as members of a JSON object; dots lead into it."""
    body: dict[Key, Any] = Field(default_factory=dict)
    """Other members of that object."""
    total: Place | None = None
    """Where the answer says how many logs the whole list has."""
    until: BoundTable | None = None
    """The bound that leaves out newer logs. With it, lists are read by time."""
    since: BoundTable | None = None
    """The bound that leaves out older logs."""
    filters: FiltersTable = FiltersTable()
    """Filters that the vendor applies."""


class DetailTable(Table):
    """The call that reads one log."""

    path: Template
    """The path of a log."""
    item: Path = ""
    """Where the log is in the document; "" if it is the document itself. In a list, it is the
    row with its id."""
    params: Parameters = Field(default_factory=dict)
    """Parameters of the call."""
    adds: bool = True
    """Whether it has headers or bodies that lists lack."""


class ActionTable(Table):
    """A call that changes something; it is never repeated."""

    method: Method
    """The method of HTTP."""
    path: Template
    """The path, with {id} for the id of the log."""
    params: Parameters = Field(default_factory=dict)
    """Parameters of the query."""
    headers: SentHeaders = Field(default_factory=dict)
    """Headers of the request."""
    body: dict[Key, Any] | None = None
    """The JSON object to send; its texts may have variables."""
    log: Path | None = None
    """Where the answer has the log as it is afterwards; "" if that is the whole document."""


class RetryTable(ActionTable):
    """The call that sends a delivery again."""

    makes: Makes = "NEW_LOG"
    """What the vendor makes of it: it changes the SAME_LOG, adds a NEW_LOG or MANY_LOGS."""
    new_id: Path | None = None
    """Where the answer has the id of the new log; without it, the log is looked for later."""
    keeps: ListOf[VariableName] = ()
    """The names under log.values of those that a new log has in common with the retried one. It is
    looked for by each of them, and by the correlation id."""


class ErrorTable(Table):
    """Where a refusal says what is wrong."""

    code: Paths | None = None
    """The vendor's code."""
    message: Paths | None = None
    """The message."""
    request_id: Paths | None = None
    """The id of the request, which the vendor's support asks for."""
