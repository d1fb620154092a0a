"""Texts with variables in braces, such as ``/projects/{project}/hooks/{hook}/events``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gateway.upstream.path import ApiPath

VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
SCOPE = "scope"
"""The variable of a scope's path, which is part of other paths as it is."""

Variables = Mapping[str, str]


def variables_of(value: Any) -> set[str]:
    """Return the names of the variables in a text, or in all texts of a JSON value."""
    if isinstance(value, str):
        return set(VARIABLE.findall(value))
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return set().union(*map(variables_of, value))
    return set()


def table_in(values: Any, *keys: str) -> dict[str, Any]:
    """Return the table under some keys of a file's values; {} if there is none."""
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}


def path_of(template: str, variables: Variables) -> ApiPath:
    """Return a path, in which the values of variables are escaped."""

    def escaped(match: re.Match[str]) -> str:
        value = variables[match[1]]
        return value if match[1] == SCOPE else quote(value, safe="")

    return ApiPath(VARIABLE.sub(escaped, template), template)


def text_of(template: str, variables: Variables) -> str | None:
    """Return a text with the values of variables; None if one of them has no value."""
    if "{" not in template:
        return template
    if any(not variables.get(name) for name in VARIABLE.findall(template)):
        return None
    return VARIABLE.sub(lambda match: variables[match[1]], template)


def params_of(templates: Mapping[str, str], variables: Variables) -> list[tuple[str, str]]:
    """Return query parameters, without those whose variables have no values."""
    found = ((name, text_of(text, variables)) for name, text in templates.items())
    return [(name, text) for name, text in found if text is not None]


def filled(value: Any, variables: Variables) -> Any:
    """Return a JSON value with the values of variables in its texts."""
    if isinstance(value, str):
        return text_of(value, variables)
    if isinstance(value, dict):
        return {name: filled(item, variables) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, variables) for item in value]
    return value
