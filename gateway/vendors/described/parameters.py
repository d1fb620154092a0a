"""Parameters of a list that are used for two things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.config.mistakes import Keys, Problem
from gateway.vendors.described.templates import table_in

_LISTS: tuple[Keys, ...] = (("list",), ("hooks",), ("attempts",))
_SHARED = ({("filters", "status", "param"), ("filters", "codes", "param")},)
"""Filters that may have one parameter, as only one of them is sent at a time."""


def shared_parameters(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the parameters of a description's lists that are used for two things."""
    finders = [("scopes", key, "find") for key in table_in(values, "scopes")]
    for keys in (*_LISTS, *finders):
        yield from _shared(keys, table_in(values, *map(str, keys)))


def _shared(keys: Keys, table: dict[str, Any]) -> Iterator[Problem]:
    seen: dict[str, tuple[str, ...]] = {}
    for own in _uses(table):
        name = table_in(table, *own[:-1]).get(own[-1])
        if not isinstance(name, str):
            continue
        first = seen.setdefault(name, own)
        if first != own and {first, own} not in _SHARED:
            there = ".".join(map(str, (*keys, *first)))
            yield Problem((*keys, *own), f"is the parameter of {there} too")
    # Filters and bounds replace a parameter of every page; those of the paging would be sent twice.
    for name in table_in(table, "params"):
        if seen.get(name, ("",))[0] in {"size", "paging"}:
            there = ".".join(map(str, (*keys, *seen[name])))
            yield Problem((*keys, "params", name), f"is the parameter of {there} too")


def _uses(table: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the keys that hold the name of a parameter."""
    for key in ("size", "paging", "until", "since"):
        yield key, "param"
    for key in table_in(table, "filters"):
        yield "filters", key, "param"
    yield "filters", "codes", "most"
