"""GraphQL responses to executed operations and to refused requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from gateway.errors import ErrorCode
from gateway.web.media_types import JSON
from gateway.web.request import request_id

if TYPE_CHECKING:
    from starlette.types import Scope
    from strawberry.types import ExecutionResult

LONG_TEXT = 200
"""Minimum length of a text whose size is remembered."""
MAX_LEVEL = 100
"""Depth below which values are encoded to measure their size."""


def result_body(scope: Scope, result: ExecutionResult) -> dict[str, Any]:
    """Build the body of a response; it has ``data`` if the operation was executed."""
    errors = result.errors or []
    # An error without a path concerns the request, not a field.
    executed = result.data is not None or any(error.path for error in errors)
    body: dict[str, Any] = {"data": result.data} if executed else {}
    if errors:
        body["errors"] = with_request_id(scope, (error.formatted for error in errors))
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def size(value: Any, known: dict[int, int], level: int = 0) -> int:
    """Return the size of a value as JSON in bytes, measuring each repeated object once.

    Aliases repeat values, so that a small document can select a gigabyte. ``known`` maps the ids of
    long texts, lists and objects to their sizes; they have to outlive it. Escapes in short texts
    are not counted.
    """
    if isinstance(value, str):
        if len(value) < LONG_TEXT:
            return len(value.encode()) + 2
    elif not isinstance(value, dict | list):
        return len(msgspec.json.encode(value))
    found = known.get(id(value))
    if found is None:
        if isinstance(value, str) or level > MAX_LEVEL:
            found = len(msgspec.json.encode(value))
        elif isinstance(value, dict):
            found = sum(len(name) + 4 + size(value[name], known, level + 1) for name in value)
        else:
            found = sum(1 + size(inner, known, level + 1) for inner in value)
        known[id(value)] = found
    return found


def with_request_id(scope: Scope, errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add the id of the request to errors."""
    own = {"requestId": request_id(scope)}
    return [{**error, "extensions": {**error.get("extensions", {}), **own}} for error in errors]


def refusal_response(
    scope: Scope,
    status: int,
    message: str,
    media_type: str = JSON,
    *,
    code: ErrorCode = ErrorCode.BAD_REQUEST,
) -> Response:
    """Build the response to a request that is not executed."""
    return json_response(scope, error_body(scope, message, code), status, media_type)


def error_body(scope: Scope, message: str, code: ErrorCode) -> dict[str, Any]:
    """Build the body of a response with one error and no data."""
    extensions = {"code": code.name, "requestId": request_id(scope)}
    return {"errors": [{"message": message, "extensions": extensions}]}


def json_response(scope: Scope, body: object, status: int, media_type: str) -> Response:
    """Build a response that is not to be stored, with the id of its request."""
    return Response(
        msgspec.json.encode(body),
        status,
        headers={
            "Content-Type": f"{media_type}; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Request-Id": request_id(scope),
        },
    )
