"""Operations that hypothesis-graphql generates from the schema, and checks of their results."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import httpx
from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    NameNode,
    NullValueNode,
    ObjectFieldNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    build_schema,
    is_abstract_type,
    is_composite_type,
    is_enum_type,
    is_list_type,
    is_non_null_type,
    is_scalar_type,
    parse_type,
    print_ast,
    print_schema,
    value_from_ast_untyped,
    visit,
)
from hypothesis import strategies as st
from hypothesis_graphql import Mode, from_schema
from hypothesis_graphql.nodes import Int, List, Null, Object, String

from gateway.errors import ErrorCode
from gateway.normalise import timestamps

GRAPHQL = "application/graphql-response+json"
WITHOUT = (
    {"after", "last", "before"},
    {"filter", "last", "before"},
    {"filter", "last", "first", "after"},
    {"filter", "first", "after"},
    set[str](),
)
"""Sets of arguments, one of which is left out, since few combinations of all are valid."""
JOINTS = ("and", "or", "not")
EVERYTHING = """{
  webhookLogs(first: 100) {
    edges { cursor }
    nodes { id upstreamId event url: request { url } correlationId source { name } }
  }
  sources { id name hooks { edges { cursor } nodes { id } } }
}"""
HOSTILE = (
    "", " ", "\x00", "null", "0", "-1", "%", "*", "../../etc/passwd", "';--", "{{7*7}}", "[",
    "source:", "source:nowhere", "hook:x", "log:", "P99999999999Y", "9999-12-31T23:59:59.9Z",
    "0000-00-00T00:00:00Z", "PT", "A" * 5_000, "\u202e", "\U0001f600", "=", "AAAA", "bG9nOng6eQ==",
)  # fmt: skip
MOMENTS = ("2026-03-04T09:10:11Z", "2026-03-04T09:10:11.123456789+05:30", "PT1H", "P2W", "P1DT12H")
PYTHON = re.compile(
    r"Traceback|NoneType|\bdict\b|object at 0x|<class|\.py\b|site-packages|gateway\.\w|strawberry|"
    + "|".join(name for name in dir(builtins) if name.endswith(("Error", "Exception")))
)
"""Signs of Python internals, which no message may contain."""


class Asked(NamedTuple):
    """An operation with its variables."""

    query: str
    variables: dict[str, Any]
    document: DocumentNode


def found(data: Any, *keys: str) -> list[str]:
    """Return the distinct texts in a result under any of the keys."""
    texts: dict[str, None] = {}
    todo = [data]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo += value
        elif isinstance(value, dict):
            todo += value.values()
            texts |= dict.fromkeys(value[key] for key in keys if isinstance(value.get(key), str))
    return list(texts)


def root_fields(schema: GraphQLSchema) -> list[str]:
    """Return the names of the root fields."""
    kinds = [schema.query_type, schema.mutation_type]
    return [name for kind in kinds if kind for name in kind.fields]


def flat(schema: GraphQLSchema) -> GraphQLSchema:
    """Return the schema without nested filters, whose generation would rarely end."""
    made = build_schema(print_schema(schema))
    filter = made.type_map["WebhookLogFilter"]
    assert isinstance(filter, GraphQLInputObjectType)
    for joint in JOINTS:
        del filter.fields[joint]
    return made


def operations(
    schema: GraphQLSchema, data: Mapping[str, Any], mode: Mode = Mode.POSITIVE
) -> st.SearchStrategy[Asked]:
    """Generate queries and mutations, mostly about objects in the result of EVERYTHING."""
    known = {key: found(data, key) for key in ("id", "cursor", "name", "upstreamId")}
    texts = [*known["name"], *found(data, "event", "url", "correlationId")]
    tags = [f"source:{name}" for name in known["name"]]
    tags += [f"log:{id}" for id in known["id"]] + [f"hook:{id}" for id in known["id"]]

    def mostly(*lists: Iterable[str]) -> st.SearchStrategy[str]:
        some = st.one_of(*(st.sampled_from(list(one)) for one in lists))
        spoilt = st.tuples(some, st.integers(0, 80), st.characters()).map(
            lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] + 1 :]
        )
        others = [spoilt, st.sampled_from(HOSTILE), st.text()]
        return st.sampled_from([some] * 7 + others).flatmap(lambda chosen: chosen)

    ids, cursors = mostly(known["id"]), mostly(known["cursor"])
    keys = st.one_of(
        st.fixed_dictionaries({"id": ids}),
        st.fixed_dictionaries({"name": mostly(known["name"])}),
        st.fixed_dictionaries(
            {
                "source": st.fixed_dictionaries({"name": mostly(known["name"])}),
                "upstreamId": mostly(known["upstreamId"]),
            }
        ),
        st.dictionaries(st.from_regex(r"[_a-z]{1,9}", fullmatch=True), st.text() | st.none()),
    )
    representations = st.builds(
        lambda name, key: {"__typename": name, **key},
        st.sampled_from(["WebhookLog", "Hook", "Source", "Query", "", "WebhookLog"]),
        keys,
    )
    scalars = {
        "Int": (st.integers(0, 5) | st.integers(0, 5) | st.integers(-(2**31), 2**31 - 1)).map(Int),
        "ID": ids.map(String),
        "String": mostly(texts, known["cursor"], tags).map(String),
        "Moment": mostly(MOMENTS).map(String),
        "_Any": (representations | representations | st.integers() | st.text()).map(_literal),
    }

    roots = root_fields(schema)
    joints = st.lists(st.sampled_from(JOINTS), max_size=3)
    made_from = flat(schema)

    @st.composite
    def operation(draw: st.DrawFn) -> Asked:
        # A single root field, as some would hardly ever be chosen among others; or several.
        field = draw(st.sampled_from([*roots, None])) if mode is Mode.POSITIVE else None
        document: DocumentNode = draw(
            from_schema(
                made_from,
                fields=field and [field],
                custom_scalars=scalars,
                print_ast=lambda document: document,
                mode=mode,
            )
        )
        if mode is Mode.NEGATIVE:
            return Asked(print_ast(document), {}, document)
        document = visit(
            document,
            _Arguments(draw(st.sampled_from(WITHOUT)), lambda: draw(cursors), lambda: draw(joints)),
        )
        info = TypeInfo(schema)
        document = visit(document, TypeInfoVisitor(info, _Names(info)))
        variables = _Variables(info)
        if draw(st.booleans()):
            document = visit(document, TypeInfoVisitor(info, variables))
        return Asked(print_ast(document), variables.values, document)

    return operation()


def _literal(value: Any) -> ValueNode:
    match value:
        case dict():
            return Object(
                [
                    ObjectFieldNode(name=NameNode(value=name), value=_literal(inner))
                    for name, inner in value.items()
                ]
            )
        case str():
            return String(value)
        case int():
            return Int(value)
    return Null


class _Arguments(Visitor):
    """Leaves out arguments, inserts cursors, and nests filters."""

    def __init__(
        self, without: Collection[str], cursor: Callable[[], str], joints: Callable[[], list[str]]
    ) -> None:
        super().__init__()
        self._without = without
        self._cursor = cursor
        self._joints = joints

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode:
        kept = [one for one in node.arguments or () if one.name.value not in self._without]
        return replace(node, arguments=tuple(kept))

    def leave_argument(self, node: ArgumentNode, *_: Any) -> ArgumentNode | None:
        if node.name.value in {"after", "before"} and not isinstance(node.value, NullValueNode):
            return replace(node, value=String(self._cursor()))
        return node

    def leave_field(self, node: FieldNode, *_: Any) -> FieldNode:
        if node.name.value not in {"webhookLogs", "logs"}:
            return node
        arguments = [
            replace(one, value=self._joined(one.value)) if one.name.value == "filter" else one
            for one in node.arguments or ()
        ]
        return replace(node, arguments=tuple(arguments))

    def _joined(self, value: ValueNode) -> ValueNode:
        for joint in self._joints():
            inner = value if joint == "not" else List([value] if value is not Null else [])
            value = Object([ObjectFieldNode(name=NameNode(value=joint), value=inner)])
        return value


class _Names(Visitor):
    """Adds ``__typename`` to selections of abstract types."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info

    def enter_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode | None:
        if not is_abstract_type(self._info.get_parent_type()):
            return None
        name = FieldNode(name=NameNode(value="__typename"))
        return replace(node, selections=(name, *node.selections))


