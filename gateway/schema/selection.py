"""Compile a selection of plain values into functions that write JSON.

Invariants:

- A function either writes the bytes that encoding graphql-core's result would give, or raises. It
  never writes an error or a null that takes the place of one: whatever it raises means that
  graphql-core has to execute the operation.
- Resolvers, ``is_type_of`` and ``coerce_output_value`` are those of the schema, and fields are
  collected by graphql-core itself, so that aliases, fragments and merged fields can't differ.
- Nothing is awaited, except by a ``WriteLater``, for which its user has to ask. Other fields with
  an asynchronous resolver, and fields with arguments, can't be compiled.
- A value of more than ``MAX_BYTES`` is not written: aliases could repeat it any number of times.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from graphql import (
    GraphQLAbstractType,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeNameMetaFieldDef,
    Undefined,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import (
    FieldDetails,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from gateway.schema import resolvers, source_resolvers

if TYPE_CHECKING:
    from graphql.execution.values import VariableValues

    from gateway.schema.context import Context

MAX_BYTES = 2**20
"""Bytes of one value or object at most."""
NULL = b"null"

LASTING = {
    resolvers.cursor_of_entry,
    resolvers.log_of_entry,
    resolvers.page_info,
    resolvers.raw_of_log,
    resolvers.request_of_log,
    resolvers.response_of_log,
    resolvers.source_reports,
    source_resolvers.capabilities,
    source_resolvers.error_of_report,
    source_resolvers.id_of_source,
    source_resolvers.outcome,
    source_resolvers.source_of,
    source_resolvers.unreadable,
    source_resolvers.unreadable_reasons,
}
"""Resolvers whose results do not depend on the time, nor on what happens elsewhere. In a page's
info, an older start cursor is as good: it only looks further back for logs that came late."""

encode = msgspec.json.Encoder().encode


class Info:
    """What resolvers without arguments read of Strawberry's ``Info``."""

    __slots__ = ("context",)

    def __init__(self, context: Context) -> None:
        self.context = context


Resolve = Callable[[Any, Info], Any]
Write = Callable[[Any, Info], bytes]
"""Returns the JSON of a resolved value, or raises."""
WriteLater = Callable[[Any, Info], Awaitable[bytes]]
"""Resolves a field of a value, and returns its JSON, or raises."""


class SurpriseError(Exception):
    """The value is not one that can be written; graphql-core has to execute the operation."""


class DeclinedError(Exception):
    """The selection can't be compiled."""


class Field(NamedTuple):
    """A selected field. ``resolver`` is the function behind it; None if it reads an attribute."""

    name: str
    key: bytes
    type: GraphQLOutputType
    details: list[FieldDetails]
    resolve: Resolve
    resolver: Callable[..., Any] | None
    is_async: bool


