"""The ``[limits]`` table: limits of one request and of one caller."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from pydantic_core import core_schema

from gateway.config.values import Table

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue

_MOST = 2**31 - 1
_MOST_SECONDS = 300
_FORM = 'must be {}, "off", or a table such as {{ max = {}, mode = "warn" }}'
_WHOLE_FORM = _FORM.format(f"a whole number from 1 to {_MOST}", 100)
_SECONDS_FORM = _FORM.format(f"a number of seconds above 0, up to {_MOST_SECONDS}", "10.0")
_MODES = ("off", "warn", "enforce")
Mode = Literal["off", "warn", "enforce"]


class Limit(msgspec.Struct, frozen=True):
    """A number, and what happens above it: nothing, a warning in the log, or an error.

    In the file it is a number, ``"off"``, or a table with both.
    """

    max: int
    mode: Mode = "enforce"

    @property
    def refuses(self) -> bool:
        """Whether the limit is enforced."""
        return self.mode == "enforce"

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> core_schema.CoreSchema:
        return _core_schema(lambda value: _read(cls, value, _is_whole, _WHOLE_FORM))

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: object) -> JsonSchemaValue:
        number = {"type": "integer", "minimum": 1, "maximum": _MOST}
        return _number_schema(number, _WHOLE_FORM)


class TimeLimit(msgspec.Struct, frozen=True):
    """A limit in seconds. When it is off, ``max`` is the default."""

    max: float = 10.0
    mode: Mode = "enforce"

    @property
    def seconds(self) -> float:
        """The enforced limit; infinite if it is not enforced."""
        return self.max if self.mode == "enforce" else math.inf

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> core_schema.CoreSchema:
        return _core_schema(lambda value: _read(cls, value, _is_seconds, _SECONDS_FORM))

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: object) -> JsonSchemaValue:
        number = {"type": "number", "exclusiveMinimum": 0, "maximum": _MOST_SECONDS}
        return _number_schema(number, _SECONDS_FORM)


def _core_schema(read: Callable[[object], object]) -> core_schema.CoreSchema:
    return core_schema.no_info_plain_validator_function(
        read, serialization=core_schema.plain_serializer_function_ser_schema(_to_config)
    )


def _number_schema(number: dict[str, Any], form: str) -> JsonSchemaValue:
    table = {
        "type": "object",
        "properties": {"max": number, "mode": {"enum": list(_MODES)}},
        "required": ["max", "mode"],
        "additionalProperties": False,
    }
    return {"anyOf": [number, {"const": "off"}, table], "errorMessage": form}


def _read(
    kind: type[Limit | TimeLimit], value: Any, fits: Callable[[Any], bool], form: str
) -> Limit | TimeLimit:
    if isinstance(value, kind):
        return value
    if value == "off":
        return Limit(_MOST, "off") if kind is Limit else TimeLimit(mode="off")
    given = value if isinstance(value, dict) else {"max": value, "mode": "enforce"}
    if given.keys() == {"max", "mode"} and given["mode"] in _MODES and fits(given["max"]):
        return kind(given["max"], given["mode"])
    raise ValueError(form)


def _is_whole(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _MOST


def _is_seconds(value: Any) -> bool:
    return type(value) in {int, float} and 0 < value <= _MOST_SECONDS


def _to_config(limit: Limit | TimeLimit) -> float | dict[str, Any]:
    return limit.max if limit.mode == "enforce" else msgspec.structs.asdict(limit)


class LimitSettings(Table, title="Limits"):
    """Limits of one request and of one caller.

    Each is a number; or "off"; or { max = 100, mode = "warn" }, which only logs a warning for what
    exceeds it.
    """

    body: Limit = Limit(2**18)
    """Bytes of the body of a request."""
    document: Limit = Limit(50_000)
    """Characters of a document."""
    tokens: Limit = Limit(1000)
    """Tokens of a document: names, numbers, strings and punctuators. The same number of comments is
    allowed in addition."""
    depth: Limit = Limit(15)
    """Depth of nested fields; fields of the root are at depth 1."""
    aliases: Limit = Limit(100)
    """Fields of an operation that have an alias, or that are repeated in one selection."""
    root_fields: Limit = Limit(20)
    """Fields of the root in an operation."""
    directives: Limit = Limit(50)
    """Directives in an operation."""
    cost: Limit = Limit(20_000)
    """Cost of an operation: the fields that its response can have, given the sizes of its pages,
    and 10 for each call to a vendor. The introspection query of most tools costs about 17,000."""
    variables: Limit = Limit(2**16)
    """Bytes of the variables of a request, as JSON."""
    variables_depth: Limit = Limit(20)
    """Depth of nested lists and objects in the variables."""
    answer: Limit = Limit(2**24)
    """Bytes of a response as JSON, with all operations of the request and all parts. An operation
    that exceeds it was executed, but its response is replaced by an error."""
    operations: Limit = Limit(100)
    """Operations that are executed at the same time. As many more wait for up to two
    seconds; others are refused with 503."""
    rate: Limit = Limit(1200)
    """Requests of one caller in a minute. Callers without credentials are distinguished by address.
    Gateways that share a cache count together; without Redis, each worker counts by itself."""
