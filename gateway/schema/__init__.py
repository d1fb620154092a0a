"""The GraphQL schema: Strawberry types over the gateway's records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import strawberry
from graphql import GraphQLError, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult

from gateway.config import LimitSettings
from gateway.errors import ErrorCode
from gateway.limits import Limits
from gateway.schema.cost import Price
from gateway.schema.documents import Documents
from gateway.schema.failures import explain
from gateway.schema.mutation import ERRORS, Mutation
from gateway.schema.names import unnamed
from gateway.schema.preparation import Preparation
from gateway.schema.scalars import SCALARS
from gateway.schema.types import Hook, Query, Source, WebhookLog

_OF_GRAPHQL = {ErrorCode.GRAPHQL_PARSE_FAILED.name, ErrorCode.GRAPHQL_VALIDATION_FAILED.name}


class Schema(strawberry.Schema):
    """The schema; what it gives of an error is fit for callers.

    Where ``open`` is false, no error names what the document does not.
    """

    open = True

    async def execute(self, query: str | None, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Execute an operation, with the parameters of Strawberry's own method."""
        result = await super().execute(query, *args, **kwargs)
        if result.errors:
            result.errors = [explain(error) for error in result.errors]
            for error in () if self.open else result.errors:
                # What the gateway itself says names nothing of the schema, but quotes vendors.
                if (error.extensions or {})["code"] in _OF_GRAPHQL:
                    error.message = unnamed(error.message, query or "")
        return result

    def process_errors(
        self, errors: Sequence[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing: it would show documents, and most errors are the callers' own."""


class _Named(SchemaExtension):
    """Wants to know which operation of several is meant; Strawberry takes the first."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        assert context.graphql_document is not None  # noqa: S101 - it was parsed
        definitions = context.graphql_document.definitions
        operations = [one for one in definitions if isinstance(one, OperationDefinitionNode)]
        if len(operations) > 1 and context._provided_operation_name is None:  # noqa: SLF001
            raise GraphQLError("The document has several operations; name one as operationName.")
        yield


def build_schema(limits: Limits | None = None, *, introspection: bool = True) -> Schema:
    """Make the schema; without ``limits`` it has the usual ones.

    Without ``introspection`` callers can't ask for the schema, nor learn of it from mistakes.
    """
    limits = limits or Limits(LimitSettings())

    def prepare() -> Preparation:
        return Preparation(documents, price, limits)

    schema = Schema(
        query=Query,
        mutation=Mutation,
        types=[WebhookLog, Hook, Source, *ERRORS],
        extensions=[_Named, prepare],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    schema.open = introspection
    core = schema._schema  # noqa: SLF001
    documents, price = Documents(core, limits, introspection=introspection), Price(core)
    return schema
