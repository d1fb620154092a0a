"""Types of the single values of a description."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from gateway.config.values import Table, Text, error_message
from gateway.vendors.described import paths
from gateway.vendors.described.templates import VARIABLE

HEADER = "header:"
"""Begins the place of a value that is in a header of the answer, as in ``header:X-Total``."""

_NO_PATH = 'must be a path such as "data.id", in quotes'
_NO_PATHS = 'must be a path such as "data.id", in quotes, or a list of paths, of which the first'
_NO_PATHS += " with a value counts"
_NO_SPEC = f"{_NO_PATHS}; or a table with a path"
_NO_PARAMETER = "must be text in quotes, a number, true or false"
_NO_TEMPLATE = 'must be a path that begins with a slash, such as "/events/{id}", or with {scope}'
_RANGE = re.compile(r"([1-5]\d\d)-([1-5]\d\d)")


def _path(value: str) -> str:
    if value:
        paths.check(value)
    return value


def _template(value: str) -> str:
    """Check a path, in which parameters and steps upwards would be sent as they are."""
    if "{" in (rest := VARIABLE.sub("", value)) or "}" in rest:
        raise ValueError("has a brace that is not part of a variable, such as {id}")
    if "?" in value or "#" in value:
        raise ValueError("must end before any ? or #: parameters belong under params")
    if {".", ".."} & set(value.split("/")):
        raise ValueError('must not have the segments "." and ".."')
    return value


def _sent_header(value: str) -> str:
    if value.lower() == "authorization":
        raise ValueError("holds the credential, which belongs under auth")
    return value


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


def _place(value: str) -> str:
    if value.startswith(HEADER):
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value.removeprefix(HEADER)):
            raise ValueError('must name a header after "header:", such as "header:X-Total"')
        return value
    return _path(value)


def _paths(value: object) -> object:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(_NO_PATHS)
    for each in values:
        if not isinstance(each, str) or not each:
            raise ValueError(_NO_PATHS)
        paths.check(each)
    return tuple(values)


def _spec(value: object) -> object:
    return {"path": _paths(value)} if isinstance(value, str | list) else value


def _parameter(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _code_range(value: str) -> str:
    match = _RANGE.fullmatch(value)
    if match and match[1] > match[2]:
        raise ValueError(f"has the range {value}, which must begin with the lower status")
    return value


def _codes(value: object) -> object:
    """Write ranges of HTTP statuses out: ``300-399`` is a hundred values."""
    if not isinstance(value, list):
        return value
    found: list[object] = []
    for item in value:
        if isinstance(item, str) and (match := _RANGE.fullmatch(_code_range(item))):
            found += [str(code) for code in range(int(match[1]), int(match[2]) + 1)]
        else:
            found.append(_parameter(item))
    return tuple(found)


Link = Annotated[
    str,
    Field(pattern=r"^https?://[^ ]+$"),
    error_message('must be the address of a page, such as "https://vendor.example/docs"'),
]
Key = Annotated[str, Field(pattern=r"^.+$"), error_message("must be a key that is not empty")]
"""A free key of a table."""
VariableName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*$"),
    error_message(
        'must be a name of lower-case letters, digits and _, such as "order_id", which begins with'
        " a letter"
    ),
]
Path = Annotated[str, AfterValidator(_path), error_message(_NO_PATH)]
"""A path to a value of a document (``gateway.vendors.described.paths``)."""
RegularExpression = Annotated[Text, AfterValidator(_regular_expression)]
PlainPath = Annotated[
    str,
    Field(pattern=rf"^{paths.PLAIN.pattern}$"),
    error_message("must be names with dots between them"),
]
"""A path without expressions."""
Place = Annotated[str, AfterValidator(_place), error_message(_NO_PATH)]
"""A path, or ``header:NAME``."""
Paths = Annotated[tuple[str, ...], BeforeValidator(_paths), error_message(_NO_PATHS)]
Template = Annotated[
    str,
    Field(pattern=r"^(/|\{scope\})"),
    AfterValidator(_template),
    error_message(_NO_TEMPLATE),
]
"""A path of the API with variables (``gateway.vendors.described.templates``)."""
ScopePath = Annotated[str, AfterValidator(_template)]
"""The path that begins others, as the variable ``{scope}``."""
Parameter = Annotated[str, BeforeValidator(_parameter), error_message(_NO_PARAMETER)]
Parameters = dict[Key, Parameter]
SentHeader = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,64}$"),
    AfterValidator(_sent_header),
    error_message("must be the name of an HTTP header: letters, digits, hyphens and _"),
]
HeaderText = Annotated[
    str,
    Field(pattern=r"^[ -~]+$"),
    BeforeValidator(_parameter),
    error_message("must be the text of a header: printable ASCII on one line, in quotes"),
]
SentHeaders = dict[SentHeader, HeaderText]
CodeRange = Annotated[
    str,
    Field(pattern=r"^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"),
    AfterValidator(_code_range),
    error_message('must be an HTTP status or a range of them, such as "200-299"'),
]
Values = Annotated[
    tuple[Parameter, ...],
    BeforeValidator(_codes),
    error_message('must be a list of values, such as ["failed", "500-599"]'),
]
Count = Annotated[int, Field(strict=True, ge=-1, le=1000)]
Size = Annotated[int, Field(strict=True, ge=1, le=1000)]

Status = Annotated[
    Literal["SUCCEEDED", "FAILED", "PENDING", "CANCELLED", "UNKNOWN"],
    error_message('must be "SUCCEEDED", "FAILED", "PENDING", "CANCELLED" or "UNKNOWN"'),
]
Category = Annotated[
    Literal[
        "TIMEOUT",
        "DNS",
        "CONNECTION",
        "TLS",
        "REDIRECT",
        "HTTP_CLIENT_ERROR",
        "HTTP_SERVER_ERROR",
        "NO_RESPONSE",
        "UNKNOWN",
    ],
    error_message("must be a failure category of the schema, such as TIMEOUT or TLS"),
]
Style = Annotated[
    Literal["comma", "repeat", "brackets", "index", "single"],
    error_message('must be "comma", "repeat", "brackets", "index" or "single"'),
]
"""How several values of a parameter are sent: ``a=1,2``, ``a=1&a=2``, ``a[]=1&a[]=2``,
``a[0]=1&a[1]=2``, or not at all."""
Granularity = Annotated[
    Literal["second", "millisecond", "microsecond", "nanosecond"],
    error_message('must be "second", "millisecond", "microsecond" or "nanosecond"'),
]
TimeFormat = Annotated[
    Literal["rfc3339", "no-zone", "epoch-s", "epoch-ms"],
    error_message('must be "rfc3339", "no-zone", "epoch-s" or "epoch-ms"'),
]
Unit = Annotated[
    Literal["s", "ms", "us", "ns"], error_message('must be "s", "ms", "us" or "ns", in quotes')
]
Method = Annotated[
    Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
    error_message('must be "GET", "POST", "PUT", "PATCH" or "DELETE"'),
]
ListMethod = Annotated[Literal["GET", "POST"], error_message('must be "GET" or "POST"')]
Makes = Annotated[
    Literal["SAME_LOG", "NEW_LOG", "MANY_LOGS"],
    error_message('must be "SAME_LOG", "NEW_LOG" or "MANY_LOGS"'),
]
IdKind = Annotated[Literal["number", "text"], error_message('must be "number" or "text"')]


class FieldTable(Table):
    """Where a field of the record is; a path alone may stand in its place."""

    path: Paths
    """The path, or several, of which the first with a value counts."""


class MappedTable(FieldTable):
    """A field whose values have other names here."""

    map: dict[Key, Any] = Field(default_factory=dict)
    """What stands for a value; others stay as they are."""


class DurationTable(FieldTable):
    """A duration; in milliseconds if there is no unit."""

    unit: Unit = "ms"
    """The unit of the number."""


class CountTable(FieldTable):
    """A number that counts something."""

    plus: Count = 0
    """What to add, such as 1 if the first attempt is number 0."""


class IdTable(FieldTable):
    """The id of an object."""

    kind: IdKind = "text"
    """A positive whole number, or a text of letters, digits and ``_ - . : ~ @ + =``."""


class ValueTable(FieldTable):
    """A value that only this vendor has."""

    about: Text
    """A sentence that says what the value is."""


FieldSpec = Annotated[FieldTable, BeforeValidator(_spec), error_message(_NO_SPEC)]
MappedSpec = Annotated[MappedTable, BeforeValidator(_spec), error_message(_NO_SPEC)]
DurationSpec = Annotated[DurationTable, BeforeValidator(_spec), error_message(_NO_SPEC)]
CountSpec = Annotated[CountTable, BeforeValidator(_spec), error_message(_NO_SPEC)]
IdSpec = Annotated[IdTable, BeforeValidator(_spec), error_message(_NO_SPEC)]
