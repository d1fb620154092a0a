"""What callers see of a failure: a sentence, a code of the closed set, and nothing else."""

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
)

log = logging.getLogger(__name__)


def explain(error: GraphQLError) -> GraphQLError:
    """Give an error its code, and mask it if the gateway did not mean to raise it."""
    message, extensions = _told(error)
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )


def _told(error: GraphQLError) -> tuple[str, dict[str, Any]]:
    match error.original_error:
        case UpstreamError() as original:
            return str(original), _of_vendor(original)
        case AllSourcesFailedError() as original:
            sources = [_of_vendor(failure) for failure in original.errors]
            return str(original), {"code": original.code.name, "sources": sources}
        case JournalError() as original:
            log.error("The journal can't be used.", exc_info=original)
            message = "The journal of actions can't be used now, so this call did nothing."
            return f"{message} Try again later.", {"code": original.code.name}
        case RequestError() as original:
            return str(original), {"code": original.code.name}
        case None | GraphQLError() if not _is_of_a_result(error):
            parsed = not isinstance(error, GraphQLSyntaxError)
            code = "GRAPHQL_VALIDATION_FAILED" if parsed else "GRAPHQL_PARSE_FAILED"
            return error.message, {"code": ErrorCode[code].name}
        case original:
            log.error("There is a defect at %s.", error.path, exc_info=original or error)
            return (
                "The gateway has a defect here. Its log tells more.",
                {"code": ErrorCode.INTERNAL_ERROR.name},
            )


def _is_of_a_result(error: GraphQLError) -> bool:
    """Tell whether it was a field's result, not an argument, that did not fit its type."""
    return error.path is not None and all(isinstance(node, FieldNode) for node in error.nodes or ())


def _of_vendor(error: UpstreamError) -> dict[str, Any]:
    extensions = {
        "code": error.code.name,
        "source": error.source,
        "httpStatus": error.status,
        "vendorCode": error.vendor_code,
        "vendorMessage": error.vendor_message,
        "vendorRequestId": error.vendor_request_id,
    }
    return {name: value for name, value in extensions.items() if value is not None}
