"""Paths to the values of a vendor's document.

A path is names with dots between them, such as ``data.response.code``, or any expression of
JMESPath (https://jmespath.org/specification.html). Names and dots are read without JMESPath, which
takes ten times as long. Names with other characters than letters, digits, ``_`` and ``-`` are
expressions, and stand in quotes: ``headers."x.y"``.

Expressions know a few functions besides those of JMESPath:

- ``parse_json(text)``: the value of a JSON text; null if it is none.
- ``only(list)``: the item that all of the list are equal to; null if there are several, or none.
- ``first_line(text)``: the text up to its first line break.
- ``true_keys(object, end)``: the names that end with ``end`` and are true.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jmespath
import jmespath.exceptions
import jmespath.functions
from jmespath.visitor import TreeInterpreter

from gateway.normalise.fields import Fields

Reader = Callable[[Fields], Any]
"""Reads one value of a row."""

PLAIN = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*", re.ASCII)


class _Functions(jmespath.functions.Functions):
    """The functions of JMESPath, and those of this module."""

    @jmespath.functions.signature({"types": ["string", "null"]})
    def _func_parse_json(self, text: str | None) -> Any:
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):
            return None

    @jmespath.functions.signature({"types": ["array", "null"]})
    def _func_only(self, items: list[Any] | None) -> Any:
        return items[0] if items and all(item == items[0] for item in items) else None

    @jmespath.functions.signature({"types": ["string", "null"]})
    def _func_first_line(self, text: str | None) -> str | None:
        return text.strip().split("\n", 1)[0].strip() if text else None

    @jmespath.functions.signature({"types": ["object"]}, {"types": ["string"]})
    def _func_true_keys(self, members: dict[str, Any], end: str) -> list[str]:
        return [name for name, value in members.items() if name.endswith(end) and value is True]


_INTERPRETER = TreeInterpreter(jmespath.Options(custom_functions=_Functions()))
"""It keeps nothing of a document. ``search`` would make one for each, for the collector to free."""


def plain_steps(path: str) -> tuple[str, ...] | None:
    """Return the names of a path that has nothing but names and dots; None for an expression."""
    return tuple(path.split(".")) if PLAIN.fullmatch(path) else None


def check(path: str) -> None:
    """Raise ValueError with a complaint unless the text is a path."""
    if plain_steps(path) is None:
        try:
            _check_functions(jmespath.compile(path).parsed)
        except jmespath.exceptions.JMESPathError as error:
            fault = " ".join(str(error).partition(": Parse error")[0].split())
            raise ValueError(f"is not a path, nor an expression of JMESPath: {fault}") from None


def _check_functions(node: Mapping[str, Any]) -> None:
    """Raise ValueError if a part of an expression calls a function that there is not."""
    if node["type"] == "function_expression":
        known = _Functions.FUNCTION_TABLE.get(node["value"])
        if known is None:
            raise ValueError(f"calls {node['value']}(), which is no function of JMESPath")
        takes, given = len(known["signature"]), len(node["children"])
        is_open = bool(known["signature"]) and known["signature"][-1].get("variadic", False)
        if given < takes or (given > takes and not is_open):
            raise ValueError(f"calls {node['value']}() with {given} values, but it takes {takes}")
    for child in node["children"]:
        if isinstance(child, dict):
            _check_functions(child)


@functools.cache
def value_at(path: str) -> Callable[[Any], Any]:
    """Return a function that finds the value at a path of a document; None if there is none.

    The path ``""`` is the document itself.
    """
    if not path:
        return lambda document: document
    steps = plain_steps(path)
    if steps is None:
        return _search(path)
    *parents, name = steps

    def find(document: Any) -> Any:
        for step in parents:
            document = document.get(step) if isinstance(document, dict) else None
        return document.get(name) if isinstance(document, dict) else None

    return find


def _search(path: str) -> Callable[[Any], Any]:
    expression = jmespath.compile(path).parsed

    def search(document: Any) -> Any:
        try:
            return _INTERPRETER.visit(expression, document)
        except jmespath.exceptions.JMESPathError:
            # A function was applied to a value of another type than it takes.
            return None

    return search


def reader(paths: Sequence[str], method: str) -> Reader:
    """Return a function that reads the first value of some paths by a method of ``Fields``."""
    readers = [_reader(path, method) for path in paths]
    if len(readers) == 1:
        return readers[0]

    def first(row: Fields) -> Any:
        for read in readers:
            value = read(row)
            if value is not None:
                return value
        return None

    return first


def _reader(path: str, method: str) -> Reader:
    read = getattr(Fields, method)
    steps = plain_steps(path)
    if steps is None:
        search = _search(path)
        return lambda row: read(Fields({path: search(row.document)}, row.warnings), path)
    *parents, name = steps
    if not parents:
        return lambda row: read(row, name)

    def nested(row: Fields) -> Any:
        found: Fields | None = row
        for step in parents:
            found = found.object(step) if found is not None else None
        return None if found is None else read(found, name)

    return nested
