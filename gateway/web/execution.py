"""Execution of the operations in requests, within the limits."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from gateway.errors import ErrorCode
from gateway.events import CANCELLED, Events, OperationBegan, OperationEnded, OperationFailed
from gateway.limits import LimitError, Limits
from gateway.schema.context import Context
from gateway.schema.incremental import InitialResult
from gateway.web.answer import error_body, size
from gateway.web.body import depth
from gateway.web.concurrency import OverloadedError
from gateway.web.observed import ended, refused
from gateway.web.persisted import PersistedDocuments
from gateway.web.request import Refusal

if TYPE_CHECKING:
    from starlette.types import Scope
    from strawberry.types import ExecutionResult
    from strawberry.types.graphql import OperationType

    from gateway.callers import Caller
    from gateway.schema import Schema
    from gateway.service import Gateway
    from gateway.upstream.operation import Operation
    from gateway.web.concurrency import ConcurrencyLimit
    from gateway.web.request import GraphQLRequest


class Execution:
    """Executes operations, as many at a time as the limits allow."""

    def __init__(
        self,
        schema: Schema,
        limits: Limits,
        persisted: PersistedDocuments,
        events: Events,
        concurrency: ConcurrencyLimit,
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._persisted = persisted
        self._events = events
        self._concurrency = concurrency

    @property
    def is_full(self) -> bool:
        """Whether another operation would be refused at once."""
        return self._concurrency.is_full

    @property
    def is_overloaded(self) -> bool:
        """Whether operations are refused, or were since one was executed without a wait."""
        return self._concurrency.is_overloaded

    def refusal(self, caller: Caller, request_id: str) -> Refusal:
        """Return the refusal of a request whose body was not read since the queue is full.

        It is told of as an operation, of which nothing is known.
        """
        refusal = _overloaded(self._concurrency.refusal())
        if self._events.wants(OperationBegan):
            self._events.emit(OperationBegan(request_id))
        for kind in (OperationEnded, OperationFailed):
            if self._events.wants(kind):
                self._events.emit(refused(kind, caller, refusal.code.name, request_id))
        return refusal

    async def run(
        self,
        gateway: Gateway,
        operation: Operation,
        asked: GraphQLRequest,
        kinds: Collection[OperationType],
        *,
        in_parts: bool = False,
        written: bool = False,
    ) -> ExecutionResult | bytes:
        """Execute an operation of one of the kinds.

        If ``written``, the body of a response without errors may be returned as JSON. The result
        may be a InitialResult if ``in_parts``. Raises Refusal for what is not executed.
        """
        context = Context(gateway, operation, in_parts=in_parts)
        if self._events.wants(OperationBegan):
            self._events.emit(OperationBegan(operation.request_id))
        goes_on = False
        try:
            result = await self._execute(context, asked, kinds, written=written)
            if isinstance(result, InitialResult):
                # The execution goes on until the last part.
                result.resources.push_async_callback(self._end, context)
                goes_on = True
        except Refusal as refusal:
            operation.codes += (refusal.code.name,)
            raise
        except asyncio.CancelledError:
            operation.codes += (CANCELLED,)
            raise
        except Exception:
            operation.codes += (ErrorCode.INTERNAL_ERROR.name,)
            raise
        else:
            return result
        finally:
            if not goes_on:
                await self._end(context)

    async def _execute(
        self,
        context: Context,
        asked: GraphQLRequest,
        kinds: Collection[OperationType],
        *,
        written: bool,
    ) -> ExecutionResult | bytes:
        self._check(asked)
        text = self._persisted.text(asked)
        try:
            context.release = await self._concurrency.take(context.operation.deadline)
            if written and (body := await self._written(text, asked, context)):
                return body
            return await self._schema.execute(
                text,
                variable_values=asked.variables,
                operation_name=asked.operation_name or None,
                context_value=context,
                allowed_operation_types=kinds,
                operation_extensions=asked.extensions,
            )
        except OverloadedError as error:
            raise _overloaded(error) from None
        except MissingQueryError:
            raise Refusal(400, "There is no query in the request.") from None
        except CannotGetOperationTypeError:
            named = " of that operationName" if asked.operation_name else ""
            raise Refusal(400, f"The document has no operation{named}.") from None
        except InvalidOperationTypeError as error:
            kind = error.operation_type.value
            if kind == "mutation":
                raise Refusal(405, "Send mutations by POST.", Allow="POST") from None
            raise Refusal(400, f"No {kind} is executed here.") from None

    async def _end(self, context: Context) -> None:
        """Release what an operation has used, and tell of its end.

        It is counted if it took the server's deadline.
        """
        if context.release is not None:
            context.release()
        try:
            await context.close()
        finally:
            operation, caller = context.operation, context.gateway.caller
            seconds = time.perf_counter() - context.began
            is_recorded = operation.trace is not None and operation.trace.span is not None
            if is_recorded or self._events.wants(OperationEnded):
                self._events.emit(ended(OperationEnded, caller, operation, seconds))
            has_failed = operation.codes or operation.lost
            if has_failed and self._events.wants(OperationFailed):
                self._events.emit(ended(OperationFailed, caller, operation, seconds))
            self._limits.refuses("deadline", math.nextafter(operation.elapsed, math.inf))

    async def _written(
        self, text: str | None, asked: GraphQLRequest, context: Context
    ) -> bytes | None:
        body = await self._schema.write(
            text,
            variables=asked.variables,
            operation_name=asked.operation_name or None,
            extensions=asked.extensions,
            context=context,
        )
        if body is not None:
            # A limit that only warns counts the excess; with others nothing that large is written.
            self._limits.refuses("answer", len(body))
        return body

    def bounded(self, scope: Scope, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Replace the bodies that exceed the size of a response, all together, by an error."""
        total, known, bounded = 0, dict[int, int](), []
        for body in bodies:
            own = size(body, known)
            try:
                self._limits.check("answer", total + own)
            except LimitError as error:
                executed = {"data": None} if "data" in body else {}
                bounded.append(executed | error_body(scope, str(error), error.code))
            else:
                bounded.append(body)
                total += own
        return bounded

    def _check(self, asked: GraphQLRequest) -> None:
        """Check the variables against their limits."""
        try:
            self._limits.check("variables", len(msgspec.json.encode(asked.variables)))
            self._limits.check("variables_depth", depth(asked.variables or {}) - 1)
        except LimitError as error:
            raise Refusal(400, str(error), code=error.code) from None
        except RecursionError:
            # There were fewer frames below them when they were decoded.
            message = "The variables hold lists or objects too deep in one another."
            raise Refusal(400, message) from None


def _overloaded(error: OverloadedError) -> Refusal:
    wait = {"Retry-After": str(error.retry_after)}
    return Refusal(503, str(error), code=ErrorCode.OVERLOADED, **wait)
