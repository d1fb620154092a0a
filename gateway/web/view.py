"""GraphQL over HTTP: the endpoint, which serves the explorer to browsers.

https://graphql.github.io/graphql-over-http/
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
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
from gateway.limits import LimitError, Limits
from gateway.schema.context import Context
from gateway.schema.incremental import InitialResult
from gateway.upstream import trace
from gateway.web import caching
from gateway.web.answer import error_body, json_response, refusal_response, result_body, size
from gateway.web.body import depth
from gateway.web.concurrency import ConcurrencyLimit, OverloadedError
from gateway.web.disconnect import cancel_on_disconnect
from gateway.web.incremental import IncrementalResponse, accepts_parts
from gateway.web.media_types import GRAPHQL, JSON, MediaType, parse_list, preferred, quality
from gateway.web.origin import is_cross_origin, is_simple
from gateway.web.persisted import PersistedDocuments
from gateway.web.rates import RateLimitedError, RateLimiter, SharedStore
from gateway.web.request import GraphQLRequest, Refusal, read, request_id, timeout

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gateway.model import Freshness
    from gateway.schema import Schema
    from gateway.service import Gateway
    from gateway.upstream.operation import Operation

VARY = ("Accept", "Authorization", "X-API-Key")
"""The headers that every response depends on, besides those with vendor credentials."""
DOCUMENT_PARAMETERS = {"query", "documentId", "extensions"}
"""The parameters of a URL that name or hold a document."""
PAGES = {"text/html", "text/*", "application/xhtml+xml"}
"""Media types that browsers accept for a page, and that GraphQL clients do not name."""
ALLOWED = {
    "GET": {OperationType.QUERY},
    "POST": {OperationType.QUERY, OperationType.MUTATION},
}


class GraphQLView:
    """The endpoint, an ASGI application.

    ``explorer`` returns the page for browsers. Anyone may load it, since its queries are
    authenticated like those of any other caller.
    """

    def __init__(
        self,
        schema: Schema,
        gateway: Gateway,
        authenticator: Authenticator,
        limits: Limits,
        explorer: Callable[[], Response] | None = None,
    ) -> None:
        self._schema = schema
        self._gateway = gateway
        self._authenticator = authenticator
        self._limits = limits
        self._rates = RateLimiter(limits, SharedStore(gateway.take))
        self._concurrency = ConcurrencyLimit(limits)
        self._persisted = PersistedDocuments(gateway.settings.documents, schema.documents)
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
                if self._explorer and _accepts_page(accepted):
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
            headers = await self._count(caller, request)
            gateway = self._gateway.seen_by(caller)
            graphql = await read(request, self._limits, gateway.settings.server.batch_size)
            if isinstance(graphql, list):
                response = await self._execute_batch(gateway, request, graphql, media_type, headers)
            else:
                response = await self._execute(gateway, request, graphql, media_type)
        except Refusal as refusal:
            response = refusal_response(
                request.scope,
                refusal.status,
                str(refusal),
                media_type or JSON,
                code=refusal.code,
            )
            headers |= refusal.headers
        response.headers.update(headers)
        return response

    async def _caller(self, request: Request) -> Caller:
        address = request.client.host if request.client else ""
        try:
            return await self._authenticator.authenticate(request.headers, address)
        except UnauthenticatedError as error:
            challenge = {"WWW-Authenticate": error.www_authenticate}
            raise Refusal(401, str(error), code=error.code, **challenge) from None
        except TooManyAttemptsError as error:
            wait = {"Retry-After": str(error.retry_after)}
            raise Refusal(429, str(error), code=error.code, **wait) from None
        except KeysUnavailableError as error:
            raise Refusal(503, str(error), code=error.code) from None

    async def _count(self, caller: Caller, request: Request) -> dict[str, str]:
        """Count a request of a caller, and return the headers of the rate limit."""
        try:
            return await self._rates.headers(caller, request.client.host if request.client else "")
        except RateLimitedError as error:
            raise Refusal(429, str(error), code=ErrorCode.RATE_LIMITED, **error.headers) from None

    async def _execute(
        self, gateway: Gateway, request: Request, graphql: GraphQLRequest, media_type: str
    ) -> Response:
        operation = _begin_operation(gateway, request)
        in_parts = accepts_parts(parse_list(request.headers.getlist("accept")))
        execution = self._result(gateway, operation, request, graphql, in_parts=in_parts)
        result = await cancel_on_disconnect(request.receive, execution)
        body = result_body(request.scope, result)
        if isinstance(result, InitialResult):
            body |= {"pending": result.pending, "hasNext": True}
            return IncrementalResponse(
                request.scope, body, result, operation.deadline, self._limits
            )
        (body,) = self._bounded(request.scope, [body])
        executed = "data" in body
        # Clients of the older media type read the body only if the status is 200.
        status = 200 if executed or media_type == JSON else 400
        response = json_response(request.scope, body, status, media_type)
        if executed:
            now = gateway.now()
            _set_cache_status(response, operation.reads, now)
            if request.method == "GET" and "errors" not in body:
                return _cacheable(response, request, operation, now)
        return response

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
                    headers.update(await self._count(gateway.caller, request))
                result = await self._result(gateway, operations[index], request, batch[index])
            except Refusal as refusal:
                return error_body(request.scope, str(refusal), refusal.code)
            return result_body(request.scope, result)

        async def execute_all() -> list[dict[str, Any]]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(execute(index)) for index in range(len(batch))]
            return [task.result() for task in tasks]

        bodies = await cancel_on_disconnect(request.receive, execute_all())
        bodies = self._bounded(request.scope, bodies)
        response = json_response(request.scope, bodies, 200, media_type)
        reads: dict[str, list[Freshness]] = defaultdict(list)
        for operation in operations:
            for source, of_source in operation.reads.items():
                reads[source] += of_source
        _set_cache_status(response, reads, gateway.now())
        return response

    async def _result(
        self,
        gateway: Gateway,
        operation: Operation,
        request: Request,
        graphql: GraphQLRequest,
        *,
        in_parts: bool = False,
    ) -> ExecutionResult:
        self._check(graphql)
        text = self._persisted.text(graphql)
        context = Context(gateway, operation, in_parts=in_parts)
        try:
            async with contextlib.AsyncExitStack() as stack:
                stack.callback(self._check_deadline, operation)
                stack.push_async_callback(context.close)
                await stack.enter_async_context(self._concurrency.slot())
                result = await self._schema.execute(
                    text,
                    variable_values=graphql.variables,
                    operation_name=graphql.operation_name or None,
                    context_value=context,
                    allowed_operation_types=ALLOWED[request.method],
                    operation_extensions=graphql.extensions,
                )
                if isinstance(result, InitialResult):
                    # The execution continues until the last part.
                    result.resources = stack.pop_all()
                return result
        except OverloadedError as error:
            wait = {"Retry-After": "1"}
            raise Refusal(503, str(error), code=ErrorCode.OVERLOADED, **wait) from None
        except MissingQueryError:
            raise Refusal(400, "There is no query in the request.") from None
        except CannotGetOperationTypeError:
            named = " of that operationName" if graphql.operation_name else ""
            raise Refusal(400, f"The document has no operation{named}.") from None
        except InvalidOperationTypeError as error:
            kind = error.operation_type.value
            if kind == "mutation":
                raise Refusal(405, "Send mutations by POST.", Allow="POST") from None
            raise Refusal(400, f"No {kind} is executed here.") from None

    def _bounded(self, scope: Scope, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
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

    def _check_deadline(self, operation: Operation) -> None:
        """Count an operation that took the server's whole deadline."""
        taken = asyncio.get_running_loop().time() - operation.began
        self._limits.refuses("deadline", math.nextafter(taken, math.inf))

    def _check(self, graphql: GraphQLRequest) -> None:
        """Check the variables against their limits."""
        try:
            self._limits.check("variables", len(msgspec.json.encode(graphql.variables)))
            self._limits.check("variables_depth", depth(graphql.variables or {}) - 1)
        except LimitError as error:
            raise Refusal(400, str(error), code=error.code) from None


