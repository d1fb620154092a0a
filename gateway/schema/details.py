"""Fields that only one vendor has: a type for each details record of the vendors' kits."""

from __future__ import annotations

import typing
from typing import Annotated, Any, Union

import msgspec
import strawberry

from gateway.schema.fields import described, instance_of
from gateway.schema.scalars import JSON
from gateway.vendors import VENDORS


def _type_of(record: type[msgspec.Struct]) -> type:
    """Build the type of a details record, described by its docstring and each ``Meta``."""
    hints = typing.get_type_hints(record, include_extras=True)
    members: dict[str, Any] = {"is_type_of": instance_of(record), "__annotations__": {}}
    for name, hint in hints.items():
        field_type, meta = typing.get_args(hint)
        is_json = typing.get_origin(field_type) is dict
        members["__annotations__"][name] = JSON if is_json else field_type
        members[name] = described(meta.description)
    made = type(record.__name__, (), members)
    return strawberry.type(made, description=record.__doc__)


if typing.TYPE_CHECKING:
    WebhookLogDetails = Any
else:
    WebhookLogDetails = Annotated[
        Union[tuple(map(_type_of, dict.fromkeys(kit.details for kit in VENDORS.values())))],  # noqa: UP007
        strawberry.union(
            "WebhookLogDetails",
            description="Fields that only one vendor has.",
        ),
    ]
