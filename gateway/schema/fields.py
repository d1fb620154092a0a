"""How the types of the schema are declared: as what the gateway's own records look like.

Resolvers return those records as they are. A type names their attributes, and its annotations are
the types in the schema, whatever the records' own are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry


def described(description: str, resolver: Callable[..., Any] | None = None) -> Any:
    """Declare a field; it is the attribute of the same name unless there is a resolver."""
    field: Any = strawberry.field
    return field(resolver=resolver, description=description)


def is_a(record: type) -> Callable[[object, object], bool]:
    """Make the ``is_type_of`` of a type, by which unions and interfaces know its records."""
    return lambda value, _: isinstance(value, record)