class Compiler:
    """Compiles the selections of one operation.

    Of ``variables`` only the booleans that @skip and @include read are used.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: VariableValues,
    ) -> None:
        self.schema = schema
        self._operation = operation
        self._fragments = fragments
        self._variables = variables
        self.is_lasting = True
        """Whether all fields so far are functions of the records, the arguments and the caller."""
        self.is_shareable = True
        """Whether no field so far tells of the calls that were made for the operation."""

    def root_fields(self, kind: GraphQLObjectType) -> GroupedFieldSet:
        """Return the root fields by response key."""
        return collect_fields(
            self.schema, self._fragments, self._variables, kind, self._operation
        ).grouped_field_set

    def fields(self, kind: GraphQLObjectType, details: list[FieldDetails]) -> list[Field]:
        """Return the fields that are selected below others, merged and in order."""
        collected = collect_subfields(
            self.schema, self._fragments, self._variables, self._operation, kind, details
        )
        return [_field(kind, key, each) for key, each in collected.grouped_field_set.items()]

    def field(self, field: Field) -> Write:
        """Compile a field of an object, which the function takes."""
        if field.is_async:
            raise DeclinedError
        self.is_lasting = self.is_lasting and (field.resolver is None or field.resolver in LASTING)
        self.is_shareable = self.is_shareable and field.resolver is not resolvers.source_reports
        resolve, complete = field.resolve, self.value(field.type, field.details)
        return lambda parent, info: complete(resolve(parent, info), info)

    def later(self, field: Field) -> WriteLater:
        """Compile a field whose resolver may be asynchronous."""
        complete = self.value(field.type, field.details)

        async def write(parent: Any, info: Info) -> bytes:
            value = field.resolve(parent, info)
            return complete(await value if inspect.isawaitable(value) else value, info)

        return write

    def object_later(self, field: Field) -> WriteLater:
        """Compile a field that gives an object, attributes of which may have to be awaited."""
        kind: Any = get_named_type(field.type)
        fields = self.fields(kind, field.details)
        members = [(b"," + each.key, self.later(each)) for each in fields]

        async def write(parent: Any, info: Info) -> bytes:
            value = field.resolve(parent, info)
            return joined([(key, await member(value, info)) for key, member in members], b"{}")

        return write

    def value(self, kind: GraphQLOutputType, details: list[FieldDetails]) -> Write:
        """Compile the completion of a value."""
        is_required = is_non_null_type(kind)
        if is_non_null_type(kind):
            kind = kind.of_type
        write = self._present(kind, details)

        def complete(value: Any, info: Info) -> bytes:
            if value is None or value is Undefined:
                if is_required:
                    raise SurpriseError
                return NULL
            if isinstance(value, Exception):
                raise SurpriseError
            if inspect.isawaitable(value):
                if inspect.iscoroutine(value):
                    value.close()
                raise SurpriseError
            return write(value, info)

        return complete

    def _present(self, kind: Any, details: list[FieldDetails]) -> Write:
        if is_leaf_type(kind):
            return _leaf(kind)
        if is_list_type(kind):
            return self._list(self.value(kind.of_type, details))
        if is_object_type(kind):
            return self.object(kind, details)
        if is_abstract_type(kind):
            return self._abstract(kind, details)
        raise DeclinedError

    @staticmethod
    def _list(item: Write) -> Write:
        def write(value: Any, info: Info) -> bytes:
            if type(value) not in (list, tuple):
                raise SurpriseError
            return joined(((b",", item(each, info)) for each in value), b"[]")

        return write

    def object(self, kind: GraphQLObjectType, details: list[FieldDetails]) -> Write:
        """Compile an object, whose type is known."""
        fields = self.fields(kind, details)
        members = [(b"," + each.key, self.field(each)) for each in fields]
        is_type_of: Any = kind.is_type_of

        def write(value: Any, info: Info) -> bytes:
            if is_type_of and not is_type_of(value, info):
                raise SurpriseError
            return joined(((key, member(value, info)) for key, member in members), b"{}")

        return write

    def _abstract(self, kind: GraphQLAbstractType, details: list[FieldDetails]) -> Write:
        possible = self.schema.get_possible_types(kind)
        if not all(one.is_type_of for one in possible):
            raise DeclinedError
        known: Any = [(one.is_type_of, self.object(one, details)) for one in possible]

        def write(value: Any, info: Info) -> bytes:
            for is_type_of, write_object in known:
                if is_type_of(value, info):
                    written: bytes = write_object(value, info)
                    return written
            raise SurpriseError

        return write


def joined(members: Iterable[tuple[bytes, bytes]], brackets: bytes) -> bytes:
    """Join the members of a list or object, of which each is written if there is room for it.

    Each comes with what is written before it, which begins with a comma. A value is copied once
    for each level that it is on, so that bodies are not copied more often than need be.
    """
    taken, size = [brackets[:1]], 0
    for member in members:
        size += len(member[0]) + len(member[1])
        if size > MAX_BYTES:
            raise SurpriseError
        taken += member
    if size:
        taken[1] = taken[1][1:]
    taken.append(brackets[1:])
    return b"".join(taken)


def _leaf(kind: GraphQLLeafType) -> Write:
    coerce = kind.coerce_output_value

    def write(value: Any, _: Info) -> bytes:
        coerced = coerce(value)
        if coerced is None or coerced is Undefined:
            raise SurpriseError
        return encode(coerced)

    return write


def _field(kind: GraphQLObjectType, key: str, details: list[FieldDetails]) -> Field:
    name = details[0].node.name.value
    written = encode(key) + b":"
    if name == "__typename":
        return _typename(kind, written, details)
    definition = kind.fields.get(name)
    if definition is None or definition.args:
        raise DeclinedError
    declared = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(declared, StrawberryField) or declared.extensions:
        raise DeclinedError
    return Field(
        name,
        written,
        definition.type,
        details,
        _resolve(declared),
        _function(declared),
        declared.is_async,
    )


def _typename(kind: GraphQLObjectType, key: bytes, details: list[FieldDetails]) -> Field:
    own = kind.name
    type_name = TypeNameMetaFieldDef.type
    return Field("__typename", key, type_name, details, lambda _, __: own, None, is_async=False)


def _function(field: StrawberryField) -> Callable[..., Any] | None:
    function: Any = field.base_resolver and field.base_resolver.wrapped_func
    return function if callable(function) else None


def _resolve(field: StrawberryField) -> Resolve:
    """Return the resolver of a field without arguments, as Strawberry calls it."""
    resolver = field.base_resolver
    if resolver is None:
        read, attribute = field.default_resolver, field.python_name
        return lambda parent, _: read(parent, attribute)
    if resolver.self_parameter or resolver.root_parameter or resolver.arguments:
        raise DeclinedError
    function: Any = _function(field)
    parent_name = resolver.parent_parameter and resolver.parent_parameter.name
    info_name = resolver.info_parameter and resolver.info_parameter.name

    def resolve(parent: Any, info: Info) -> Any:
        given: dict[str, Any] = {}
        if parent_name:
            given[parent_name] = parent
        if info_name:
            given[info_name] = info
        return function(**given)

    return resolve
