"""The ``[limits]`` table: what one request, and one caller, may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from pydantic_core import core_schema

from gateway.config.values import Table

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue

_MOST = 2**31 - 1
_FORM = (
    f'must be a whole number from 1 to {_MOST}, "off", or a table such as'
    ' { max = 100, mode = "warn" }'
)
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": _MOST}
_MODES = ("off", "warn", "enforce")


class Limit(msgspec.Struct, frozen=True):
    """A number, and what happens beyond it: nothing, a line in the log, or a refusal.

    In the file it is the number alone, ``"off"``, or a table of both.
    """

    max: int
    mode: Literal["off", "warn", "enforce"] = "enforce"

    @property
    def refuses(self) -> bool:
        """Whether what is beyond it is refused."""
        return self.mode == "enforce"

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _read, serialization=core_schema.plain_serializer_function_ser_schema(_written)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: object) -> JsonSchemaValue:
        table = {
            "type": "object",
            "properties": {"max": _NUMBER, "mode": {"enum": list(_MODES)}},
            "required": ["max", "mode"],
            "additionalProperties": False,
        }
        return {"anyOf": [_NUMBER, {"const": "off"}, table], "errorMessage": _FORM}


def _read(value: object) -> Limit:
    if isinstance(value, Limit):
        return value
    if value == "off":
        return Limit(_MOST, "off")
    given = value if isinstance(value, dict) else {"max": value, "mode": "enforce"}
    if given.keys() == {"max", "mode"} and given["mode"] in _MODES:
        number = given["max"]
        if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= _MOST:
            return Limit(number, cast("Any", given["mode"]))
    raise ValueError(_FORM)


def _written(limit: Limit) -> int | dict[str, Any]:
    return limit.max if limit.refuses else msgspec.structs.asdict(limit)


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
    operations: Limit = Limit(100)
    """How many operations may be executed at the same time; as many more wait for two seconds."""
    rate: Limit = Limit(1200)
    """How many requests a caller may make in a minute; callers that nobody asks for a credential
    are told apart by their addresses. Gateways that share a cache count together."""
