"""Calculate the maximum cost of an operation before it is executed.

A field costs 1 and a call to a vendor 10; the selection of a list costs its price times the maximum
length of the list. A list that may need a scan costs 400 more, and a deferred part of the response
5. For example, ``{ webhookLogs(first: 10) { nodes { id event } } }`` with 4 sources costs 1 for
``webhookLogs``, 40 for a call to each source, 1 for ``nodes`` and 10 times 2 for the rows: 62.

The cost is a bound, not a forecast: @skip and @include are ignored, all members of a union count,
and cached data is not known about. Strawberry has no such limit; depth alone does not bound work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    TypeMetaFieldDef,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from gateway.feed.paging import MAX_PAGE_SIZE, PAGE_SIZE
from gateway.journal import ActionKind
from gateway.schema.shape import CEILING
from gateway.stats.buckets import MAX_BUCKETS

CALL = 10
"""Cost of a call to a vendor, or of a read from the journal."""
SCAN = 40 * CALL
"""Cost of a scan for a filter, or back to a cursor: 2000 logs take 40 calls."""
OBJECT = 10
"""Cost of each object in a filter; any other value in it costs 1."""
PART = 5
"""Cost of a fragment with @defer, or of a row of a list with @stream, besides its fields."""
LIST = 10
"""Assumed length of a list of unknown size, such as the headers of a request."""
ONE_CALL = frozenset(
    {
        "Query.webhookLog",
        "Query.node",
        "Query.nodes",
        "Query._entities",
        "Query.actions",
        "Source.hooks",
        "Source.logs",
        "WebhookLogStatsGroup.count",
        "Mutation.retryWebhookLog",
        "Mutation.deleteWebhookLog",
    }
)
SCANNED_FOR = {"Query.webhookLogs": {"filter", "before"}, "Source.logs": {"filter", "before"}}
"""Arguments that may require a scan of the list."""
SCANS = frozenset({"Query.webhookLogStats", "Query.failureGroups"})
"""Fields that always require a scan."""
CALL_A_SOURCE = SCANS | {
    "Query.webhookLogs",
    "WebhookLogConnection.totalCount",
    "WebhookLogStats.count",
}
DETAIL_CALL = frozenset(
    {
        "HttpRequest.headers",
        "HttpRequest.body",
        "HttpRequest.bodyJson",
        "HttpResponse.headers",
        "HttpResponse.body",
        "HttpResponse.bodyJson",
        "WebhookLog.attempts",
    }
)
"""Fields that need a detail call per log; those of one type share it."""
LIST_OF_SOURCES = frozenset(
    {
        "Query.sources",
        "WebhookLogConnection.sourceReports",
        "WebhookLogStats.sourceReports",
        "FailureGroups.sourceReports",
    }
)
LIST_OF_BUCKETS = frozenset({"WebhookLogStats.buckets"})
GROUPS = frozenset({"WebhookLogStats.groups", "FailureGroups.groups"})
"""Lists that are as long as the argument ``first`` of the field that has them."""
LIST_OF_ACTIONS = frozenset({"WebhookLog.availableActions"})
ROWS = frozenset({"edges", "nodes"})
"""Lists of a connection that are as long as its page."""


class Cost(NamedTuple):
    """Cost of a selection set: once, and for each row of its page."""

    once: float = 0
    row: float = 0

    def plus(self, other: Cost) -> Cost:
        """Return the sum of two costs."""
        return Cost(min(CEILING, self.once + other.once), min(CEILING, self.row + other.row))


class PriceList:
    """The costs of a schema's fields."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.introspection = _introspection_lists(schema)

    def of(
        self,
        operation: OperationDefinitionNode,
        fragments: Sequence[FragmentDefinitionNode],
        variables: Mapping[str, Any],
        sources: int,
    ) -> int:
        """Return the cost of a valid operation for a caller who sees ``sources`` sources.

        ``fragments`` are those of the document, innermost first; ``variables`` are not coerced yet.
        """
        defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
        }
        calculation = _Calculation(self, {**defaults, **variables}, sources)
        for fragment in fragments:
            kind = self.schema.type_map[fragment.type_condition.name.value]
            calculation.fragments[fragment.name.value] = calculation.selected(
                fragment.selection_set, kind
            )
        root = self.schema.get_root_type(operation.operation)
        assert root is not None  # noqa: S101 - the operation is valid
        return round(calculation.selected(operation.selection_set, root).once)


