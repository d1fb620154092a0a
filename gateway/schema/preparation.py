"""What stands between a document's text and its execution: parsing, limits, validation, cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import ExperimentalIncrementalExecutionResults, get_operation_ast
from strawberry.extensions import SchemaExtension

from gateway.limits import Limits
from gateway.schema.context import Context
from gateway.schema.cost import Price, page_size, weight
from gateway.schema.documents import Document, Documents

COSTS = 100
"""How many costs are remembered of a document: it is one for each size of its pages."""


class Preparation(SchemaExtension):
    """Has each document looked at once, and each operation held to the limits.

    A request whose ``extensions`` have a true ``cost`` is told the cost in those of the answer.
    """

    def __init__(self, documents: Documents, price: Price, limits: Limits) -> None:
        super().__init__()
        self._documents = documents
        self._price = price
        self._limits = limits
        self._document: Document | None = None
        self._cost: int | None = None

    def on_parse(self) -> Iterator[None]:
        """Take the document from those that are remembered, or remember it."""
        context = self.execution_context
        self._document = self._documents.get(context.query or "")
        context.graphql_document = self._document.node
        yield

    def on_validate(self) -> Iterator[None]:
        """Take the document's mistakes from it; without any, count what the operation costs."""
        context, document = self.execution_context, self._document
        assert document is not None  # noqa: S101 - it was parsed
        context.pre_execution_errors = document.errors
        if not document.errors:
            self._cost = self._cost_of(document)
            self._limits.check("cost", self._cost)
        yield

    def on_execute(self) -> Iterator[None]:
        """Have the cost told with the first part of an answer, if it comes in parts."""
        yield
        result = self.execution_context.result
        if isinstance(result, ExperimentalIncrementalExecutionResults):
            result.initial_result.extensions = self.get_results() or None

    def _cost_of(self, document: Document) -> int:
        """Count what the operation costs, or remember it of the same with as large pages."""
        context = self.execution_context
        shared: Context | None = context.context
        sources = len(shared.gateway.sources) if shared else 1
        variables = context.variables or {}
        operation = get_operation_ast(document.node, context.operation_name)
        assert operation is not None  # noqa: S101 - Strawberry looked for it before
        # Only of those that it declares: a request may have others, as long as it likes.
        declared = [one.variable.name.value for one in operation.variable_definitions or ()]
        sizes = tuple(_size(variables[name]) if name in variables else ... for name in declared)
        key = (context.operation_name, sources, sizes)
        if key not in document.costs:
            if len(document.costs) >= COSTS:
                document.costs.clear()
            document.costs[key] = self._price.of(operation, document.fragments, variables, sources)
        return document.costs[key]

    def get_results(self) -> dict[str, Any]:
        """Tell the cost to who asked for it."""
        asked = self.execution_context.operation_extensions or {}
        if asked.get("cost") is not True or self._cost is None:
            return {}
        return {"cost": {"requested": self._cost, "maximum": self._limits.most("cost")}}


def _size(value: Any) -> tuple[str, int, int] | int | str | None:
    """Return all of a variable that a cost may depend on."""
    if isinstance(value, list | dict):
        return type(value).__name__, len(value), weight(value)
    return value if value is None or value == "" else page_size(value)
