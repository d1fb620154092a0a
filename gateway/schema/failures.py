"""Errors as callers see them: a message, a code from ErrorCode, and a vendor's own details."""

from __future__ import annotations

import logging
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLSyntaxError

from gateway.errors import (
    AllSourcesFailedError,
    ErrorCode,
    JournalError,
    RequestError,
    UpstreamError,
    without_frames,
)

log = logging.getLogger(__name__)

_NO_JOURNAL = (
    "The gateway can't use its journal now, so this request started no retry or deletion. Try again"
    " later. If the error persists, the gateway's log has the cause."
)
_DEFECT = "A defect in the gateway broke this field. The gateway's log has the details."


def explain(error: GraphQLError) -> GraphQLError:
    """Return the error with its code, masked if it is a defect of the gateway.

    Strawberry's MaskErrors is not used: it masks validation errors too.
    """
    message, extensions = _message_and_extensions(error)
    # graphql-core's execution keeps its errors, and itself.
    for kept in (error, error.original_error):
        if kept is not None:
            without_frames(kept)
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )


def _message_and_extensions(error: GraphQLError) -> tuple[str, dict[str, Any]]:
    match error.original_error:
        case UpstreamError() as original:
            return str(original), _vendor_extensions(original)
        case AllSourcesFailedError() as original:
            sources = [_vendor_extensions(failure) for failure in original.errors]
            return str(original), {"code": original.code.name, "sources": sources}
        case JournalError() as original:
            log.error("The journal can't be opened, read or written: %s", original.reason)
            return _NO_JOURNAL, {"code": original.code.name}
        case RequestError() as original:
            return str(original), {"code": original.code.name}
        case None | GraphQLError() if not _concerns_result(error):
            parsed = not isinstance(error, GraphQLSyntaxError)
            code = "GRAPHQL_VALIDATION_FAILED" if parsed else "GRAPHQL_PARSE_FAILED"
            return error.message, {"code": ErrorCode[code].name}
        case original:
            log.error("Defect at %s.", error.path, exc_info=original or error)
            return _DEFECT, {"code": ErrorCode.INTERNAL_ERROR.name}


def _concerns_result(error: GraphQLError) -> bool:
    """Whether the result of a field, rather than one of its arguments, does not fit its type."""
    return error.path is not None and all(isinstance(node, FieldNode) for node in error.nodes or ())


def _vendor_extensions(error: UpstreamError) -> dict[str, Any]:
    extensions = {
        "code": error.code.name,
        "source": error.source,
        "httpStatus": error.status,
        "vendorCode": error.vendor_code,
        "vendorMessage": error.vendor_message,
        "vendorRequestId": error.vendor_request_id,
    }
    return {name: value for name, value in extensions.items() if value is not None}
