"""Limits, and the ``[limits]`` table: what one request, and one caller, may ask for."""

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
    """A number, and what happens beyond it: nothing, a line in the log, or a refusal.

    In the file it is the number alone, ``"off"``, or a table of both.
    """

    max: int
    mode: Mode = "enforce"

    @property
    def refuses(self) -> bool:
        """Whether what is beyond it is refused."""
        return self.mode == "enforce"

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> core_schema.CoreSchema:
        return _read_by(lambda value: _read(cls, value, _is_whole, _WHOLE_FORM))

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: object) -> JsonSchemaValue:
        number = {"type": "integer", "minimum": 1, "maximum": _MOST}
        return _described(number, _WHOLE_FORM)


class TimeLimit(msgspec.Struct, frozen=True):
    """The same of a time in seconds; one that is off has the usual number."""

    max: float = 10.0
    mode: Mode = "enforce"

    @property
    def seconds(self) -> float:
        """How long may be taken at most: without end where nothing is ended."""
        return self.max if self.mode == "enforce" else math.inf

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> core_schema.CoreSchema:
        return _read_by(lambda value: _read(cls, value, _is_seconds, _SECONDS_FORM))

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: object) -> JsonSchemaValue:
        number = {"type": "number", "exclusiveMinimum": 0, "maximum": _MOST_SECONDS}
        return _described(number, _SECONDS_FORM)


def _read_by(read: Callable[[object], object]) -> core_schema.CoreSchema:
    return core_schema.no_info_plain_validator_function(
        read, serialization=core_schema.plain_serializer_function_ser_schema(_written)
    )


def _described(number: dict[str, Any], form: str) -> JsonSchemaValue:
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


def _written(limit: Limit | TimeLimit) -> float | dict[str, Any]:
    return limit.max if limit.mode == "enforce" else msgspec.structs.asdict(limit)


class LimitSettings(Table, title="Limits"):
    """How much one request, and one caller, may ask for.

    Each is a number; "off" for none; or { max = 100, mode = "warn" }, by which what is beyond it
    is only written to the log.
    """

    body: Limit = Limit(2**18)
    """How large the body of a request may be, in bytes."""
    document: Limit = Limit(50_000)
    """How long a document may be, in characters."""
    tokens: Limit = Limit(1000)
    """How many words, numbers, texts and signs a document may have; as many comments may stand
    between them."""
    depth: Limit = Limit(15)
    """How deep fields may lie inside each other; those of the root lie at 1."""
    aliases: Limit = Limit(100)
    """How many fields of an operation may be given another name, or be written again in one
    selection."""
    root_fields: Limit = Limit(20)
    """How many fields of the root an operation may have."""
    directives: Limit = Limit(50)
    """How many directives an operation may have."""
    cost: Limit = Limit(20_000)
    """How many fields the answer of an operation may have, by the sizes of its pages, where a
    call to a vendor counts as 10. The introspection of tools takes some 13,000."""
    variables: Limit = Limit(2**16)
    """How large the variables of a request may be, in bytes of JSON."""
    variables_depth: Limit = Limit(20)
    """How deep lists and objects of the variables may lie inside each other."""
    answer: Limit = Limit(2**24)
    """How large an answer may be, in bytes of JSON: of all operations of a request, and all parts.
    What would be larger was executed, and an error takes its place."""
    operations: Limit = Limit(100)
    """How many operations may be executed at the same time; as many more wait for two seconds."""
    rate: Limit = Limit(1200)
    """How many requests a caller may make in a minute; callers that nobody asks for a credential
    are told apart by their addresses. Gateways that share a cache count together."""
