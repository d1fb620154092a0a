"""The steps between a document's text and its execution: parsing, limits, validation, cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    ExperimentalIncrementalExecutionResults,
    OperationDefinitionNode,
    get_operation_ast,
)
from strawberry.extensions import SchemaExtension

from gateway.limits import Limits
from gateway.schema.context import Context
from gateway.schema.cost import PriceList, page_size, weight
from gateway.schema.documents import Document, Documents, digest
from gateway.upstream.operation import Executed


class Preparation(SchemaExtension):
    """Take each document from the cache, and check each operation against the limits.

    A request with a true ``cost`` among its ``extensions`` gets the cost in those of the response.

    Strawberry must be given a factory of this class, not an instance, which it would share between
    requests.
    """

    def __init__(self, documents: Documents, price: PriceList, limits: Limits) -> None:
        super().__init__()
        self._documents = documents
        self._price = price
        self._limits = limits
        self._document: Document | None = None
        self._cost: int | None = None

    def on_parse(self) -> Iterator[None]:
        """Set the parsed document, which keeps Strawberry from parsing it."""
        context = self.execution_context
        self._document = self._documents.get(context.query or "")
        context.graphql_document = self._document.node
        if isinstance(context.context, Context):
            operation = get_operation_ast(self._document.node, context.operation_name)
            context.context.operation.executed = executed(self._document, operation)
        yield

    def on_validate(self) -> Iterator[None]:
        """Set the validation errors, which keeps Strawberry from validating; check the cost."""
        context, document = self.execution_context, self._document
        assert document is not None  # noqa: S101 - it was parsed
        context.pre_execution_errors = document.errors
        if not document.errors:
            self._cost = self._cost_of(document)
            self._limits.check("cost", self._cost)
        yield

    def on_execute(self) -> Iterator[None]:
        """Add the extensions to an initial result, which Strawberry leaves without any."""
        yield
        result = self.execution_context.result
        if isinstance(result, ExperimentalIncrementalExecutionResults):
            result.initial_result.extensions = self.get_results() or None

    def _cost_of(self, document: Document) -> int:
        context = self.execution_context
        operation = get_operation_ast(document.node, context.operation_name)
        assert operation is not None  # noqa: S101 - Strawberry looked for it before
        return cost_of(document, operation, context.variables or {}, context.context, self._price)

    def get_results(self) -> dict[str, Any]:
        """Return the extensions of the response."""
        if self._cost is None:
            return {}
        return extensions(self.execution_context.operation_extensions, self._cost, self._limits)


def executed(document: Document, operation: OperationDefinitionNode | None) -> Executed | None:
    """Return what events say of an operation; None if there is none."""
    if operation is None:
        return None
    own = operation.name.value if operation.name else None
    return Executed(own, operation.operation.value, digest(document.text))


def cost_of(
    document: Document,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    context: Context | None,
    price: PriceList,
) -> int:
    """Return the cost of a document's operation, cached by the variables that it depends on."""
    sources = len(context.gateway.sources) if context else 1
    # Declared ones only: a request may send any number of others, which would fill the cache.
    declared = [one.variable.name.value for one in operation.variable_definitions or ()]
    sizes = tuple(_size(variables[name]) if name in variables else ... for name in declared)
    key = (operation.name and operation.name.value, sources, sizes)
    if (cost := document.costs.get(key)) is None:
        cost = price.of(operation, document.fragments, variables, sources)
        document.costs[key] = cost
    return cost


def extensions(requested: Mapping[str, Any] | None, cost: int, limits: Limits) -> dict[str, Any]:
    """Return the cost as an extension of the response, if those of the request ask for it."""
    if (requested or {}).get("cost") is not True:
        return {}
    return {"cost": {"requested": cost, "maximum": limits.maximum("cost")}}


def _size(value: Any) -> tuple[str, int, int] | int | str | None:
    """Return the part of a variable that a cost may depend on."""
    if isinstance(value, list | dict):
        return type(value).__name__, len(value), weight(value)
    return value if value is None or value == "" else page_size(value)
