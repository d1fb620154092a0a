"""Contradictions between the keys of a description.

They are looked for in the file's values, which may have mistakes of their own, so that both are
reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.config.mistakes import Keys, Problem, unknown_key
from gateway.vendors.described.templates import SCOPE, variables_of

_OF_LOG = ("detail", "attempts", "retry", "delete")
"""The tables about a single log."""


def contradictions(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the contradictions in a description."""
    yield from _unknown_variables(values)
    yield from _missing_tables(values)
    yield from _time_bounds(values)


def _table(values: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}


def _unknown_variables(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the variables that have no value where they are used."""
    scopes = _table(values, "scopes")
    named = [_table(scope).get("name") for scope in scopes.values()]
    names = {name for name in named if isinstance(name, str)}
    common = {*_table(values, "settings"), *names}
    if scopes:
        common.add(SCOPE)
    of_log = {*common, "id", *_table(values, "log", "place")}
    if values.get("hooks"):
        of_log.add("hook")
    known = {
        "hooks": common,
        "list": common | ({"hook"} if values.get("hooks") else set()),
        **dict.fromkeys(_OF_LOG, of_log),
    }
    for name, variables in known.items():
        table = _table(values, name)
        for key in ("path", "params", "headers", "body"):
            yield from _unknown((name, key), table.get(key), variables)
    for key, scope in scopes.items():
        own = _table(scope).get("name")
        allowed = {*_table(values, "settings"), *([own] if isinstance(own, str) else [])}
        yield from _unknown(("scopes", key, "path"), _table(scope).get("path"), allowed)


def _unknown(keys: Keys, value: Any, known: set[str]) -> Iterator[Problem]:
    for name in sorted(variables_of(value) - known):
        hint = f"{unknown_key(name, known)}" if known else "is unknown: there are none here"
        yield Problem(keys, f"has the variable {{{name}}}, which {hint}")


def _missing_tables(values: dict[str, Any]) -> Iterator[Problem]:
    auth = values.get("auth")
    if isinstance(auth, dict) and not auth:
        yield Problem(("auth",), "is empty: give at least one form, such as [auth.token]")
    if "completes" in _table(values, "attempts") and "detail" not in values:
        yield Problem(("attempts", "completes"), "needs the call of a single log, under [detail]")
    if "body" in _table(values, "list") and _table(values, "list").get("method") != "POST":
        yield Problem(("list", "body"), 'stands only beside method = "POST"')
    if "new_id" in _table(values, "retry") and _table(values, "retry").get("makes") not in {
        None,
        "NEW_LOG",
    }:
        yield Problem(("retry", "new_id"), 'stands only beside makes = "NEW_LOG"')
    kept = _table(values, "retry").get("keeps")
    known = set(_table(values, "log", "values"))
    for name in kept if isinstance(kept, list) else ():
        if isinstance(name, str) and name not in known:
            yield Problem(("retry", "keeps"), f"names {name}, which is not under log.values")
    if _table(values, "list", "filters").get("hooks") and "hook" not in _table(values, "log"):
        yield Problem(("list", "filters", "hooks"), "is of no use without the field log.hook")


def _time_bounds(values: dict[str, Any]) -> Iterator[Problem]:
    if _table(values, "list", "until") and "triggered_at" not in _table(values, "log"):
        yield Problem(("list", "until"), "needs the time of a log, under log.triggered_at")
    for name in ("until", "since"):
        bound = _table(values, "list", name)
        fine = {"epoch-s": {"second"}, "epoch-ms": {"second", "millisecond"}}
        steps = fine.get(str(bound.get("format")))
        if steps and bound.get("granularity", "millisecond") not in steps:
            yield Problem(
                ("list", name, "granularity"), f"must be {' or '.join(sorted(steps))} in that form"
            )
