"""What a request asks for, and how: by POST, or by a URL."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from gateway.errors import ErrorCode
from gateway.limits import LimitError
from gateway.web.body import RepeatedKeyError, decoded, received

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

    from gateway.limits import Limits

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"


class GraphQLRequest(msgspec.Struct, rename="camel"):
    """The body of a POST, or the parameters of a GET."""

    query: str | None = None
    document_id: str | None = None
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


def request_id(scope: Scope) -> str:
    """Take a request's own id, if it can be written anywhere, or make one, and stay with it."""
    state: dict[str, str] = scope.setdefault("state", {})
    if "request_id" not in state:
        given = ",".join(Headers(scope=scope).getlist("x-request-id"))
        state["request_id"] = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    return state["request_id"]


def seconds(request: Request) -> float | None:
    """Tell how long the caller waits at most; None where it does not say."""
    given = request.headers.getlist("x-request-timeout")
    if not given:
        return None
    text = ",".join(given).strip()
    if not _SECONDS.fullmatch(text) or not (limit := float(text)):
        raise Refusal(
            400, "The header X-Request-Timeout must hold seconds as a number above 0, such as 2.5."
        )
    return limit


def max_age(request: Request) -> float | None:
    """Tell how many seconds old an answer may be, by Cache-Control; None where it does not say."""
    ages: list[float] = []
    for directive in ",".join(request.headers.getlist("cache-control")).lower().split(","):
        name, _, value = (part.strip(' \t"') for part in directive.partition("="))
        if name == "no-cache":
            ages.append(0.0)
        elif name == "max-age" and value.isdecimal():
            ages.append(float(value))
    return min(ages, default=None)


async def read(
    request: Request, limits: Limits, batch_size: int = 0
) -> GraphQLRequest | list[GraphQLRequest]:
    """Read what is to be executed: an operation, or a batch of them."""
    if request.method == "POST":
        return await _from_body(request, limits, batch_size)
    return _from_url(request)


async def _from_body(
    request: Request, limits: Limits, batch_size: int
) -> GraphQLRequest | list[GraphQLRequest]:
    kind, parameters = media_type(request.headers.get("content-type", ""))
    # Anything else could be sent by a page of another site without being asked for permission.
    if kind != JSON:
        raise Refusal(415, f"Send the body as {JSON}.", Accept=JSON)
    if parameters.get("charset", "utf-8") != "utf-8":
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
        return _batch(document, batch_size)
    return _checked(document, "body")


def _batch(document: list[Any], most: int) -> list[GraphQLRequest]:
    if not most:
        raise Refusal(400, "Batches are not executed here; send one operation a request.")
    if not document:
        raise Refusal(400, "The batch is empty.")
    if len(document) > most:
        raise Refusal(
            400,
            f"The batch has {len(document)} operations; batch_size is {most}. Send fewer at once.",
            code=ErrorCode.LIMIT_EXCEEDED,
        )
    return [_checked(one, f"batch's operation {n}") for n, one in enumerate(document, 1)]


def _from_url(request: Request) -> GraphQLRequest:
    given: dict[str, Any] = dict(request.query_params)
    if len(given) < len(request.query_params.multi_items()):
        raise Refusal(400, "The URL has a parameter twice.")
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
            f"The {where} must hold query, documentId and operationName as text, variables and"
            " extensions as objects.",
        ) from None


def media_type(text: str) -> tuple[str, dict[str, str]]:
    """Read a media type and its parameters, all in lower case."""
    kind, *parameters = (piece.strip() for piece in text.lower().split(";"))
    pairs = (parameter.partition("=") for parameter in parameters if parameter)
    return kind, {name: value.strip('"') for name, _, value in pairs}


def chosen(accept: str) -> str | None:
    """Choose the media type of the answer; None when the caller takes neither."""
    ranges: dict[str, float] = {}
    for part in (accept.strip() or "*/*").split(","):
        kind, parameters = media_type(part)
        quality = parameters.get("q", "1")
        ranges[kind] = float(quality) if _QUALITY.fullmatch(quality) else 0.0

    def quality_of(offered: str) -> float:
        kinds = (offered, "application/*", "*/*")
        return next((ranges[kind] for kind in kinds if kind in ranges), 0.0)

    # What is not named may be unknown to the caller.
    best = max((GRAPHQL, JSON) if GRAPHQL in ranges else (JSON, GRAPHQL), key=quality_of)
    return best if quality_of(best) > 0 else None


_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_QUALITY = re.compile(r"0(\.\d*)?|1(\.0*)?", re.ASCII)