class _Variables(Visitor):
    """Replaces all arguments by variables."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self._info = info
        self._definitions: list[VariableDefinitionNode] = []

    def enter_argument(self, node: ArgumentNode, *_: Any) -> ArgumentNode:
        variable = VariableNode(name=NameNode(value=f"v{len(self.values)}"))
        self.values[variable.name.value] = value_from_ast_untyped(node.value)
        kind = parse_type(str(self._info.get_input_type()))
        self._definitions.append(VariableDefinitionNode(variable=variable, type=kind))
        return replace(node, value=variable)

    def leave_operation_definition(
        self, node: OperationDefinitionNode, *_: Any
    ) -> OperationDefinitionNode:
        return replace(node, variable_definitions=tuple(self._definitions))


# Results


def check(schema: GraphQLSchema, asked: Asked, response: httpx.Response) -> dict[str, Any]:
    """Check that GraphQL allows a response to an operation, and return its body."""
    assert response.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    answer: dict[str, Any] = response.json()
    assert answer.keys() <= {"data", "errors", "extensions"}
    assert response.status_code == (200 if "data" in answer else 400), response.text
    assert answer.get("errors") or ("data" in answer and "errors" not in answer)
    for error in answer.get("errors", ()):
        _check_error(error, answer)
    if "data" in answer:
        operation = asked.document.definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        root = schema.get_root_type(operation.operation)
        assert root is not None
        _check_value(schema, root, [operation], answer["data"])
    return answer


def _check_error(error: dict[str, Any], answer: dict[str, Any]) -> None:
    assert error.keys() <= {"message", "locations", "path", "extensions"}
    code = ErrorCode[error["extensions"]["code"]]
    assert code is not ErrorCode.INTERNAL_ERROR, error
    assert error["message"], error
    assert not PYTHON.search(error["message"]), error
    if "data" not in answer:
        assert "path" not in error, error
        return
    # The failed field is null, or a field that contains it.
    place = answer["data"]
    for step in error["path"]:
        if place is None:
            break
        place = place[step]
    assert place is None, error


def _check_value(
    schema: GraphQLSchema, kind: GraphQLOutputType, nodes: Sequence[Any], value: Any
) -> None:
    """Check that a value has the selected fields and the right types."""
    if is_non_null_type(kind):
        assert value is not None, kind
        kind = kind.of_type
    if value is None:
        return
    if is_list_type(kind):
        for item in value:
            _check_value(schema, kind.of_type, nodes, item)
    elif is_enum_type(kind):
        assert value in kind.values
        assert value != ErrorCode.INTERNAL_ERROR.name
    elif is_scalar_type(kind):
        assert SCALARS[kind.name](value), (kind, value)
    else:
        assert is_composite_type(kind)
        found = schema.type_map[value["__typename"] if is_abstract_type(kind) else kind.name]
        assert isinstance(found, GraphQLObjectType)
        assert found is kind or (is_abstract_type(kind) and schema.is_sub_type(kind, found))
        fields: dict[str, list[FieldNode]] = {}
        for node in nodes:
            _select(schema, found, node, fields)
        assert list(value) == list(fields)
        for key, fieldnodes in fields.items():
            field = schema.get_field(found, fieldnodes[0].name.value)
            assert field is not None
            _check_value(schema, field.type, fieldnodes, value[key])


def _select(
    schema: GraphQLSchema,
    kind: GraphQLObjectType,
    node: Any,
    fields: dict[str, list[FieldNode]],
) -> None:
    """Collect the fields that a node selects of a type, by their names in the response."""
    for selected in node.selection_set.selections:
        if isinstance(selected, FieldNode):
            fields.setdefault((selected.alias or selected.name).value, []).append(selected)
        else:
            on = schema.type_map[selected.type_condition.name.value]
            if on is kind or (is_abstract_type(on) and schema.is_sub_type(on, kind)):
                _select(schema, kind, selected, fields)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


SCALARS: dict[str, Callable[[Any], bool]] = {
    "Int": lambda value: type(value) is int and -(2**31) <= value < 2**31,
    "Float": lambda value: type(value) in {int, float},
    "Boolean": lambda value: type(value) is bool,
    "String": _is_text,
    "ID": _is_text,
    "DateTime": lambda value: value.endswith("Z") and timestamps.parse(value) > 0,
    "JSON": lambda _: True,
}