def _method_refusal(request: Request) -> Refusal:
    message = "Send GraphQL by POST, or queries by GET."
    if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
        # With cors_origins, the middleware for CORS answers.
        message = (
            "A page of another origin asks for permission, and there are no cors_origins here."
        )
    return Refusal(405, message, Allow="GET, POST")


def _accepts_page(accepted: Sequence[MediaType]) -> bool:
    return any(one.name in PAGES and quality(one) > 0 for one in accepted)


def _begin_operation(gateway: Gateway, request: Request) -> Operation:
    return gateway.operation(
        request.headers,
        request_id(request.scope),
        seconds=timeout(request),
        max_age=caching.max_age(request.headers.getlist("cache-control")),
        trace=trace.read(
            request.headers.getlist("traceparent"), request.headers.getlist("tracestate")
        ),
    )


def _set_cache_status(response: Response, reads: caching.Reads, now: int) -> None:
    if status := caching.cache_status(reads, now):
        response.headers["Cache-Status"] = status


def _cacheable(response: Response, request: Request, operation: Operation, now: int) -> Response:
    """Allow the caller to store a response, or confirm the one that it has stored."""
    tag = caching.entity_tag(response)
    reads = {} if operation.incomplete else operation.reads
    response.headers["Cache-Control"] = caching.cache_control(reads, now)
    response.headers["ETag"] = tag
    response.headers["Vary"] = ", ".join((*VARY, *operation.passed))
    if not caching.is_current(",".join(request.headers.getlist("if-none-match")), tag):
        return response
    del response.headers["Content-Type"], response.headers["Content-Length"]
    return Response(status_code=304, headers=response.headers)
