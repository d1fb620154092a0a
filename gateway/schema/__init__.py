"""The GraphQL schema: Strawberry types over the gateway's records."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from graphql import (
    ExperimentalIncrementalExecutionResults,
    GraphQLDeferDirective,
    GraphQLError,
    GraphQLStreamDirective,
    OperationDefinitionNode,
    is_specified_directive,
    print_directive,
    print_type,
)
from strawberry import federation
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult

from gateway.config import LimitSettings
from gateway.errors import ErrorCode
from gateway.limits import Limits
from gateway.schema.context import Context
from gateway.schema.cost import PriceList
from gateway.schema.documents import Documents
from gateway.schema.failures import explain
from gateway.schema.incremental import Executor, initial_result
from gateway.schema.mutation import ERRORS, Mutation
from gateway.schema.names import names_of, without_names
from gateway.schema.plan import Plans
from gateway.schema.preparation import Preparation
from gateway.schema.scalars import SCALARS
from gateway.schema.subgraph import FEDERATION_SCALARS, VERSION, SubgraphQuery
from gateway.schema.types import Hook, Source, WebhookLog

INCREMENTAL = (GraphQLDeferDirective, GraphQLStreamDirective)
_BY_GRAPHQL_CORE = {
    ErrorCode.GRAPHQL_PARSE_FAILED.name,
    ErrorCode.GRAPHQL_VALIDATION_FAILED.name,
}


class Schema(federation.Schema):
    """The executable schema; its errors are fit for callers.

    If ``open`` is false, callers can't query the schema, and error messages contain no names from
    it except those in the document.
    """

    open = True
    documents: Documents
    plans: Plans | None

    def as_str(self) -> str:
        """Print the schema as a complete document.

        Strawberry omits the definitions of federation's directives, without which only composers
        can read it. The directives of incremental delivery are left out: composers define them
        themselves and refuse a second definition.
        """
        text = super().as_str()
        for one in INCREMENTAL:
            text = text.replace(f"{print_directive(one)}\n\n", "")
        directives = [
            one
            for one in self._schema.directives
            if not is_specified_directive(one) and one not in INCREMENTAL
        ]
        purpose = print_type(self._schema.type_map["link__Purpose"])
        return "\n\n".join([text, *map(print_directive, directives), purpose])

    @functools.cached_property
    def sdl(self) -> str | None:
        """The schema as the document of a subgraph; None if callers may not see it."""
        return self.as_str() if self.open else None

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Names that no error message may contain if callers may not see the schema."""
        return names_of(self._schema)

    async def write(
        self,
        text: str | None,
        *,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        extensions: dict[str, Any] | None,
        context: Context,
    ) -> bytes | None:
        """Execute a query and return its response as JSON; it has no errors.

        None if that is not possible. Then the operation has to be executed by ``execute`` with the
        same context, which has what was already read.
        """
        if self.plans is None or not text:
            return None
        return await self.plans.write(text, variables or {}, operation_name, extensions, context)

    async def execute(self, query: str | None, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Execute an operation; takes the parameters of Strawberry's method.

        Returns an InitialResult if the response comes in parts.
        """
        explained = functools.partial(self._explained, query or "", kwargs.get("context_value"))
        result = await super().execute(query, *args, **kwargs)
        if isinstance(result, ExperimentalIncrementalExecutionResults):
            result = initial_result(result, explained)
        if result.errors:
            result.errors = explained(result.errors)
        return result

    def _explained(
        self, query: str, context: Context | None, errors: Sequence[GraphQLError]
    ) -> list[GraphQLError]:
        explained = [explain(error) for error in errors]
        if isinstance(context, Context):
            context.operation.codes += tuple(
                str((error.extensions or {})["code"]) for error in explained
            )
        for error in () if self.open else explained:
            # The gateway's own messages contain no schema names, but they quote vendors: leave
            # them.
            if (error.extensions or {})["code"] in _BY_GRAPHQL_CORE:
                error.message = without_names(error.message, query, self.names)
        return explained

    def _get_custom_context_kwargs(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # For errors in variables. Strawberry has no setting for this: its disable_field_suggestions
        # covers "Cannot query field" only.
        known = super()._get_custom_context_kwargs(*args, **kwargs)
        return {**known, "hide_suggestions": not self.open}

    def process_errors(
        self, errors: Sequence[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing. Strawberry would log an excerpt of the document with each caller's error."""


class _OperationNameRequired(SchemaExtension):
    """Refuse a document of several operations without a name; Strawberry would run the first."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        assert context.graphql_document is not None  # noqa: S101 - it was parsed
        definitions = context.graphql_document.definitions
        operations = [one for one in definitions if isinstance(one, OperationDefinitionNode)]
        if len(operations) > 1 and context._provided_operation_name is None:  # noqa: SLF001
            raise GraphQLError(
                "The document has several operations. Name the one to execute in operationName."
            )
        yield


def build_schema(
    limits: Limits | None = None,
    *,
    introspection: bool = True,
    incremental: bool = False,
    compiled: bool = True,
) -> Schema:
    """Build the schema, with the default limits unless ``limits`` are given.

    Without ``introspection`` callers can't query the schema or learn of it from errors.
    ``incremental`` adds the directives @defer and @stream. Unless it is ``compiled``, graphql-core
    executes all operations.
    """
    limits = limits or Limits(LimitSettings())
    schema = copy.copy(_converted(introspection=introspection, incremental=incremental))
    core = schema._schema  # noqa: SLF001
    documents, price = Documents(core, limits, introspection=introspection), PriceList(core)

    def prepare() -> Preparation:
        return Preparation(documents, price, limits)

    schema.extensions = (_OperationNameRequired, prepare)
    schema.documents = documents
    schema.plans = Plans(core, documents, price, limits) if compiled else None
    return schema


@functools.cache
def _converted(*, introspection: bool, incremental: bool) -> Schema:
    """Convert the types, which takes nearly all of the time and does not depend on the limits."""
    schema = Schema(
        query=SubgraphQuery,
        mutation=Mutation,
        types=[WebhookLog, Hook, Source, *ERRORS],
        config=StrawberryConfig(
            scalar_map=SCALARS, enable_experimental_incremental_execution=incremental
        ),
        execution_context_class=Executor if incremental else None,
        scalar_overrides=FEDERATION_SCALARS,
        federation_version=VERSION,
    )
    schema.open = introspection
    return schema
