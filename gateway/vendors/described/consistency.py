"""Contradictions between the keys of a description.

They are looked for in the file's values, which may have mistakes of their own, so that both are
reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.config.mistakes import Keys, Problem, unknown_key
from gateway.vendors.described.clashes import clashes, lists_by_hook, scope_names
from gateway.vendors.described.parameters import shared_parameters
from gateway.vendors.described.templates import SCOPE, table_in, variables_of

_OF_LOG = ("detail", "attempts", "retry", "delete")
"""The tables about a single log."""


def contradictions(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the contradictions in a description."""
    yield from _unknown_variables(values)
    yield from _missing_tables(values)
    yield from _time_bounds(values)
    yield from _actions_on_no_log(values)
    yield from _values_in_other_case(values)
    yield from clashes(values)
    yield from shared_parameters(values)


def _unknown_variables(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the variables that have no value where they are used."""
    scopes = table_in(values, "scopes")
    common = {*table_in(values, "settings"), *scope_names(values)}
    if scopes:
        common.add(SCOPE)
    of_log = {*common, "id", *table_in(values, "log", "place")}
    if lists_by_hook(values):
        of_log.add("hook")
    known = {
        "hooks": common,
        "list": common | ({"hook"} if values.get("hooks") else set()),
        **dict.fromkeys(_OF_LOG, of_log),
    }
    for name, variables in known.items():
        table = table_in(values, name)
        for key in ("path", "params", "headers", "body"):
            yield from _unknown((name, key), table.get(key), variables)
    for key, scope in scopes.items():
        own = table_in(scope).get("name")
        allowed = {*table_in(values, "settings"), *([own] if isinstance(own, str) else [])}
        yield from _unknown(("scopes", key, "path"), table_in(scope).get("path"), allowed)


def _unknown(keys: Keys, value: Any, known: set[str]) -> Iterator[Problem]:
    for name in sorted(variables_of(value) - known):
        hint = f"{unknown_key(name, known)}" if known else "is unknown: there are none here"
        yield Problem(keys, f"has the variable {{{name}}}, which {hint}")


def _missing_tables(values: dict[str, Any]) -> Iterator[Problem]:
    auth = values.get("auth")
    if isinstance(auth, dict) and not auth:
        yield Problem(("auth",), "is empty: give at least one form, such as [auth.token]")
    if "completes" in table_in(values, "attempts") and "detail" not in values:
        yield Problem(("attempts", "completes"), "needs the call of a single log, under [detail]")
    if "body" in table_in(values, "list") and table_in(values, "list").get("method") != "POST":
        yield Problem(("list", "body"), 'stands only beside method = "POST"')
    if "new_id" in table_in(values, "retry") and table_in(values, "retry").get("makes") not in {
        None,
        "NEW_LOG",
    }:
        yield Problem(("retry", "new_id"), 'stands only beside makes = "NEW_LOG"')
    kept = table_in(values, "retry").get("keeps")
    known = set(table_in(values, "log", "values"))
    for name in kept if isinstance(kept, list) else ():
        if isinstance(name, str) and name not in known:
            yield Problem(("retry", "keeps"), f"names {name}, which is not under log.values")
    if table_in(values, "list", "filters").get("hooks") and "hook" not in table_in(values, "log"):
        yield Problem(("list", "filters", "hooks"), "is of no use without the field log.hook")


def _time_bounds(values: dict[str, Any]) -> Iterator[Problem]:
    if table_in(values, "list", "until") and "triggered_at" not in table_in(values, "log"):
        yield Problem(("list", "until"), "needs the time of a log, under log.triggered_at")
    for name in ("until", "since"):
        bound = table_in(values, "list", name)
        fine = {"epoch-s": {"second"}, "epoch-ms": {"second", "millisecond"}}
        steps = fine.get(str(bound.get("format")))
        if steps and bound.get("granularity", "millisecond") not in steps:
            yield Problem(
                ("list", name, "granularity"), f"must be {' or '.join(sorted(steps))} in that form"
            )


def _actions_on_no_log(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the actions that are the same for all logs."""
    of_log = {"id", *table_in(values, "log", "place")}
    others = {*table_in(values, "settings"), *scope_names(values), SCOPE, "hook"}
    for name in ("retry", "delete"):
        table = table_in(values, name)
        used = variables_of([table.get(key) for key in ("path", "params", "headers", "body")])
        # Unknown variables are told as such: one may be a misspelt {id}.
        if "path" in table and used <= others - of_log:
            yield Problem((name, "path"), "is the same for all logs: it lacks {id}")


def _values_in_other_case(values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the values with two statuses: they are compared in any case."""
    for table in ("log", "attempts"):
        statuses = table_in(values, table, "status", "values")
        seen: dict[str, str] = {}
        for value, status in statuses.items():
            first = seen.setdefault(value.lower(), value)
            if statuses[first] != status:
                complaint = f"has another status than {first}, which differs only in case"
                yield Problem((table, "status", "values", value), complaint)
