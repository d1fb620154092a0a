"""What only one vendor has: a type for each kit, made from its details record."""

from __future__ import annotations

import typing
from typing import Annotated, Any, Union

import msgspec
import strawberry

from gateway.schema.fields import described, is_a
from gateway.vendors import VENDORS


def _type_of(record: type[msgspec.Struct]) -> type:
    """Make the type of a details record; the docstring and ``Meta`` are its descriptions."""
    hints = typing.get_type_hints(record, include_extras=True)
    members: dict[str, Any] = {"is_type_of": is_a(record), "__annotations__": {}}
    for name, hint in hints.items():
        field_type, meta = typing.get_args(hint)
        members["__annotations__"][name] = field_type
        members[name] = described(meta.description)
    made = type(record.__name__, (), members)
    return strawberry.type(made, description=record.__doc__)


if typing.TYPE_CHECKING:
    WebhookLogDetails = Any
else:
    WebhookLogDetails = Annotated[
        Union[tuple(_type_of(kit.details) for kit in VENDORS.values())],  # noqa: UP007
        strawberry.union(
            "WebhookLogDetails", description="What only one vendor has; one member for each."
        ),
    ]
