"""Names of a description that stand for two things at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.config.mistakes import Problem
from gateway.config.source import SourceTable
from gateway.vendors.described.templates import SCOPE, table_in

_KEYS_OF_SOURCES = {
    *SourceTable.model_fields,
    "provider",
    "auth",
    "description",
    "settings",
    "scopes",
}
_VARIABLES = {"hook", "id", SCOPE}
"""The variables that every description may have."""


def clashes(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the names in a description that are taken."""
    yield from _keys(values)


def scope_names(values: dict[str, Any]) -> set[str]:
    """Return the variables of scopes."""
    named = [table_in(scope).get("name") for scope in table_in(values, "scopes").values()]
    return {name for name in named if isinstance(name, str)}


def _keys(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the settings and scopes that are no keys of their own in a source's table."""
    scopes = table_in(values, "scopes")
    names = scope_names(values)
    for table in ("settings", "scopes"):
        for key in table_in(values, table):
            if key in _KEYS_OF_SOURCES:
                yield Problem((table, key), "is a key that sources have already: rename it")
    for key in table_in(values, "settings"):
        if key in scopes:
            yield Problem(("settings", key), "is also a key under scopes: rename one of them")
        elif key in names:
            yield Problem(("settings", key), "is also the variable of a scope: rename one of them")
        elif key in _VARIABLES:
            yield Problem(("settings", key), "is a variable with a meaning of its own: rename it")
    for key, scope in scopes.items():
        if table_in(scope).get("name") in _VARIABLES:
            complaint = "is a variable with a meaning of its own: rename it"
            yield Problem(("scopes", key, "name"), complaint)
