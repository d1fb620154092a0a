"""Names of a description that stand for two things at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.config.mistakes import Problem
from gateway.config.source import SourceTable
from gateway.vendors.described.templates import SCOPE, table_in, variables_of

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
    yield from _places(values)
    yield from _headers(values)


def scope_names(values: dict[str, Any]) -> set[str]:
    """Return the variables of scopes."""
    named = [table_in(scope).get("name") for scope in table_in(values, "scopes").values()]
    return {name for name in named if isinstance(name, str)}


def lists_by_hook(values: dict[str, Any]) -> bool:
    """Return whether each hook has a list of its own."""
    table = table_in(values, "list")
    return "hook" in variables_of([table.get(key) for key in ("path", "params", "body")])


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


def _places(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the variables of logs that hide others."""
    others = {"id", SCOPE, *table_in(values, "settings"), *scope_names(values)}
    if lists_by_hook(values):
        others.add("hook")
    for name in table_in(values, "log", "place"):
        if name in others:
            yield Problem(("log", "place", name), "hides another variable: rename it")


def _headers(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the headers that are sent with the token instead."""
    of_token = table_in(values, "auth", "token").get("header")
    for table in ("request", "retry", "delete"):
        for name in table_in(values, table, "headers"):
            if isinstance(of_token, str) and name.lower() == of_token.lower() != "authorization":
                yield Problem((table, "headers", name), "is the header of auth.token: leave it out")