class _Calculation:
    """The calculation for one operation.

    A variable that was not sent has the AST node of its default.
    """

    def __init__(self, price: PriceList, variables: Mapping[str, Any], sources: int) -> None:
        self.fragments: dict[str, Cost] = {}
        self._price = price
        self._variables = variables
        # Cached, since a variable may be large and be used any number of times.
        self._weights: dict[str, int] = {}
        self._sources = sources

    def selected(self, selection_set: SelectionSetNode, parent: GraphQLNamedType) -> Cost:
        """Return the cost of a selection set on a type."""
        total = Cost()
        detail = False
        for selection in selection_set.selections:
            if not isinstance(selection, FieldNode):
                total = total.plus(_parts(selection))
            if isinstance(selection, FragmentSpreadNode):
                total = total.plus(self.fragments[selection.name.value])
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                kind = self._price.schema.type_map[condition.name.value] if condition else parent
                total = total.plus(self.selected(selection.selection_set, kind))
            elif isinstance(selection, FieldNode):
                total = total.plus(self._field(selection, parent))
                detail = detail or f"{parent.name}.{selection.name.value}" in DETAIL_CALL
        return total.plus(Cost(CALL if detail else 0))

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> Cost:
        name = node.name.value
        key = f"{parent.name}.{name}"
        own = 1 + CALL * ((key in ONE_CALL) + self._sources * (key in CALL_A_SOURCE))
        if node.selection_set is None:
            return Cost(own + LIST * _parts(node).once)
        field = _field_of(parent, name)
        inner = self.selected(node.selection_set, get_named_type(field.type)).plus(_parts(node))
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        wanted = [self._value(given[one]) for one in SCANNED_FOR.get(key, ()) if one in given]
        if key in SCANS or not all(map(_is_blank, wanted)):
            own += max(SCAN, self._weight(given.get("filter")))
        if "first" in field.args:
            sizes = [self._size(given[end]) for end in ("first", "last") if end in given]
            return Cost(own + inner.once + max(sizes, default=PAGE_SIZE) * inner.row)
        if not is_list_type(get_nullable_type(field.type)):
            return Cost(own + inner.once)
        if key in GROUPS or (name in ROWS and parent.name.endswith("Connection")):
            return Cost(own, inner.once)
        return Cost((own + inner.once) * self._length(key, name, given))

    def _length(self, key: str, name: str, given: Mapping[str, ValueNode]) -> float:
        """Maximum length of a list that does not hold the rows of a connection."""
        if key in LIST_OF_SOURCES:
            return self._sources
        if key in LIST_OF_BUCKETS:
            return MAX_BUCKETS
        if key in LIST_OF_ACTIONS:
            return len(ActionKind)
        if key.startswith("__"):
            return self._price.introspection[name]
        # A field that takes a list as argument returns a value for each of its items.
        lists = [self._value(node) for node in given.values()]
        sizes = [
            len(one.values or ()) if isinstance(one, ListValueNode) else len(one)
            for one in lists
            if isinstance(one, ListValueNode | list)
        ]
        return max(sizes, default=LIST)

    def _size(self, node: ValueNode) -> int:
        """Maximum length of a page. An invalid size is refused later."""
        match self._value(node):
            case None | NullValueNode():
                return PAGE_SIZE
            case IntValueNode(value=digits):
                return page_size(int(digits))
            case value:
                return page_size(value)

    def _weight(self, node: ValueNode | None) -> int:
        """Cost of reading an argument, including its variables."""
        match node:
            case VariableNode(name=name):
                if name.value not in self._weights:
                    value = self._value(node)
                    found = self._weight(value) if isinstance(value, ValueNode) else weight(value)
                    self._weights[name.value] = found
                return self._weights[name.value]
            case ObjectValueNode(fields=fields):
                return OBJECT + sum(self._weight(field.value) for field in fields or ())
            case ListValueNode(values=values):
                return sum(map(self._weight, values or ()))
        return 1

    def _value(self, node: ValueNode) -> Any:
        """Return the uncoerced value of a variable, or any other node itself."""
        if isinstance(node, VariableNode):
            return self._variables.get(node.name.value)
        return node


def _is_blank(value: object) -> bool:
    """Whether an argument, as a node or a value of JSON, is null or an empty cursor."""
    match value:
        case None | "" | NullValueNode() | StringValueNode(value=""):
            return True
    return False


def _parts(node: SelectionNode) -> Cost:
    incremental = {directive.name.value for directive in node.directives or ()} & {
        "defer",
        "stream",
    }
    return Cost(PART * len(incremental))


def weight(value: object) -> int:
    """Cost of reading a JSON value as a filter."""
    total, todo = 0, [value]
    while todo:
        inner = todo.pop()
        if isinstance(inner, list):
            todo += inner
        elif isinstance(inner, dict):
            total += OBJECT
            todo += inner.values()
        else:
            total += 1
    return total


def page_size(value: object) -> int:
    """Limit a page size to its bounds; anything but a number counts as the maximum."""
    number = value if isinstance(value, int | float) else MAX_PAGE_SIZE
    return int(max(0, min(MAX_PAGE_SIZE, number)))


def _field_of(parent: GraphQLNamedType, name: str) -> GraphQLField:
    match name:
        case "__schema":
            return SchemaMetaFieldDef
        case "__type":
            return TypeMetaFieldDef
        case _:
            fields: Mapping[str, GraphQLField] = parent.fields  # type: ignore[attr-defined]
            return fields[name]


def _introspection_lists(schema: GraphQLSchema) -> dict[str, float]:
    """Return the average length of each list in the schema's introspection.

    With averages, the introspection query of GraphiQL and code generators stays within the default
    limit, while recursive ones do not.
    """
    types = list(schema.type_map.values())
    objects = [one for one in types if isinstance(one, GraphQLObjectType | GraphQLInterfaceType)]
    fields = [field for one in objects for field in one.fields.values()]
    inputs = [one for one in types if isinstance(one, GraphQLInputObjectType)]
    enums = [one for one in types if isinstance(one, GraphQLEnumType)]
    abstract = [one for one in types if isinstance(one, GraphQLInterfaceType | GraphQLUnionType)]
    totals = {
        "types": (len(types), 1),
        "directives": (len(schema.directives), 1),
        "fields": (len(fields), len(types)),
        "args": (sum(len(field.args) for field in fields), len(fields)),
        "interfaces": (sum(len(one.interfaces) for one in objects), len(types)),
        "inputFields": (sum(len(one.fields) for one in inputs), len(types)),
        "enumValues": (sum(len(one.values) for one in enums), len(types)),
        "possibleTypes": (
            sum(len(schema.get_possible_types(one)) for one in abstract),
            len(types),
        ),
    }
    return {name: number / among for name, (number, among) in totals.items()}
