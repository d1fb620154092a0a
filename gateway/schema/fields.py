"""Helpers for declaring types whose instances are the gateway's own records.

Resolvers return the records of ``gateway.model`` and others unconverted. A type declares their
attributes by name; its annotations are the types in the schema, not those of the record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry


def described(description: str, resolver: Callable[..., Any] | None = None) -> Any:
    """Declare a field, resolved from the attribute of the same name unless there is a resolver."""
    field: Any = strawberry.field
    return field(resolver=resolver, description=description)


def instance_of(record: type) -> Callable[[object, object], bool]:
    """Return a type's ``is_type_of``, by which unions and interfaces recognise its records."""
    return lambda value, _: isinstance(value, record)
