"""Incremental delivery: @defer and @stream move parts of a response after its initial result.

The parts have the format of graphql-core, with ``pending``, ``incremental`` and ``completed``:
https://specs.apollo.dev/incremental/v0.2/
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphql import (
    ExperimentalIncrementalExecutionResults,
    GraphQLError,
    SubsequentIncrementalExecutionResult,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionResult

from gateway.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from gateway.schema.context import Context

Explain = Callable[[Sequence[GraphQLError]], list[GraphQLError]]


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Execute @defer and @stream for callers who accept parts, and ignore them for all others.

    The specification lets a service ignore both directives. Schema requires a subclass of
    Strawberry's own executor.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Otherwise the rows of a streamed list are resolved one after another, each with its calls.
        self.enable_early_execution = True
        self._context: Context = self.context_value
        # Cancelling the operation leaves early execution running; this cancels that as well.
        self._context.endings.append(self.cancel_incremental_work)

    def execute_collected_root_fields(  # noqa: D102
        self,
        root_type: Any,
        value: Any,
        fields: Any,
        serially: bool,  # noqa: FBT001 - graphql-core's signature
        deferred: Any,
    ) -> Any:
        taken = deferred if self._context.in_parts else ()
        return super().execute_collected_root_fields(root_type, value, fields, serially, taken)

    def execute_collected_subfields(  # noqa: D102
        self, parent: Any, value: Any, path: Any, fields: Any, deferred: Any, groups: Any
    ) -> Any:
        taken = deferred if self._context.in_parts else ()
        return super().execute_collected_subfields(parent, value, path, fields, taken, groups)

    def get_stream_usage(self, fields: Any, path: Any) -> Any:  # noqa: D102
        try:
            return super().get_stream_usage(fields, path) if self._context.in_parts else None
        except ValueError:
            raise RequestError(
                ErrorCode.GRAPHQL_VALIDATION_FAILED,
                "The initialCount of @stream must be a whole number, 0 or greater.",
            ) from None


@dataclasses.dataclass
class InitialResult(ExecutionResult):
    """The initial result of a response in parts.

    ``pending`` announces the parts to come, ``following`` yields them as JSON objects.
    ``resources`` must be closed when they are exhausted or no longer wanted.
    """

    _: dataclasses.KW_ONLY
    pending: list[dict[str, Any]]
    following: AsyncGenerator[dict[str, Any], None]
    resources: contextlib.AsyncExitStack = dataclasses.field(
        default_factory=contextlib.AsyncExitStack
    )


def initial_result(
    results: ExperimentalIncrementalExecutionResults, explain: Explain
) -> InitialResult:
    """Build the initial result; ``explain`` converts the errors of the parts that follow."""
    first = results.initial_result
    return InitialResult(
        data=first.data,
        errors=first.errors,
        extensions=first.extensions,
        pending=[dict(one.formatted) for one in first.pending],
        following=_following(results.subsequent_results, explain),
    )


async def _following(
    parts: AsyncGenerator[SubsequentIncrementalExecutionResult, None], explain: Explain
) -> AsyncGenerator[dict[str, Any], None]:
    async with contextlib.aclosing(parts):
        async for part in parts:
            for one in (*(part.incremental or ()), *(part.completed or ())):
                if one.errors:
                    one.errors = explain(one.errors)
            yield dict(part.formatted)
