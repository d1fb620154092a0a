"""Convert the arguments of a list, as graphql-core validated them, to those of ``Gateway.logs``.

The result is the same as Strawberry's input objects, ``document`` and ``resolvers`` give together;
the objects are not made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.schema.enums import Provider


def arguments_of_logs(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``Gateway.logs``; those that were not given are left out."""
    asked = {
        # No cursor is empty, so an empty string stands for null.
        name: None if value == "" else value
        for name, value in given.items()
        if name not in {"filter", "cache"}
    }
    if cache := given.get("cache"):
        asked["max_age"] = cache["maxAge"]
    return asked | {"wanted": _plain(given.get("filter"))}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Provider) else value
