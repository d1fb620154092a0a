"""The places of streams and logs: what of them the configuration covers, and their variables."""

from __future__ import annotations

import re
from typing import Any

from gateway.vendors.described.compiled import Compiled
from gateway.vendors.described.parsing import Place, is_id
from gateway.vendors.described.templates import SCOPE, path_of

SCOPE_ID = re.compile(r"(?!(?:.*/)?\.{1,2}(?:/|\Z))[A-Za-z0-9_.:~@+=/-]{1,256}", re.ASCII)
"""Scopes that a vendor may list; unlike other ids, they may be paths, but not lead upwards."""
ALL = ("", "")
"""The scope of a source that names none, where scopes are optional."""


class Places:
    """The places of one source.

    ``scopes`` are those of its configuration, and ``settings`` the variables that it sets.
    """

    def __init__(self, compiled: Compiled, settings: Any) -> None:
        self._compiled = compiled
        description = compiled.description
        self.scopes: list[Place] = [
            (key, value)
            for key in description.scopes
            for value in _own(settings, "scopes", key) or ()
        ]
        self.settings: dict[str, str] = {
            name: value
            for name in description.settings
            if (value := _own(settings, "settings", name)) is not None
        }

    def grants(self, place: Place) -> bool:
        """Return whether a log's place is inside the configuration, and has ids that may exist."""
        compiled = self._compiled
        if len(place) != compiled.place_length or not is_id(place[-1], compiled.description.log.id):
            return False
        own = place[compiled.stream_length : -1]
        if not all(is_id(text, compiled.own_id) for text in own):
            return False
        hooks = compiled.description.hooks
        if compiled.by_hook and hooks and not is_id(place[compiled.scope_length], hooks.id):
            return False
        return not compiled.scope_length or self._covers(place[:2])

    def _covers(self, scope: Place) -> bool:
        if self.scopes:
            return scope in self.scopes
        if self._compiled.description.scopes_optional:
            return scope == ALL
        key, value = scope
        if key not in self._compiled.finders or SCOPE_ID.fullmatch(value) is None:
            return False
        pattern = self._compiled.description.scopes[key].pattern
        return pattern is None or re.search(pattern, value) is not None

    def variables(self, place: Place) -> dict[str, str]:
        """Return the variables of a scope's or a stream's place."""
        compiled = self._compiled
        variables = dict(self.settings)
        if compiled.scope_length:
            scopes = compiled.description.scopes
            variables |= {table.name: "" for table in scopes.values()}
            variables[SCOPE] = ""
            if table := scopes.get(place[0]):
                variables[table.name] = place[1]
                variables[SCOPE] = path_of(table.path, variables)
        if len(place) > compiled.scope_length:
            variables["hook"] = place[compiled.scope_length]
        return variables

    def log_variables(self, place: Place) -> dict[str, str]:
        """Return the variables of a log's place."""
        length = self._compiled.stream_length
        names = (*self._compiled.description.log.place, "id")
        return self.variables(place[:length]) | dict(zip(names, place[length:], strict=True))


def _own(settings: Any, table: str, key: str) -> Any:
    """Return the value of a key that only this vendor has.

    It stands in a table of its own where the description is the user's.
    """
    tables = getattr(settings, table, None)
    return getattr(settings, key, None) if tables is None else tables.get(key)
