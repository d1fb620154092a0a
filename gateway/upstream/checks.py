"""Whether a 2xx response is what its request has asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from gateway.upstream.envelopes import error_in_success, is_answer_to_action
from gateway.upstream.errors import not_json, plain_text

if TYPE_CHECKING:
    from gateway.upstream.answer import Answer
    from gateway.upstream.call import Request
    from gateway.upstream.envelopes import ReadError, VendorError

NO_CONTENT = frozenset({204, 205})


def error_in(answer: Answer, request: Request, read_error: ReadError) -> VendorError | None:
    """Return the error inside a 2xx response, if there is one."""
    if not httpx.codes.is_success(answer.status) or answer.is_blank:
        return None
    if request.rows is not None:
        # One row shows whether they are rows, or the parts of an error.
        outline = answer.outline(request.rows)
        if outline is not None and error_in_success(outline, read_error) is None:
            return None
    try:
        document = answer.json()
    except ValueError:
        document = plain_text(answer)
    return error_in_success(document, read_error, of_action=request.is_action)


def check_document(answer: Answer, source: str, *, action: bool) -> None:
    """Raise UpstreamError if a 2xx response lacks a required document."""
    if answer.is_blank:
        if action or answer.status in NO_CONTENT:
            return
        raise not_json(answer, source)
    try:
        document = answer.json()
    except ValueError:
        raise not_json(answer, source) from None
    if action and not is_answer_to_action(document):
        raise not_json(answer, source)
