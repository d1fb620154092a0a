"""The description of a vendor: one TOML file.

The tables are in ``calls`` and ``records`` of this package. ``load`` reads a file and reports all
its mistakes at once.
"""

from __future__ import annotations

import functools
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from gateway.config.file_form import FileForm
from gateway.config.files import UnreadableFileError, read_text
from gateway.config.mistakes import problems_of, sentence
from gateway.config.values import Address, ListOf, Rate, Table, Text
from gateway.errors import ConfigurationError
from gateway.vendors.described.calls import (
    ActionTable,
    AuthTable,
    DetailTable,
    ErrorTable,
    HooksTable,
    ListTable,
    RequestTable,
    RetryTable,
    ScopeTable,
    SettingTable,
)
from gateway.vendors.described.consistency import contradictions
from gateway.vendors.described.records import AttemptsTable, LogTable
from gateway.vendors.described.terms import Link, VariableName

if TYPE_CHECKING:
    from pathlib import Path


class Description(Table, title="Description of a vendor"):
    """A vendor's API, as far as the gateway needs it."""

    title: Text
    """The name of the product."""
    docs: Link
    """The vendor's documentation of this API."""
    base_url: Address | None = None
    """The address of the API, for sources that give none."""
    rate_limit: Rate = 100.0
    """Calls per second that the vendor allows, for sources that give none."""
    retention: Text | None = None
    """How long the vendor keeps its logs, in words."""
    limits: Text | None = None
    """How many calls the vendor allows, in words."""
    resends_in_place: bool = False
    """Whether a delivery that succeeded can be sent again and then changes."""
    secrets: ListOf[Text] = ()
    """Names of fields whose values are masked besides those that are known to be secret."""
    auth: AuthTable
    """The forms of authentication."""
    request: RequestTable = RequestTable()
    """What all requests have in common."""
    settings: dict[VariableName, SettingTable] = Field(default_factory=dict)
    """Keys that a source's table has for this vendor."""
    scopes: dict[VariableName, ScopeTable] = Field(default_factory=dict)
    """The keys that say what a source covers. With several, it covers all that they name."""
    scopes_optional: bool = False
    """Whether a source without any scope has a list of its own, in which the variables of scopes
    have no values."""
    hooks: HooksTable | None = None
    """The list of webhooks."""
    list: ListTable
    """The list of webhook logs."""
    log: LogTable
    """The fields of a webhook log."""
    detail: DetailTable | None = None
    """The call that reads one log; without it, its list is searched."""
    attempts: AttemptsTable | None = None
    """The list of a log's attempts."""
    retry: RetryTable | None = None
    """The call that sends a delivery again."""
    delete: ActionTable | None = None
    """The call that deletes a log."""
    errors: ErrorTable = ErrorTable()
    """Where a refusal says what is wrong."""


def load(file: Path) -> Description:
    """Read a description; ConfigurationError with all mistakes in it."""
    try:
        values = tomllib.loads(read_text(file))
    except UnreadableFileError as error:
        raise ConfigurationError([f"{file}: the file {error}"]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError([f"{file}: the file is not TOML: {error}"]) from None
    found = list(contradictions(values))
    try:
        description = Description.model_validate(values)
    except ValidationError as error:
        found = [*problems_of(error, json_schema()), *found]
    else:
        if not found:
            return description
    raise ConfigurationError([sentence(problem, str(file), values, ()) for problem in found])


@functools.cache
def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a description, draft 2020-12, for editors."""
    schema = Description.model_json_schema(schema_generator=FileForm)
    return {"$schema": FileForm.schema_dialect, **schema}
