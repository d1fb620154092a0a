"""Turn pydantic's validation errors into sentences that name the faulty keys.

The expected values are taken from the JSON schema. Sentences repeat names of keys and sources, but
no other value of the configuration, because a secret may have been written in the wrong place.
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
    """A mistake: the path of the key, such as ``("sources", 0, "name")``, and the complaint."""

    keys: Keys
    complaint: str


def problems_of(error: ValidationError, schema: Schema) -> Iterator[Problem]:
    """Yield each mistake; ``schema`` is the JSON schema of the validated model.

    A validator reports a mistake by a ValueError whose text follows the key ("must end before any
    ?"), or by a PydanticCustomError of type ``sibling``, whose context has the ``key`` of the same
    table that is at fault.
    """
    for detail in error.errors(include_url=False, include_input=False):
        kind, context = detail["type"], detail.get("ctx", {})
        location = detail["loc"]
        if kind == "extra_forbidden":
            keys, node = _locate(location[:-1], schema)
            key = str(location[-1])
            yield Problem((*keys, key), unknown_key(key, node["properties"]))
            continue
        if location[-1] == "[key]":  # a key of a table with free keys
            location, key = location[:-2], str(location[-2])
            keys, node = _locate(location, schema)
            if kind == "literal_error":
                complaint = unknown_key(key, re.findall(r"'([^']+)'", context["expected"]))
            elif kind == "value_error":
                complaint = str(context["error"])
            else:
                complaint = node.get("propertyNames", {}).get("errorMessage", "is no valid key")
            yield Problem((*keys, key), complaint)
            continue
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


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the message for an unknown key, with the most similar of the ``known`` ones."""
    known = sorted(known)
    if nearest := difflib.get_close_matches(key, known, n=1):
        return f"is unknown: did you mean {nearest[0]}?"
    return f"is unknown: the keys here are {', '.join(known)}"


def variable_name(keys: Keys) -> str:
    """Return the name of the environment variable for a key, such as ``GATEWAY_SERVER__PORT``."""
    return "GATEWAY_" + "__".join(map(str, keys)).upper()


def sentence(problem: Problem, file: str, values: Schema, variables: Collection[str]) -> str:
    """Format a problem as a sentence, with its origin and the name of its source, if any.

    ``values`` is the whole configuration. The origin is the one of the environment's ``variables``
    that set the key, or else ``file``.
    """
    keys = problem.keys
    complaint = problem.complaint
    origin = file
    for length in range(len(keys), 0, -1):
        if (setter := variable_name(keys[:length])) in variables:
            origin = setter
            complaint = _in_variable(complaint, setter if length == len(keys) else None)
            break
    parts = [f"{origin}:"]
    if keys[0] == "sources" and len(keys) > 1:
        source = values["sources"][keys[1]]
        name = source.get("name") if isinstance(source, dict) else None
        named = isinstance(name, str) and re.fullmatch(r"[a-z0-9-]{1,63}", name)
        parts.append(_path(keys[:2]) + (f' "{name}":' if named else ":"))
        keys = keys[2:]
    return " ".join([*parts, *filter(None, [_path(keys)]), complaint])


def _in_variable(complaint: str, name: str | None) -> str:
    """Replace the TOML notation of a complaint with the one of variables, which is JSON.

    A reference is not JSON in the variable ``name`` of the key itself, but a variable of its own.
    """
    if name:
        complaint = complaint.replace('{ env = "NAME" }', f"the name of a variable in {name}__ENV")
        complaint = complaint.replace('{ file = "/path" }', f"a path in {name}__FILE")
    return re.sub(
        r"\{ ([^{}]+) \}",
        lambda table: "{" + re.sub(r"(\w+) = ", r'"\1": ', table[1]) + "}",
        complaint,
    )


def _path(keys: Keys) -> str:
    """Return the path of a key in TOML's notation, with indexes in brackets."""
    path = ""
    for key in keys:
        if isinstance(key, int):
            path += f"[{key}]"
        else:
            path += "." if path else ""
            path += key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
    return path


def _locate(location: Keys, schema: Schema) -> tuple[Keys, Schema]:
    """Return the keys of pydantic's location, and the part of the schema that they lead to.

    The location also has the chosen members of unions, which are not keys.
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
    """Return the schema of the values in a table with arbitrary keys."""
    if "additionalProperties" in node:  # the keys are of a fixed set
        return cast("Schema", node["additionalProperties"])
    (under_each,) = node["patternProperties"].values()
    return cast("Schema", under_each)


def _resolved(node: Schema, schema: Schema) -> Schema:
    if "$ref" not in node:
        return node
    target: Schema = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _expectation(node: Schema) -> str:
    """Return the complaint about a value that does not fit its schema."""
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
