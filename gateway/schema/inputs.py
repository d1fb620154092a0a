"""Coerce variables and the arguments of a list, for operations that graphql-core does not execute.

Invariants:

- A value that is coerced here is what graphql-core's functions would give; leaves are coerced by
  the functions of their types. Whatever takes a conversion that is not done here, such as a single
  value for a list, and whatever is wrong, raises, so that graphql-core's functions are called.
- Missing is not null: what was not given is left out.
- The arguments of ``Gateway.logs`` are those that Strawberry's input objects, ``document`` and
  ``resolvers`` would give together; the objects are not made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLSchema,
    GraphQLString,
    ListValueNode,
    Node,
    ObjectFieldNode,
    Undefined,
    VariableDefinitionNode,
    VariableNode,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
    type_from_ast,
)
from graphql.execution.values import VariableValues, get_argument_values, get_variable_values

from gateway.schema.enums import Provider

DEEPEST = 20
"""Nested lists and objects; graphql-core refuses more than 200."""

Coerce = Callable[[Any, int], Any]
"""Returns the coerced value, or raises; takes the depth of the value."""


class _OtherError(Exception):
    """The value is left to graphql-core's functions."""


class Variables:
    """Coerces the variables of one operation."""

    def __init__(
        self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]
    ) -> None:
        self._schema = schema
        self._definitions = definitions
        known: dict[str, Coerce] = {}
        self._quick: list[tuple[str, Coerce, bool]] = []
        for definition in definitions:
            kind: Any = type_from_ast(schema, definition.type)
            may_miss = not definition.default_value and not is_non_null_type(kind)
            name = definition.variable.name.value
            self._quick.append((name, _coercion(kind, known), may_miss))

    def coerce(self, given: Mapping[str, Any]) -> VariableValues | None:
        """Return the variables; None if there is an error."""
        coerced: dict[str, Any] = {}
        try:
            for name, coerce, may_miss in self._quick:
                if name in given:
                    coerced[name] = coerce(given[name], 0)
                elif not may_miss:
                    raise _OtherError
        except Exception:  # noqa: BLE001 - graphql-core's functions find out what it is
            found = get_variable_values(self._schema, self._definitions, dict(given))
            return None if isinstance(found, list) else found
        return VariableValues({}, coerced)


class Arguments:
    """The arguments of a field ``webhookLogs``."""

    def __init__(self, definition: GraphQLField, node: FieldNode) -> None:
        self._definition = definition
        self._node = node
        arguments = {one.name.value: one.value for one in node.arguments or ()}
        self._variables = {
            name: value.name.value
            for name, value in arguments.items()
            if isinstance(value, VariableNode)
        }
        plain = all(
            name in self._variables or not _has_variables(value)
            for name, value in arguments.items()
        ) and not any(
            is_required_argument(one) or one.default is not None or one.out_name is not None
            for one in definition.args.values()
        )
        # With no variables at all, those arguments are left out that are variables.
        self._literals = (
            get_argument_values(definition, node, VariableValues({}, {})) if plain else None
        )

    def of_logs(self, variables: VariableValues) -> dict[str, Any]:
        """Return the arguments of ``Gateway.logs``, or raise what graphql-core would report."""
        if self._literals is None:
            return arguments_of_logs(get_argument_values(self._definition, self._node, variables))
        coerced = variables.coerced
        given = {
            name: coerced[variable]
            for name, variable in self._variables.items()
            if variable in coerced
        }
        return arguments_of_logs(self._literals | given)


def arguments_of_logs(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``Gateway.logs``; those that were not given are left out."""
    asked = {
        # No cursor is empty, so an empty string stands for null.
        name: None if value == "" else value
        for name, value in given.items()
        if name not in {"filter", "cache"}
    }
    if cache := given.get("cache"):
        asked["max_age"] = cache["maxAge"]
    asked["wanted"] = _plain(given.get("filter"))
    return asked


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Provider) else value


def _has_variables(value: Node) -> bool:
    return any(isinstance(node, VariableNode) for node in _nodes(value))


def _nodes(value: Node) -> Iterator[Node]:
    yield value
    inner: Sequence[Node] = ()
    if isinstance(value, ListValueNode):
        inner = value.values or ()
    elif fields := getattr(value, "fields", None):
        inner = [one.value for one in fields if isinstance(one, ObjectFieldNode)]
    for node in inner:
        yield from _nodes(node)


def _coercion(kind: Any, known: dict[str, Coerce]) -> Coerce:
    """Return the function for a type; ``known`` has those of input objects, by name."""
    is_required = is_non_null_type(kind)
    if is_required:
        kind = kind.of_type
    present = _of_present(kind, known)

    def coerce(value: Any, depth: int) -> Any:
        if value is None:
            if is_required:
                raise _OtherError
            return None
        return present(value, depth)

    return coerce


def _of_present(kind: Any, known: dict[str, Coerce]) -> Coerce:
    if kind is GraphQLString:
        return lambda value, _: value if type(value) is str else _other()
    if kind is GraphQLInt:
        return lambda value, _: (
            value if type(value) is int and -(2**31) <= value < 2**31 else _other()
        )
    if is_leaf_type(kind):
        return lambda value, _: kind.coerce_input_value(value)
    if is_list_type(kind):
        item = _coercion(kind.of_type, known)
        return lambda value, depth: (
            [item(each, depth + 1) for each in value]
            if type(value) is list and depth < DEEPEST
            else _other()
        )
    if not is_input_object_type(kind) or kind.is_one_of or _has_own_form(kind):
        return lambda _, __: _other()
    if kind.name not in known:
        # Types contain themselves, so that the function of one is made when it is first called.
        known[kind.name] = _of_object(kind, known)
    return known[kind.name]


def _of_object(kind: GraphQLInputObjectType, known: dict[str, Coerce]) -> Coerce:
    fields: dict[str, Coerce] = {}

    def coerce(value: Any, depth: int) -> dict[str, Any]:
        if type(value) is not dict or depth >= DEEPEST:
            raise _OtherError
        if not fields:
            fields.update(
                (name, _coercion(field.type, known)) for name, field in kind.fields.items()
            )
        # In the order of the type, as graphql-core gives them; the first error depends on it.
        coerced = {
            name: inner(value[name], depth + 1) for name, inner in fields.items() if name in value
        }
        if len(coerced) != len(value):
            raise _OtherError
        return coerced

    return coerce


def _has_own_form(kind: GraphQLInputObjectType) -> bool:
    """Whether objects of a type are more than their given fields."""
    return kind.out_type is not GraphQLInputObjectType.out_type or any(
        is_required_input_field(field)
        or field.default is not None
        or field.default_value is not Undefined
        or field.out_name is not None
        for field in kind.fields.values()
    )


def _other() -> Any:
    raise _OtherError
