"""GraphQL over HTTP: one endpoint for POST, GET and, for browsers, the explorer.

https://graphql.github.io/graphql-over-http/
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
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
from gateway.schema.incremental import FirstPart
from gateway.web import caching
from gateway.web.body import depth
from gateway.web.departure import while_present
from gateway.web.incremental import PartsResponse, takes_parts
from gateway.web.places import OverloadedError, Places
from gateway.web.rates import RateLimitedError, Rates
from gateway.web.request import (
    GRAPHQL,
    JSON,
    GraphQLRequest,
    Refusal,
    chosen,
    max_age,
    read,
    request_id,
    seconds,
)

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gateway.schema import Schema
    from gateway.service import Gateway
    from gateway.upstream.operation import Operation

VARY = ("Accept", "Authorization", "X-API-Key")
"""The headers that every answer depends on; those with vendor credentials come to them."""
ALLOWED = {
    "GET": {OperationType.QUERY},
    "POST": {OperationType.QUERY, OperationType.MUTATION},
}


class GraphQLView:
    """The endpoint, as an ASGI application that a route stands before.

    ``explorer`` makes the page for browsers; without it they are told to send a query. The page
    is for everybody: what it shows, it has to ask for like any caller.
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
        self._rates = Rates(limits)
        self._places = Places(limits)
        self._explorer = explorer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, unless its caller goes away."""
        with contextlib.suppress(ClientDisconnect):
            response = await self.respond(Request(scope, receive))
            await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Answer: the explorer, a result, or a refusal in the form of a GraphQL answer.

        Raises ClientDisconnect when the caller goes away while its request is executed.
        """
        accept = ",".join(request.headers.getlist("accept"))
        media_type = chosen(accept)
        told: dict[str, str] = {}
        try:
            if request.method not in ALLOWED:
                raise Refusal(405, "Send GraphQL by POST, or queries by GET.", Allow="GET, POST")
            if request.method == "GET" and "query" not in request.query_params:
                if self._explorer and "text/html" in accept:
                    return self._explorer()
                raise Refusal(400, "There is no query. Send one, or open this page in a browser.")
            if media_type is None:
                raise Refusal(406, f"This endpoint answers with {GRAPHQL} or {JSON}.")
            caller = await self._caller(request)
            told = await self._count(caller, request)
            gateway = self._gateway.seen_by(caller)
            asked = await read(request, self._limits)
            response = await self._execute(gateway, request, asked, media_type)
        except Refusal as refusal:
            response = refused(refusal.status, str(refusal), media_type or JSON, code=refusal.code)
            told |= refusal.headers
        response.headers.update(told)
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
        """Count a request of a caller, and give what headers tell of it."""
        try:
            return await self._rates.headers(caller, request.client.host if request.client else "")
        except RateLimitedError as error:
            raise Refusal(429, str(error), code=ErrorCode.RATE_LIMITED, **error.headers) from None

    async def _execute(
        self, gateway: Gateway, request: Request, asked: GraphQLRequest, media_type: str
    ) -> Response:
        operation = gateway.operation(
            request.headers,
            request_id(request),
            seconds=seconds(request),
            max_age=max_age(request),
        )
        self._check(asked)
        result = await self._result(gateway, operation, request, asked)
        # Without a path it is an error of the request, not of a field: nothing was executed.
        errors = result.errors or []
        executed = result.data is not None or any(error.path for error in errors)
        body: dict[str, Any] = {"data": result.data} if executed else {}
        if errors:
            body["errors"] = [error.formatted for error in errors]
        if result.extensions:
            body["extensions"] = result.extensions
        if isinstance(result, FirstPart):
            body |= {"pending": result.pending, "hasNext": True}
            return PartsResponse(body, result, operation.deadline)
        # With the older media type, clients read only what is 200.
        response = _response(body, 200 if executed or media_type == JSON else 400, media_type)
        if executed:
            now = gateway.now()
            if status := caching.cache_status(operation.reads, now):
                response.headers["Cache-Status"] = status
            if request.method == "GET" and not errors:
                return _to_keep(response, request, operation, now)
        return response

    async def _result(
        self, gateway: Gateway, operation: Operation, request: Request, asked: GraphQLRequest
    ) -> ExecutionResult:
        accept = ",".join(request.headers.getlist("accept"))
        context = Context(gateway, operation, in_parts=takes_parts(accept))
        try:
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(context.close)
                await stack.enter_async_context(self._places.one())
                execution = self._schema.execute(
                    asked.query,
                    variable_values=asked.variables,
                    operation_name=asked.operation_name or None,
                    context_value=context,
                    allowed_operation_types=ALLOWED[request.method],
                    operation_extensions=asked.extensions,
                )
                result = await while_present(request.receive, execution)
                if isinstance(result, FirstPart):
                    # The other parts are still being executed.
                    result.needs = stack.pop_all()
                return result
        except OverloadedError as error:
            wait = {"Retry-After": "1"}
            raise Refusal(503, str(error), code=ErrorCode.OVERLOADED, **wait) from None
        except MissingQueryError:
            raise Refusal(400, "There is no query in the request.") from None
        except CannotGetOperationTypeError:
            raise Refusal(400, "The document has no operation of that operationName.") from None
        except InvalidOperationTypeError as error:
            kind = error.operation_type.value
            if kind == "mutation":
                raise Refusal(405, "Send mutations by POST.", Allow="POST") from None
            raise Refusal(400, f"No {kind} is executed here.") from None

    def _check(self, asked: GraphQLRequest) -> None:
        """Hold the variables to their limits."""
        try:
            self._limits.check("variables", len(msgspec.json.encode(asked.variables)))
            self._limits.check("variables_depth", depth(asked.variables or {}) - 1)
        except LimitError as error:
            raise Refusal(400, str(error), code=error.code) from None


def _to_keep(response: Response, request: Request, operation: Operation, now: int) -> Response:
    """Let the caller keep an answer, or go on with the one that it has kept."""
    tag = caching.entity_tag(response)
    reads = {} if operation.incomplete else operation.reads
    response.headers["Cache-Control"] = caching.cache_control(reads, now)
    response.headers["ETag"] = tag
    response.headers["Vary"] = ", ".join((*VARY, *operation.passed))
    if not caching.is_kept(",".join(request.headers.getlist("if-none-match")), tag):
        return response
    del response.headers["Content-Type"], response.headers["Content-Length"]
    return Response(status_code=304, headers=response.headers)


def refused(
    status: int,
    message: str,
    media_type: str = JSON,
    *,
    code: ErrorCode = ErrorCode.BAD_REQUEST,
) -> Response:
    """Make the answer to what is no GraphQL request, in the form of a GraphQL answer."""
    error = {"message": message, "extensions": {"code": code.name}}
    return _response({"errors": [error]}, status, media_type)


def _response(body: Mapping[str, Any], status: int, media_type: str) -> Response:
    return Response(
        msgspec.json.encode(body),
        status,
        headers={"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-store"},
    )
