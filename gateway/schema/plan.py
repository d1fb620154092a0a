"""Execute common queries without graphql-core: plan them once, then write their results as JSON.

A *plan* is a query of ``webhookLogs`` and ``__typename`` with all that it selects, compiled once
for each document and operation, and kept with the cached document. @skip and @include with
variables are resolved at that time: there is a plan for each combination of their values.

Invariants:

- graphql-core stays the reference. A plan writes the bytes of the same result, or nothing:
  it never writes an error. Whatever can't be written is left to graphql-core.
- It runs only for documents that have been validated, and for operations that exceed no limit, so
  that there is nothing to count. A document is executed by graphql-core when it is first seen.
- No vendor is asked twice. Pages that were read before a surprise, and failures to read them, are
  handed to graphql-core in the context (``Context.read_ahead``).
- Nothing of one caller is kept in a plan; ``gateway.schema.rows`` says what is kept of records.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cachetools import LRUCache
from graphql import (
    DirectiveNode,
    GraphQLObjectType,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_named_type,
    get_operation_ast,
    visit,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails

from gateway.schema import resolvers
from gateway.schema.inputs import Arguments, Variables
from gateway.schema.preparation import cost_of, executed, extensions
from gateway.schema.rows import Output, Rows
from gateway.schema.selection import (
    Compiler,
    DeclinedError,
    Field,
    Info,
    SurpriseError,
    Write,
    encode,
)

if TYPE_CHECKING:
    from graphql import GraphQLSchema
    from graphql.execution.values import VariableValues

    from gateway.feed.page import Page
    from gateway.limits import Limits
    from gateway.schema.context import Context
    from gateway.schema.cost import PriceList
    from gateway.schema.documents import Document, Documents

MAX_PLANS = 8
"""Plans of an operation, one for each combination of values of @skip and @include."""
UNDERSTOOD = {"skip", "include"}


class Plans:
    """Writes the results of the queries that it has a plan for."""

    def __init__(
        self, schema: GraphQLSchema, documents: Documents, price: PriceList, limits: Limits
    ) -> None:
        self._schema = schema
        self._documents = documents
        self._price = price
        self._limits = limits

    async def write(
        self,
        text: str,
        variables: Mapping[str, Any],
        operation_name: str | None,
        asked: Mapping[str, Any] | None,
        context: Context,
    ) -> bytes | None:
        """Return the JSON of a result without errors; None if graphql-core has to execute it.

        ``asked`` are the extensions of the request.
        """
        if (outline := self._outline_of(text, operation_name)) is None:
            return None
        context.operation.executed = outline.executed
        cost = cost_of(outline.document, outline.operation, variables, context, self._price)
        if not self._limits.allows("cost", cost):
            return None
        coerced = outline.variables.coerce(variables)
        if coerced is None or (plan := outline.plan(coerced)) is None:
            return None
        found = extensions(asked, cost, self._limits)
        end = b',"extensions":%b}' % encode(found) if found else b"}"
        most = self._limits.maximum("answer")
        if most is not None:
            most -= len(end)
        if (parts := await plan.write(context, coerced, most)) is None:
            return None
        parts.append(end)
        return b"".join(parts)

    def _outline_of(self, text: str, operation_name: str | None) -> _Outline | None:
        document = self._documents.cached(text)
        if document is None:
            return None
        if operation_name not in document.plans:
            if (operation := get_operation_ast(document.node, operation_name)) is None:
                return None
            document.plans[operation_name] = self._outline(document, operation)
        outline: _Outline | None = document.plans[operation_name]
        return outline

    def _outline(self, document: Document, operation: OperationDefinitionNode) -> _Outline | None:
        if operation.operation is not OperationType.QUERY:
            return None
        if not self._documents.is_within_limits(document):
            return None
        directives = _Directives()
        visit(document.node, directives)
        if not directives.names <= UNDERSTOOD:
            return None
        return _Outline(self._schema, document, operation, tuple(directives.variables))


class _Directives(Visitor):
    """The directives of a document, and the variables that they depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.variables: dict[str, None] = {}

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        self.names.add(node.name.value)
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.variables[argument.value.name.value] = None


class _Outline:
    """A query of a document with its plans, by the values of the variables in its directives."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: Document,
        operation: OperationDefinitionNode,
        booleans: tuple[str, ...],
    ) -> None:
        self.document = document
        self.operation = operation
        definitions = operation.variable_definitions or ()
        declared = {one.variable.name.value for one in definitions}
        self.variables = Variables(schema, definitions)
        self.executed = executed(document, operation)
        self._schema = schema
        # Other operations of the document may have the others.
        self._booleans = [name for name in booleans if name in declared]
        self._fragments = {one.name.value: FragmentDetails(one) for one in document.fragments}
        self._plans: MutableMapping[tuple[bool, ...], Plan | None] = LRUCache(MAX_PLANS)

    def plan(self, variables: VariableValues) -> Plan | None:
        """Return the plan for the values of the variables; None if it can't be planned."""
        values: tuple[Any, ...] = tuple(map(variables.coerced.get, self._booleans))
        if not all(type(value) is bool for value in values):
            return None
        if values not in self._plans:
            compiler = Compiler(self._schema, self.operation, self._fragments, variables)
            try:
                self._plans[values] = Plan(compiler)
            except Exception:  # noqa: BLE001 - graphql-core executes what can't be planned
                self._plans[values] = None
        return self._plans[values]


class _List(NamedTuple):
    """A selected field ``webhookLogs``."""

    name: str
    arguments: Arguments
    write: Callable[[Page, Output], None]


