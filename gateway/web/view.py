"""GraphQL over HTTP: the endpoint, which serves the explorer to browsers.

https://graphql.github.io/graphql-over-http/
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from gateway.callers import (
    Authenticator,
    Caller,
    KeysUnavailableError,
    TooManyAttemptsError,
    UnauthenticatedError,
)
from gateway.errors import ErrorCode
from gateway.limits import Limits
from gateway.schema.incremental import InitialResult
from gateway.upstream import trace
from gateway.web import caching
from gateway.web.answer import error_body, json_response, refusal_response, result_body
from gateway.web.concurrency import ConcurrencyLimit
from gateway.web.disconnect import cancel_on_disconnect
from gateway.web.execution import Execution
from gateway.web.incremental import IncrementalResponse, accepts_parts
from gateway.web.media_types import GRAPHQL, JSON, accepts_page, parse_list, preferred
from gateway.web.observed import note_span
from gateway.web.origin import is_cross_origin, is_simple
from gateway.web.persisted import PersistedDocuments
from gateway.web.rates import MemoryStore, RateLimitedError, RateLimiter, SharedStore
from gateway.web.request import GraphQLRequest, Refusal, address_of, read, request_id, timeout

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gateway.model import Freshness
    from gateway.schema import Schema
    from gateway.service import Gateway
    from gateway.upstream.operation import Operation

DOCUMENT_PARAMETERS = {"query", "documentId", "extensions"}
"""The parameters of a URL that name or hold a document."""
ALLOWED = {
    "GET": {OperationType.QUERY},
    "POST": {OperationType.QUERY, OperationType.MUTATION},
}


class GraphQLView:
    """The endpoint, an ASGI application.

    ``explorer`` returns the page for browsers. Anyone may load it, since its queries are
    authenticated like those of any other caller. ``built_in`` are documents of the gateway's own
    pages by their ids, which are always trusted. ``requests`` counts those of each caller, and
    ``concurrency`` the operations that are executed.
    """

    def __init__(
        self,
        schema: Schema,
        gateway: Gateway,
        authenticator: Authenticator,
        limits: Limits,
        explorer: Callable[[], Response] | None = None,
        built_in: Mapping[str, str] | None = None,
        requests: MemoryStore | None = None,
        concurrency: ConcurrencyLimit | None = None,
    ) -> None:
        self._schema = schema
        self._gateway = gateway
        self.events = gateway.events
        self._authenticator = authenticator
        self._limits = limits
        self._rates = RateLimiter(limits, SharedStore(gateway.take, requests))
        documents = PersistedDocuments(gateway.settings.documents, schema.documents, built_in)
        self._execution = Execution(
            schema, limits, documents, gateway.events, concurrency or ConcurrencyLimit(limits)
        )
        self._explorer = explorer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, unless its client disconnects."""
        with contextlib.suppress(ClientDisconnect):
            response = await self.respond(Request(scope, receive))
            await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Return the explorer, a result, or a refusal in the form of GraphQL.

        Raises ClientDisconnect if the client disconnects during the execution.
        """
        accepted = parse_list(request.headers.getlist("accept"))
        media_type = preferred(accepted)
        headers: dict[str, str] = {}
        try:
            if request.method not in ALLOWED:
                raise _method_refusal(request)
            if request.method == "GET" and not DOCUMENT_PARAMETERS.intersection(
                request.query_params
            ):
                if self._explorer and accepts_page(accepted):
                    return self._explorer()
                page = ", or open this page in a browser" if self._explorer else ""
                raise Refusal(400, f"There is no query. Send one{page}.")
            if is_cross_origin(request.headers, self._gateway.settings.server.cors_origins):
                raise Refusal(
                    403,
                    "A page of another origin sent this, and cors_origins does not name it. If it"
                    " is the gateway's own page, let the proxy in front keep the Host header.",
                )
            if media_type is None:
                raise Refusal(406, f"This endpoint answers with {GRAPHQL} or {JSON}.")
            caller = await self._caller(request)
            if request.method == "GET" and is_simple(request.headers):
                raise Refusal(
                    403,
                    "A page of any site could have sent this. Add the header Content-Type:"
                    f" {JSON} to a query by GET, or send it by POST.",
                )
            headers = await self.count(caller, request.scope)
            if self.is_full:
                raise self.overload(caller, request.scope)
            gateway = self._gateway.seen_by(caller)
            graphql = await read(request, self._limits, gateway.settings.server.batch_size)
            if isinstance(graphql, list):
                response = await self._execute_batch(gateway, request, graphql, media_type, headers)
            else:
                response = await self._execute(gateway, request, graphql, media_type)
        except Refusal as refusal:
            response = self.refusal(request, refusal, media_type or JSON)
        response.headers.update(headers)
        return response

    def refusal(self, request: Request, refusal: Refusal, media_type: str) -> Response:
        """Return the response to a request that is not executed."""
        response = refusal_response(
            request.scope, refusal.status, str(refusal), media_type, code=refusal.code
        )
        response.headers.update(refusal.headers)
        return response

    async def _caller(self, request: Request) -> Caller:
        try:
            return await self._authenticator.authenticate(
                request.headers, address_of(request.scope)
            )
        except UnauthenticatedError as error:
            challenge = {"WWW-Authenticate": error.www_authenticate}
            raise Refusal(401, str(error), code=error.code, **challenge) from None
        except TooManyAttemptsError as error:
            wait = {"Retry-After": str(error.retry_after)}
            raise Refusal(429, str(error), code=error.code, **wait) from None
        except KeysUnavailableError as error:
            raise Refusal(503, str(error), code=error.code) from None

    def welcomes(self, caller: Caller, scope: Scope) -> bool:
        """Return whether a caller that was authenticated before may call from an address."""
        return self._authenticator.welcomes(caller, address_of(scope))

    @property
    def excesses(self) -> int:
        """How often any limit was exceeded so far."""
        return self._limits.excesses

    def fits(self, body: bytes) -> bool:
        """Return whether the body is within its limit."""
        limit = self._limits.of("body")
        return limit.mode == "off" or len(body) <= limit.max

    async def count(self, caller: Caller, scope: Scope) -> dict[str, str]:
        """Count a request of a caller, and return the headers of the rate limit."""
        try:
            return await self._rates.headers(caller, address_of(scope))
        except RateLimitedError as error:
            raise Refusal(429, str(error), code=ErrorCode.RATE_LIMITED, **error.headers) from None

    @property
    def is_full(self) -> bool:
        """Whether another operation would be refused at once."""
        return self._execution.is_full

    @property
    def is_overloaded(self) -> bool:
        """Whether operations are refused, or were since one was executed without a wait."""
        return self._execution.is_overloaded

    def overload(self, caller: Caller, scope: Scope) -> Refusal:
        """Return the refusal of a request whose body need not be read since the queue is full."""
        return self._execution.refusal(caller, request_id(scope))

    async def _execute(
        self, gateway: Gateway, request: Request, graphql: GraphQLRequest, media_type: str
    ) -> Response:
        operation = _begin_operation(gateway, request)
        in_parts = accepts_parts(parse_list(request.headers.getlist("accept")))
        if request.method == "POST" and not in_parts:
            # For gateway.web.door: all that depends on the headers alone has been decided.
            request.scope.setdefault("state", {})["passed"] = gateway, media_type
        result = await self.run(gateway, operation, request, graphql, in_parts=in_parts)
        return self.response_to(request, gateway, operation, result, media_type)

    async def run(
        self,
        gateway: Gateway,
        operation: Operation,
        request: Request,
        graphql: GraphQLRequest,
        *,
        in_parts: bool = False,
    ) -> ExecutionResult | bytes:
        """Execute an operation, as ``Execution.run``, unless the client disconnects."""
        execution = self._execution.run(
            gateway, operation, graphql, ALLOWED[request.method], in_parts=in_parts, written=True
        )
        return await cancel_on_disconnect(request.receive, execution)

    async def run_posted(
        self, gateway: Gateway, operation: Operation, graphql: GraphQLRequest
    ) -> ExecutionResult | bytes:
        """Execute an operation sent by POST, as ``Execution.run``, whoever waits for it."""
        return await self._execution.run(gateway, operation, graphql, ALLOWED["POST"], written=True)

    def response_to(
        self,
        request: Request,
        gateway: Gateway,
        operation: Operation,
        result: ExecutionResult | bytes,
        media_type: str,
    ) -> Response:
        """Return the response with the result of an operation."""
        if isinstance(result, bytes):
            response = json_response(request.scope, result, 200, media_type)
            return caching.described(response, request, operation, gateway.now())
        body = result_body(request.scope, result)
        if isinstance(result, InitialResult):
            body |= {"pending": result.pending, "hasNext": True}
            return IncrementalResponse(
                request.scope, body, result, operation.deadline, self._limits
            )
        (body,) = self._execution.bounded(request.scope, [body])
        executed = "data" in body
        # Clients of the older media type read the body only if the status is 200.
        status = 200 if executed or media_type == JSON else 400
        response = json_response(request.scope, body, status, media_type)
        if not executed:
            return response
        has_errors = "errors" in body
        return caching.described(response, request, operation, gateway.now(), has_errors=has_errors)

    async def _execute_batch(
        self,
        gateway: Gateway,
        request: Request,
        batch: Sequence[GraphQLRequest],
        media_type: str,
        headers: dict[str, str],
    ) -> Response:
        """Execute operations concurrently, as if each had been sent alone; respond in order.

        A refused operation becomes an error in its place. The request has been counted once;
        ``headers`` are those of the rate limit, updated as the other operations are counted.
        """
        # They begin together, so that they have one deadline.
        operations = [_begin_operation(gateway, request) for _ in batch]

        async def execute(index: int) -> dict[str, Any]:
            try:
                if index:
                    headers.update(await self.count(gateway.caller, request.scope))
                result = await self._execution.run(
                    gateway, operations[index], batch[index], ALLOWED[request.method]
                )
                assert isinstance(result, ExecutionResult)  # noqa: S101 - nothing else was asked for
            except Refusal as refusal:
                return error_body(request.scope, str(refusal), refusal.code)
            return result_body(request.scope, result)

        async def execute_all() -> list[dict[str, Any]]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(execute(index)) for index in range(len(batch))]
            return [task.result() for task in tasks]

        bodies = await cancel_on_disconnect(request.receive, execute_all())
        bodies = self._execution.bounded(request.scope, bodies)
        response = json_response(request.scope, bodies, 200, media_type)
        reads: dict[str, list[Freshness]] = defaultdict(list)
        for operation in operations:
            for source, of_source in operation.reads.items():
                reads[source] += of_source
        caching.set_cache_status(response, reads, gateway.now())
        return response


def _method_refusal(request: Request) -> Refusal:
    message = "Send GraphQL by POST, or queries by GET."
    if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
        # With cors_origins, the middleware for CORS answers.
        message = (
            "A page of another origin asks for permission, and there are no cors_origins here."
        )
    return Refusal(405, message, Allow="GET, POST")


def _begin_operation(gateway: Gateway, request: Request) -> Operation:
    operation = gateway.operation(
        request.headers,
        request_id(request.scope),
        seconds=timeout(request),
        max_age=caching.max_age(request.headers.getlist("cache-control")),
        trace=trace.read(
            request.headers.getlist("traceparent"), request.headers.getlist("tracestate")
        ),
    )
    note_span(request.scope, operation.trace)
    return operation
