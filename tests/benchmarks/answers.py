"""Operations that list the rows of an audit list, and whether an answer is right."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from tests.benchmarks.audit_list import CHANGING, Row

FIELDS = (
    "id",
    "uuid",
    "url",
    "event",
    "timeTriggered",
    "timeLastAttempted",
    "data",
    "errorMessage",
    "retryAttempts",
)
NUMBER = "__N__"
"""In a body, a number of nine digits that no other request has."""
_CHANGED = re.compile(r"attempt \d+-\d+")


class WrongAnswerError(Exception):
    """A server did not do the work that it was to be measured by."""


class Form(NamedTuple):
    """The operation of a kind of server, and where its answer has each field of a row."""

    query: str
    rows: str
    fields: Mapping[str, str]


PLAIN = Form(
    "query Log($perPage: Int!, $marker: Int) { audit(perPage: $perPage, marker: $marker) "
    f"{{ totalItems entries {{ {' '.join(FIELDS)} }} }} }}",
    "audit.entries",
    {field: field for field in FIELDS},
)
GATEWAY = Form(
    "query Log($first: Int!, $filter: WebhookLogFilter) { webhookLogs(first: $first, filter: "
    "$filter) { totalCount edges { node { upstreamId event triggeredAt lastAttemptedAt "
    "request { url bodyJson } failure { message } details { ... on LanguageWeaverDetails "
    "{ webhookUuid retryAttempts } } } } } }",
    "webhookLogs.edges.node",
    {
        "id": "upstreamId",
        "uuid": "details.webhookUuid",
        "url": "request.url",
        "event": "event",
        "timeTriggered": "triggeredAt",
        "timeLastAttempted": "lastAttemptedAt",
        "data": "request.bodyJson",
        "errorMessage": "failure.message",
        "retryAttempts": "details.retryAttempts",
    },
)
NO_BODIES = GATEWAY._replace(
    query=GATEWAY.query.replace(" bodyJson", ""),
    fields={field: path for field, path in GATEWAY.fields.items() if field != "data"},
)


def follow(value: Any, path: str) -> Any:
    """Return the value at a dotted path; a list on the way stands for each of its items."""
    for name in path.split("."):
        if isinstance(value, list):
            value = [item[name] for item in value]
        elif value is not None:
            value = value[name]
    return value


def comparable(field: str, value: Any) -> Any:
    """Return a value in the form in which all servers' values are compared."""
    match field:
        case "id":
            return str(value)
        case "timeTriggered" | "timeLastAttempted":
            date, _, fraction = str(value).replace(" ", "T").rstrip("Z").partition(".")
            return f"{date}.{fraction.rstrip('0')}"
        case "data" if isinstance(value, str):
            return json.loads(value)
        case "errorMessage":
            return _CHANGED.sub(f"attempt {CHANGING}", value or "")
    return value


def check(answer: bytes, form: Form, expected: Sequence[Row], *, bodies: bool = True) -> None:
    """Raise WrongAnswerError unless the answer has exactly the expected rows, in their order.

    Nothing else may be in a row. Without ``bodies`` the caller may not see them: none may be there,
    with an error for each row if the operation asks for them.
    """
    try:
        document = json.loads(answer)
        rows = follow(document["data"], form.rows)
        errors = document.get("errors", [])
    except (ValueError, KeyError, TypeError):
        raise WrongAnswerError(f"no rows in {answer[:400]!r}") from None
    asked = "data" in form.fields
    codes = [error.get("extensions", {}).get("code") for error in errors]
    if codes != ([] if bodies or not asked else ["FORBIDDEN"] * len(expected)):
        raise WrongAnswerError(f"{len(errors)} errors: {json.dumps(errors)[:400]}")
    if not isinstance(rows, list) or len(rows) != len(expected):
        count = len(rows) if isinstance(rows, list) else "no"
        raise WrongAnswerError(f"{count} rows instead of {len(expected)}")
    for row, right in zip(rows, expected, strict=True):
        _check_row(row, form, right, bodies=bodies)


def _others(value: Any, paths: Collection[str], at: str = "") -> list[str]:
    """Return the paths at which there is a value, none of ``paths``."""
    if at in paths or value is None:
        return []
    if not isinstance(value, dict):
        return [at]
    inner = {f"{at}.{name}".removeprefix("."): value[name] for name in value}
    return [path for name in inner for path in _others(inner[name], paths, name)]


def _check_row(row: Any, form: Form, right: Row, *, bodies: bool) -> None:
    if others := _others(row, set(form.fields.values())):
        raise WrongAnswerError(f"{', '.join(others)} in a row was not asked for")
    for field, path in form.fields.items():
        try:
            value = comparable(field, follow(row, path))
        except (KeyError, TypeError, ValueError):
            raise WrongAnswerError(f"no {field} in {json.dumps(row)[:400]}") from None
        wanted = None if field == "data" and not bodies else comparable(field, right[field])
        if value != wanted:
            raise WrongAnswerError(f"{field} is {value!r:.200} instead of {wanted!r:.200}")
