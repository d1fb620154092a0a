"""GraphQL requests, read from a POST or from a URL."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import ClientDisconnect

from gateway.errors import ErrorCode
from gateway.limits import LimitError
from gateway.web.body import (
    NotTextError,
    RepeatedKeyError,
    decode_json,
    is_known,
    receive_body,
)
from gateway.web.media_types import JSON, parse_list, split
from gateway.web.origin import is_json

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

    from gateway.limits import Limits


class GraphQLRequest(msgspec.Struct, rename="camel"):
    """The body of a POST, or the parameters of a GET."""

    query: str | None = None
    document_id: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class Refusal(Exception):  # noqa: N818 - a response
    """The request is not executed; ``str(refusal)`` says why."""

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
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(message)


def request_id(scope: Scope) -> str:
    """Return the id of a request: its own X-Request-Id if that is safe to repeat, else a new one.

    It stays the same for the scope.
    """
    state: dict[str, str] = scope.setdefault("state", {})
    known = state.get("request_id")
    if known is None:
        lines = [value for name, value in scope["headers"] if name == b"x-request-id"]
        given = b",".join(lines).decode("latin-1") if lines else ""
        is_safe = given and _REQUEST_ID.fullmatch(given)
        known = state["request_id"] = given if is_safe else f"{_random.getrandbits(128):032x}"
    return known


def address_of(scope: Scope) -> str:
    """Return the address that a request came from; empty if the server does not say."""
    client = scope.get("client")
    return client[0] if client else ""


def timeout(request: Request) -> float | None:
    """Return the seconds that the caller waits, by X-Request-Timeout; None if it is not given."""
    lines = request.headers.getlist("x-request-timeout")
    if not lines:
        return None
    text = ",".join(lines).strip()
    if not _SECONDS.fullmatch(text) or not (seconds := float(text)):
        raise Refusal(
            400, "The header X-Request-Timeout must hold seconds as a number above 0, such as 2.5."
        )
    return seconds


async def read(
    request: Request, limits: Limits, batch_size: int = 0
) -> GraphQLRequest | list[GraphQLRequest]:
    """Read the operation of a request, or its batch of operations."""
    if request.method == "POST":
        return await _from_body(request, limits, batch_size)
    return _from_url(request)


async def _from_body(
    request: Request, limits: Limits, batch_size: int
) -> GraphQLRequest | list[GraphQLRequest]:
    # A page of another site can send the other media types without permission.
    if not is_json(request.headers):
        raise Refusal(415, f"Send the body as {JSON}.", Accept=JSON)
    content_type = parse_list(request.headers.getlist("content-type"))[0]
    charset = content_type.parameters.get("charset") or "utf-8"
    if not is_known(charset):
        raise Refusal(415, "Send the body in UTF-8.", Accept=JSON)
    codings = split(",".join(request.headers.getlist("content-encoding")).lower(), ",")
    if set(codings) - {"identity"}:
        raise Refusal(
            415,
            "Send the body without a content coding.",
            Accept=JSON,
            Accept_Encoding="identity",
        )
    try:
        body = await receive_body(request, limits)
    except LimitError as error:
        raise Refusal(413, str(error), code=error.code) from None
    except TimeoutError:
        raise Refusal(408, "The body did not arrive in time.", Connection="close") from None
    except ClientDisconnect:
        raise Refusal(400, "The body broke off.") from None
    document = _decoded(body, "body", charset)
    if isinstance(document, list):
        return _batch(document, batch_size)
    return _checked(document, "body")


def decode_operation(body: bytes) -> GraphQLRequest:
    """Decode a body in UTF-8 that must be one operation; raises Refusal."""
    document = _decoded(body, "body")
    if isinstance(document, list):
        raise Refusal(400, "Batches are not executed here; send one operation a request.")
    return _checked(document, "body")


def _batch(document: list[Any], maximum: int) -> list[GraphQLRequest]:
    if not maximum:
        raise Refusal(400, "Batches are not executed here; send one operation a request.")
    if not document:
        raise Refusal(400, "The batch is empty.")
    if len(document) > maximum:
        raise Refusal(
            400,
            f"The batch has {len(document)} operations; batch_size is {maximum}. Send fewer at"
            " once.",
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


def _decoded(content: bytes, where: str, charset: str = "utf-8") -> Any:
    try:
        return decode_json(content, charset)
    except RepeatedKeyError:
        raise Refusal(400, f"The {where} has a key twice in one object.") from None
    except NotTextError as error:
        raise Refusal(400, f"The {where} is not text in {error.encoding}.") from None
    except ValueError:
        raise Refusal(400, f"The {where} is not JSON that can be read.") from None
    except RecursionError:
        raise Refusal(400, f"The {where} holds lists or objects too deep in one another.") from None


def _checked(given: Any, where: str) -> GraphQLRequest:
    if isinstance(given, dict):
        # Clients that fill in a form send empty text where they mean null.
        given = {
            name: None if value == "" and name in {"variables", "extensions"} else value
            for name, value in given.items()
        }
    try:
        return msgspec.convert(given, GraphQLRequest)
    except msgspec.ValidationError:
        raise Refusal(
            400,
            f"The {where} must hold query, documentId and operationName as text, variables and"
            " extensions as objects.",
        ) from None


_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_random = random.Random()  # noqa: S311 - ids have to differ, not to be secret
_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
