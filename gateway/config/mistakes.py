"""Turns what pydantic finds wrong with a configuration into sentences in the terms of its file.

The words come from the JSON schema, which knows every key and what belongs there. No value of the
configuration enters them, because a secret may stand in the wrong place; only the names of keys
and sources do.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pydantic import ValidationError

Schema = dict[str, Any]
Keys = tuple[str | int, ...]


class Problem(NamedTuple):
    """A mistake: the way to the key, as in ``("sources", 0, "name")``, and what is said of it."""

    keys: Keys
    complaint: str


def problems_of(error: ValidationError, schema: Schema) -> Iterator[Problem]:
    """Give each mistake that was found; ``schema`` is the JSON schema of the validated model.

    A validator says what is wrong by a ValueError whose text follows the key ("must end before
    any ?"), or by a PydanticCustomError of type ``sibling``, whose context names another ``key``
    of the same table to be blamed.
    """
    for detail in error.errors(include_url=False, include_input=False):
        kind, context = detail["type"], detail.get("ctx", {})
        location = detail["loc"]
        if kind == "extra_forbidden":
            keys, node = _locate(location[:-1], schema)
            key = str(location[-1])
            yield Problem((*keys, key), unknown(key, node["properties"]))
            continue
        if location[-1] == "[key]":  # a key of a table with free keys
            location = location[:-2]
        keys, node = _locate(location, schema)
        if kind in ("union_tag_not_found", "union_tag_invalid"):
            fault = "missing" if kind == "union_tag_not_found" else "unknown"
            key = node["discriminator"]["propertyName"]
            yield Problem((*keys, key), f"is {fault}: give {_tags(node)}")
        elif kind == "missing":
            yield Problem(keys, f"is missing: it {_expectation(node)}")
        elif kind == "value_error":
            yield Problem(keys, str(context["error"]))
        elif kind == "sibling":
            yield Problem((*keys[:-1], context["key"]), detail["msg"])
        else:
            yield Problem(keys, _expectation(node))


def unknown(key: str, known: Iterable[str]) -> str:
    """Say that ``key`` is unknown, and which of the ``known`` may have been meant."""
    known = sorted(known)
    if nearest := difflib.get_close_matches(key, known, n=1):
        return f"is unknown: did you mean {nearest[0]}?"
    return f"is unknown: the keys here are {', '.join(known)}"


def variable(keys: Keys) -> str:
    """Name the environment variable that sets a key: ``GATEWAY_SERVER__PORT``."""
    return "GATEWAY_" + "__".join(map(str, keys)).upper()


def sentence(problem: Problem, file: str, values: Schema, variables: Collection[str]) -> str:
    """Write a problem with its origin and, if it lies in a source, the source's name.

    ``values`` is the whole configuration; the origin is the one of the environment's ``variables``
    that set the key, else ``file``.
    """
    keys = problem.keys
    setters = (variable(keys[:length]) for length in range(len(keys), 0, -1))
    parts = [next((name for name in setters if name in variables), file) + ":"]
    if keys[0] == "sources" and len(keys) > 1:
        source = values["sources"][keys[1]]
        name = source.get("name") if isinstance(source, dict) else None
        named = isinstance(name, str) and re.fullmatch(r"[a-z0-9-]{1,63}", name)
        parts.append(_path(keys[:2]) + (f' "{name}":' if named else ":"))
        keys = keys[2:]
    return " ".join([*parts, *filter(None, [_path(keys)]), problem.complaint])


def _path(keys: Keys) -> str:
    """Write a way to a key as TOML does; an index, which TOML does not write, in brackets."""
    path = ""
    for key in keys:
        if isinstance(key, int):
            path += f"[{key}]"
        else:
            path += "." if path else ""
            path += key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
    return path


def _locate(location: Keys, schema: Schema) -> tuple[Keys, Schema]:
    """Follow pydantic's location through the schema: give the keys of the file, and the end.

    The location also names the members of unions that were gone through, which are no keys.
    """
    keys: list[str | int] = []
    node = _resolved(schema, schema)
    for step in location:
        if "discriminator" in node:
            node = {"$ref": node["discriminator"]["mapping"][step]}
        else:
            keys.append(step)
            if isinstance(step, int):
                node = node["items"]
            else:
                node = node.get("properties", {}).get(step) or _free_keys(node)
        node = _resolved(node, schema)
    return tuple(keys), node


def _free_keys(node: Schema) -> Schema:
    """Give what belongs under each key of a table whose keys only have a pattern."""
    (under_each,) = node["patternProperties"].values()
    return cast("Schema", under_each)


def _resolved(node: Schema, schema: Schema) -> Schema:
    if "$ref" not in node:
        return node
    target: Schema = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _expectation(node: Schema) -> str:
    """Say what belongs at a place of the schema."""
    match node:
        case {"errorMessage": str(words)}:
            return words
        case {"const": value}:
            return f'must be "{value}"'
        case {"discriminator": {"propertyName": key}}:
            return f"must be a table, with a {key} of {_tags(node)}"
        case {"type": "integer", "minimum": least, "maximum": most}:
            return f"must be a whole number from {least} to {most}"
        case {"type": "number", "maximum": most, **bounds}:
            least = bounds.get("exclusiveMinimum")
            from_least = (
                f"above {least:g} and at most"
                if least is not None
                else f"from {bounds.get('minimum', 0):g} to"
            )
            return f"must be a number {from_least} {most:g}"
        case _:
            return _KINDS[node["type"]]


_KINDS = {
    "array": "must be a list, in brackets",
    "boolean": "must be true or false",
    "object": "must be a table",
    "string": "must be text in quotes, and not empty",
}


def _tags(union: Schema) -> str:
    *others, last = (f'"{tag}"' for tag in union["discriminator"]["mapping"])
    return f"{', '.join(others)} or {last}"
