"""Answers in the form of GraphQL, to what was executed and to what was not.

The scope that they are made with is that of the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from gateway.errors import ErrorCode
from gateway.web.request import JSON, request_id

if TYPE_CHECKING:
    from starlette.types import Scope
    from strawberry.types import ExecutionResult

LONG = 200
"""Characters from which on a text is worth to be remembered."""
DEEP = 100
"""How deep a value is looked into; what lies deeper is written out to learn what it takes."""


def result_body(scope: Scope, result: ExecutionResult) -> dict[str, Any]:
    """Make the answer to an operation; it has data where something was executed."""
    errors = result.errors or []
    # Without a path it is an error of the request, not of a field.
    executed = result.data is not None or any(error.path for error in errors)
    body: dict[str, Any] = {"data": result.data} if executed else {}
    if errors:
        body["errors"] = known_errors(scope, (error.formatted for error in errors))
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def size(value: Any, known: dict[int, int], level: int = 0) -> int:
    """Tell how many bytes of JSON a value takes: what is in it several times is looked at once.

    Aliases repeat what a vendor said, and a small document can ask for a gigabyte of it. ``known``
    has what long texts, lists and objects were found to take; they have to live as long as it.
    Of short texts it does not count what escapes add.
    """
    if isinstance(value, str):
        if len(value) < LONG:
            return len(value.encode()) + 2
    elif not isinstance(value, dict | list):
        return len(msgspec.json.encode(value))
    told = known.get(id(value))
    if told is None:
        if isinstance(value, str) or level > DEEP:
            told = len(msgspec.json.encode(value))
        elif isinstance(value, dict):
            told = sum(len(name) + 4 + size(value[name], known, level + 1) for name in value)
        else:
            told = sum(1 + size(inner, known, level + 1) for inner in value)
        known[id(value)] = told
    return told


def known_errors(scope: Scope, errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give errors with what their request is known by."""
    known = {"requestId": request_id(scope)}
    return [{**error, "extensions": {**error.get("extensions", {}), **known}} for error in errors]


def refused(
    scope: Scope,
    status: int,
    message: str,
    media_type: str = JSON,
    *,
    code: ErrorCode = ErrorCode.BAD_REQUEST,
) -> Response:
    """Refuse what is no GraphQL request, or is not for this caller or this moment."""
    return json_response(scope, error_body(scope, message, code), status, media_type)


def error_body(scope: Scope, message: str, code: ErrorCode) -> dict[str, Any]:
    """Make the answer to what was not executed."""
    extensions = {"code": code.name, "requestId": request_id(scope)}
    return {"errors": [{"message": message, "extensions": extensions}]}


def json_response(scope: Scope, body: object, status: int, media_type: str) -> Response:
    """Make an answer that nobody keeps, and that tells what its request is known by."""
    return Response(
        msgspec.json.encode(body),
        status,
        headers={
            "Content-Type": f"{media_type}; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Request-Id": request_id(scope),
        },
    )
