"""GraphQL over HTTP: one endpoint for POST, GET and, for browsers, the explorer.

https://graphql.github.io/graphql-over-http/
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from email.message import Message
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
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
from gateway.web.body import RepeatedKeyError, decoded, depth, received
from gateway.web.places import OverloadedError, Places
from gateway.web.rates import RateLimitedError, Rates

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gateway.schema import Schema
    from gateway.service import Gateway

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
ALLOWED = {
    "GET": {OperationType.QUERY},
    "POST": {OperationType.QUERY, OperationType.MUTATION},
}


class GraphQLRequest(msgspec.Struct, rename="camel"):
    """The body of a POST, or the parameters of a GET."""

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class Refusal(Exception):  # noqa: N818 - an answer
    """The request is not executed; the text says why."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: ErrorCode = ErrorCode.BAD_REQUEST,
        **headers: str,
    ) -> None:
        self.code = code
        self.status = status
        self.headers = headers
        super().__init__(message)


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
        """Answer one request."""
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Answer: the explorer, a result, or a refusal in the form of a GraphQL answer."""
        accept = ",".join(request.headers.getlist("accept"))
        media_type = _chosen(accept)
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
            posted = request.method == "POST"
            asked = await (_from_body(request, self._limits) if posted else _from_url(request))
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
        operation = gateway.operation(request.headers, _request_id(request))
        self._check(asked)
        try:
            async with self._places.one():
                result = await self._schema.execute(
                    asked.query,
                    variable_values=asked.variables,
                    operation_name=asked.operation_name or None,
                    context_value=Context(gateway, operation),
                    allowed_operation_types=ALLOWED[request.method],
                    operation_extensions=asked.extensions,
                )
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
        # Without a path it is an error of the request, not of a field: nothing was executed.
        errors = result.errors or []
        executed = result.data is not None or any(error.path for error in errors)
        body: dict[str, Any] = {"data": result.data} if executed else {}
        if errors:
            body["errors"] = [error.formatted for error in errors]
        if result.extensions:
            body["extensions"] = result.extensions
        # With the older media type, clients read only what is 200.
        return _response(body, 200 if executed or media_type == JSON else 400, media_type)

    def _check(self, asked: GraphQLRequest) -> None:
        """Hold the variables to their limits."""
        try:
            self._limits.check("variables", len(msgspec.json.encode(asked.variables)))
            self._limits.check("variables_depth", depth(asked.variables or {}) - 1)
        except LimitError as error:
            raise Refusal(400, str(error), code=error.code) from None


def _request_id(request: Request) -> str:
    """Take the request's own id, if it can be written anywhere, or make one."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


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


async def _from_body(request: Request, limits: Limits) -> GraphQLRequest:
    content = Message()
    content["Content-Type"] = request.headers.get("content-type", "")
    # Anything else could be sent by a page of another site without being asked for permission.
    if content.get_content_type() != JSON:
        raise Refusal(415, f"Send the body as {JSON}.", Accept=JSON)
    if content.get_content_charset("utf-8") != "utf-8":
        raise Refusal(415, "Send the body in UTF-8.", Accept=JSON)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, "Send the body without a content coding.", Accept=JSON)
    try:
        body = await received(request, limits)
    except LimitError as error:
        raise Refusal(413, str(error), code=error.code) from None
    except TimeoutError:
        raise Refusal(408, "The body did not arrive in time.", Connection="close") from None
    except ClientDisconnect:
        raise Refusal(400, "The body broke off.") from None
    document = _decoded(body, "body")
    if isinstance(document, list):
        raise Refusal(400, "Batches are not executed here; send one operation a request.")
    return _checked(document, "body")


async def _from_url(request: Request) -> GraphQLRequest:
    given: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if text := given.pop(name, ""):
            given[name] = _decoded(text.encode(), f"URL's parameter {name}")
    return _checked(given, "URL")


def _decoded(content: bytes, where: str) -> Any:
    try:
        return decoded(content)
    except RepeatedKeyError:
        raise Refusal(400, f"The {where} has a key twice in one object.") from None
    except (ValueError, RecursionError):
        raise Refusal(400, f"The {where} is not JSON that can be read.") from None


def _checked(given: Any, where: str) -> GraphQLRequest:
    try:
        return msgspec.convert(given, GraphQLRequest)
    except msgspec.ValidationError:
        raise Refusal(
            400,
            f"The {where} must hold query and operationName as text, variables and extensions as"
            " objects.",
        ) from None


def _chosen(accept: str) -> str | None:
    """Choose the media type of the answer; None when the caller takes neither."""
    ranges: dict[str, float] = {}
    for part in (accept.strip() or "*/*").lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        ranges[kind] = float(quality) if _QUALITY.fullmatch(quality) else 0.0

    def quality_of(media_type: str) -> float:
        kinds = (media_type, "application/*", "*/*")
        return next((ranges[kind] for kind in kinds if kind in ranges), 0.0)

    # What is not named may be unknown to the caller.
    best = max((GRAPHQL, JSON) if GRAPHQL in ranges else (JSON, GRAPHQL), key=quality_of)
    return best if quality_of(best) > 0 else None


_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_QUALITY = re.compile(r"0(\.\d*)?|1(\.0*)?", re.ASCII)