class Plan:
    """A compiled query."""

    def __init__(self, compiler: Compiler) -> None:
        query = compiler.schema.query_type
        assert query is not None  # noqa: S101 - there is one
        definition = query.fields["webhookLogs"]
        self._members: list[tuple[bytes, bytes | _List]] = []
        for name, details in compiler.root_fields(query).items():
            match details[0].node.name.value:
                case "__typename":
                    member: bytes | _List = encode(query.name)
                case "webhookLogs":
                    kind: Any = get_named_type(definition.type)
                    write = _connection(compiler, kind, details)
                    member = _List(name, Arguments(definition, details[0].node), write)
                case _:
                    raise DeclinedError
            self._members.append((encode(name) + b":", member))
        self._is_lasting = compiler.is_lasting
        self._is_shareable = compiler.is_shareable
        self._lists = [member for _, member in self._members if isinstance(member, _List)]

    async def write(
        self, context: Context, variables: VariableValues, most: int | None
    ) -> list[bytes] | None:
        """Return the parts of the JSON, without the last brace; None if there is a surprise.

        One is that there are more than ``most`` bytes.
        """
        try:
            calls = [each.arguments.of_logs(variables) for each in self._lists]
        except Exception:  # noqa: BLE001 - as above
            return None
        pages = await self._read(context, calls)
        if pages is None:
            return None
        if not self._is_lasting:
            context.operation.result.is_lasting = False
        context.operation.result.is_shareable = self._is_shareable
        output = Output(Info(context), most)
        try:
            self._write(pages, output)
            await _complete(output)
            output.check()
        except Exception:  # noqa: BLE001 - as above
            for each, page in zip(self._lists, pages, strict=True):
                context.read_ahead[each.name] = _done(page)
            output.later.clear()
            return None
        return output.parts

    async def _read(
        self, context: Context, calls: Sequence[Mapping[str, Any]]
    ) -> Sequence[Page] | None:
        """Read the pages of all lists at once; None if one can't be read."""
        gateway, operation = context.gateway, context.operation
        if len(calls) == 1:
            # Without a task, which would cost as much as a page from the cache.
            try:
                return [await gateway.logs(operation, **calls[0])]
            except Exception as error:  # noqa: BLE001 - as above
                context.read_ahead[self._lists[0].name] = _done(error)
                return None
        reads = [asyncio.ensure_future(gateway.logs(operation, **call)) for call in calls]
        for each, read in zip(self._lists, reads, strict=True):
            read.add_done_callback(_retrieve)
            # Those in flight are awaited or cancelled by graphql-core, or else by the context.
            context.read_ahead[each.name] = read
        if reads:
            await asyncio.wait(reads, return_when=asyncio.FIRST_EXCEPTION)
        if all(read.done() and not read.exception() for read in reads):
            return [read.result() for read in reads]
        return None

    def _write(self, pages: Sequence[Page], output: Output) -> None:
        parts, unread = output.parts, iter(pages)
        parts.append(b'{"data":{')
        for index, (key, member) in enumerate(self._members):
            parts += (b"," * bool(index), key)
            if isinstance(member, bytes):
                parts.append(member)
            else:
                member.write(next(unread), output)
        parts.append(b"}")


def _done(result: Page | Exception) -> asyncio.Future[Page]:
    future: asyncio.Future[Page] = asyncio.get_running_loop().create_future()
    future.add_done_callback(_retrieve)
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


def _retrieve(read: asyncio.Future[Page]) -> None:
    """Mark a failure as retrieved: asyncio would log it if graphql-core stops before."""
    if not read.cancelled():
        read.exception()


async def _complete(output: Output) -> None:
    """Fill in the parts that have to be awaited."""
    # Its functions refer to the output: without this, only the collector would free them.
    later, output.later = output.later, {}
    writes = [write for write, _ in later.values()]
    results: Sequence[bytes | BaseException]
    if len(writes) < 2:
        results = [await write() for write in writes]
    else:
        results = await asyncio.gather(*(write() for write in writes), return_exceptions=True)
    for result, (_, indices) in zip(results, later.values(), strict=True):
        if isinstance(result, BaseException):
            raise SurpriseError
        output.reserve(len(result) * (len(indices) - 1))
        for index in indices:
            output.parts[index] = result


_Member = Callable[["Page", Output], None]


def _connection(
    compiler: Compiler, kind: GraphQLObjectType, details: list[FieldDetails]
) -> _Member:
    """Compile what is selected below a list."""
    members = [(field.key, _member(compiler, field)) for field in compiler.fields(kind, details)]

    def write(page: Page, output: Output) -> None:
        begin = b"{"
        for key, member in members:
            output.parts += (begin, key)
            member(page, output)
            begin = b","
        output.parts.append(b"}" if members else b"{}")

    return write


def _member(compiler: Compiler, field: Field) -> _Member:
    if field.resolver in {resolvers.edges, resolvers.nodes_of_page}:
        kind: Any = get_named_type(field.type)
        rows = Rows(compiler, kind, field.details)
        return lambda page, output: rows.write(page.slice.entries, output)
    if field.resolver is resolvers.total_count:
        return _total(field, compiler.value(field.type, field.details))
    write = compiler.field(field)
    return lambda page, output: output.parts.append(write(page, output.info))


def _total(field: Field, complete: Write) -> _Member:
    async def count(page: Page, info: Info) -> bytes:
        return complete(await field.resolve(page, info), info)

    return lambda page, output: output.put_later(
        object(), functools.partial(count, page, output.info)
    )
