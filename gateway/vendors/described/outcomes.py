"""Compile what a description says about results into functions of a row."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from gateway.model import Failure, FailureCategory, WebhookLogStatus
from gateway.normalise.failures import classify
from gateway.normalise.fields import Fields
from gateway.vendors.described.paths import Reader, reader, value_at
from gateway.vendors.described.records import FailureTable, StatusTable
from gateway.vendors.described.terms import CountTable, DurationTable, FieldTable

UNITS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
"""Milliseconds in each unit."""
_CODE = re.compile(r"\s*([1-5]\d\d)\b", re.ASCII)
_RETRYABLE = frozenset(
    {
        FailureCategory.TIMEOUT,
        FailureCategory.CONNECTION,
        FailureCategory.NO_RESPONSE,
        FailureCategory.HTTP_SERVER_ERROR,
    }
)


def nothing(_: Any) -> None:
    """Read a field that the description leaves out."""


def read(spec: FieldTable | None, method: str) -> Reader:
    """Return the reader of a field by a method of ``Fields``."""
    return nothing if spec is None else reader(spec.path, method)


def status_code(spec: FieldTable | None) -> Callable[[Fields], int | None]:
    """Return the reader of an HTTP status.

    A text that does not begin with one is no status, and may be the reason why there is none.
    """
    if spec is None:
        return nothing
    find = first_value(spec.path)
    checked = reader(spec.path, "status")

    def code(row: Fields) -> int | None:
        value = find(row.document)
        if type(value) is int and 100 <= value < 600:
            return value
        if isinstance(value, str):
            found = _CODE.match(value)
            return int(found[1]) if found else None
        found_code: int | None = checked(row) if value else None
        return found_code

    return code


def first_value(paths: Sequence[str]) -> Callable[[Any], Any]:
    """Return a function that finds the first value of some paths that is not null."""
    finders = [value_at(path) for path in paths]
    if len(finders) == 1:
        return finders[0]
    return lambda document: next(
        (value for find in finders if (value := find(document)) is not None), None
    )


def count(spec: CountTable | None) -> Reader:
    """Return the reader of a count."""
    if spec is None:
        return nothing
    number, plus = reader(spec.path, "count"), spec.plus
    if not plus:
        return number

    def more(row: Fields) -> int | None:
        found = number(row)
        return None if found is None else found + plus

    return more


def duration(spec: DurationTable | None) -> Callable[[Fields], float | None]:
    """Return the reader of a duration in milliseconds."""
    if spec is None:
        return nothing
    number = reader(spec.path, "number")
    factor = UNITS[spec.unit]

    def milliseconds(row: Fields) -> float | None:
        found = number(row)
        return None if found is None else round(found * factor, 6)

    return milliseconds


def recorded(table: StatusTable) -> set[WebhookLogStatus]:
    """Return all statuses that the rule may give."""
    names = {table.missing, *table.values.values(), *table.codes.values(), "UNKNOWN"}
    names |= {name for name in (table.empty, table.otherwise) if name}
    return {WebhookLogStatus[name] for name in names}


def status(table: StatusTable) -> Callable[[Fields], WebhookLogStatus]:
    """Return the rule for the status."""
    find = first_value(table.path)
    name = table.path[0]
    missing = WebhookLogStatus[table.missing]
    empty = WebhookLogStatus[table.empty or table.missing]
    known = functools.lru_cache(maxsize=256)(_status_by_text(table))
    otherwise = WebhookLogStatus[table.otherwise] if table.otherwise else None

    def rule(row: Fields) -> WebhookLogStatus:
        value = find(row.document)
        if value is None:
            return missing
        text = _scalar_text(value)
        if text == "":
            return empty
        # A long text is a message, and of no use in a cache.
        found = None if text is None else known(text) if len(text) < 64 else otherwise
        if found is None:
            row.warnings.append(f"The vendor's {name} is no value that its description knows.")
            return WebhookLogStatus.UNKNOWN
        return found

    return rule


def _status_by_text(table: StatusTable) -> Callable[[str], WebhookLogStatus | None]:
    values = {text.lower(): WebhookLogStatus[name] for text, name in table.values.items()}
    otherwise = WebhookLogStatus[table.otherwise] if table.otherwise else None
    ranges = [
        (int(text[:3]), int(text[-3:]), WebhookLogStatus[name])
        for text, name in table.codes.items()
    ]

    def by_text(text: str) -> WebhookLogStatus | None:
        if (found := values.get(text)) is not None:
            return found
        if ranges and (code := _CODE.fullmatch(text)):
            for least, most, status in ranges:
                if least <= int(code[1]) <= most:
                    return status
        return otherwise

    return by_text


def _scalar_text(value: Any) -> str | None:
    """Return a value as it stands in a description; None for objects and lists."""
    if isinstance(value, str):
        return value.strip().lower()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, int) else None


_UNTOLD = Failure(FailureCategory.UNKNOWN, "This document does not say why.", retryable=False)


def failure(
    table: FailureTable, *, tells_response: bool
) -> Callable[[Fields, int | None], Failure]:
    """Return the rule for the failure of a delivery that failed with an HTTP status.

    ``tells_response`` is true if the documents say whether there was a response.
    """
    message = reader(table.message, "text") if table.message else nothing
    code_of = reader(table.code, "text") if table.code else None
    category = functools.lru_cache(maxsize=256)(functools.partial(_category, table))

    def rule(row: Fields, http_status: int | None) -> Failure:
        text = message(row)
        if text is not None and text.strip().isdecimal():
            text = None  # the HTTP status, where the vendor writes both into one field
        code = code_of(row) if code_of else None
        found = category(code) if code else None
        if text is None and code and http_status is None:
            text = code
        if text is None and not tells_response:
            return _UNTOLD
        known = classify(status_code=http_status, message=text)
        return Failure(found, known.message, found in _RETRYABLE) if found else known

    return rule


def _category(table: FailureTable, code: str) -> FailureCategory | None:
    for name, patterns in table.categories.items():
        if any(fnmatch.fnmatchcase(code, pattern) for pattern in patterns):
            return FailureCategory[name]
    return None
