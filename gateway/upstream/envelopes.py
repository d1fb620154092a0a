"""Errors inside documents: the vendor's description of a failure, whatever the status.

Each vendor's own form is read by its ``read_error``. API gateways in front of it and frameworks
below it have forms of their own, some of them with status 200::

    {"error": {"code": "DEV.CH.10001", "message": "Token expired"}, "status": "failed"}
    {"success": false, "message": "The entry was removed."}
    {"error": "invalid_token", "error_description": "The token has expired."}
    {"fault": {"faultstring": "Rate limit exceeded"}}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.errors import ErrorCode


class VendorError(msgspec.Struct, frozen=True):
    """A vendor's own description of a failure, not yet redacted."""

    code: str | None = None
    message: str | None = None
    request_id: str | None = None

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self.code or self.message)


ReadError = Callable[[Any], VendorError]
"""Finds the vendor's message in a decoded body of any type."""

_HOLDERS = ("error", "errors", "fault", "err", "detail", "status", "errorMessages", "result")
_CODES = ("code", "error_code", "errorCode", "errorcode", "errCode", "statusCode", "status", "type")
_MESSAGES = (
    "message",
    "error_msg",
    "errorMsg",
    "errorMessage",
    "error_message",
    "error_description",
    "faultstring",
    "detail",
    "details",
    "msg",
    "title",
    "reason",
    "description",
)
_REQUEST_IDS = ("request_id", "requestId", "RequestId", "trace_id", "traceId")
_FAILED = frozenset({"error", "errors", "fail", "failed", "failure", "rejected", "denied"})
_RATE = r"too many requests|rate.?limit|throttl|quota|slow down|too frequent"
_UNAUTHORIZED = (
    r"unauthori[sz]ed|unauthenticated|not authenticated|authentication"
    r"|(token|credential|session|api.?key|signature|password|login)\b.*\b(expired|invalid|incorrect"
    r"|revoked|missing|required|wrong|not valid|not found|unknown|malformed|failed)"
    r"|(invalid|expired|incorrect|wrong|missing|revoked|unknown|bad)[ _-](access[ _-])?(token"
    r"|credential|session|api.?key|signature|password|client|login|grant)"
    r"|(log|sign)[ -]?in (again|first|required)|not logged in"
)
_FORBIDDEN = (
    r"forbidden|permission|access denied|not (allowed|permitted|authori[sz]ed)|insufficient"
    r"|privilege"
)
_NOT_FOUND = (
    r"not found|not exist|doesn'?t exist|no such"
    r"|unknown (queue|project|hook|repository|group|integration|trigger)"
)
_ERROR = (
    r"internal|unavailable|timed? ?out|overload|try again|maintenance|server error"
    r"|unexpected error"
)
_WORDS = (
    (ErrorCode.UPSTREAM_RATE_LIMITED, _RATE),
    (ErrorCode.UPSTREAM_UNAUTHORIZED, _UNAUTHORIZED),
    (ErrorCode.UPSTREAM_FORBIDDEN, _FORBIDDEN),
    (ErrorCode.UPSTREAM_NOT_FOUND, _NOT_FOUND),
    (ErrorCode.UPSTREAM_ERROR, _ERROR),
)
"""In order of precedence; the first match decides."""
_ABOUT = re.compile("error|detail|warning|violation|message|trace|stack|link", re.IGNORECASE)
"""Names of lists that describe failures instead of holding rows."""
_STATUSES = {
    401: ErrorCode.UPSTREAM_UNAUTHORIZED,
    403: ErrorCode.UPSTREAM_FORBIDDEN,
    404: ErrorCode.UPSTREAM_NOT_FOUND,
    410: ErrorCode.UPSTREAM_NOT_FOUND,
    429: ErrorCode.UPSTREAM_RATE_LIMITED,
}


def describe(document: Any, read_error: ReadError) -> VendorError:
    """Return the description of a failure in a document, in the vendor's form or a common one."""
    found = read_error(document)
    if found.message:
        return found
    other = _common(document)
    return other if other and other.message else found or other or VendorError()


def error_in_success(
    document: Any, read_error: ReadError, *, of_action: bool = False
) -> VendorError | None:
    """Return the error in the document of a 2xx response; None if there is none.

    An object with an id or with rows is never an error. The response to an action may be just a
    message ("Retry scheduled"), so only an explicit sign of failure makes it an error.
    """
    if not isinstance(document, Mapping) or _is_answer(document):
        return None
    failed = _says_failed(document)
    found = describe(document, read_error)
    if not failed and (not found or _means_success(found)):
        return None
    if of_action and not failed and not _has_error(document, found):
        return None
    return found or VendorError(message="It failed, without a reason.")


def error_code_of(error: VendorError) -> ErrorCode:
    """Return the gateway's error code for an error without a telling status."""
    number = error.code or ""
    if re.fullmatch(r"[1-5]\d\d", number, re.ASCII):
        status = int(number)
        if status in _STATUSES:
            return _STATUSES[status]
        return ErrorCode.UPSTREAM_ERROR if status >= 500 else ErrorCode.UPSTREAM_REJECTED
    text = f"{error.code or ''} {error.message or ''}".lower()
    for code, pattern in _WORDS:
        if re.search(pattern, text[:2000]):
            return code
    return ErrorCode.UPSTREAM_REJECTED


def _is_answer(document: Mapping[str, Any]) -> bool:
    if document.get("id") is not None or document.get("uuid") is not None:
        return True
    return any(
        isinstance(value, list) and value and isinstance(value[0], dict) and not _ABOUT.search(name)
        for name, value in document.items()
    )


def _has_error(document: Mapping[str, Any], found: VendorError) -> bool:
    if any(value and re.search("err|fault", name.lower()) for name, value in document.items()):
        return True
    return found.code is not None and not re.fullmatch(r"[123]?\d\d?", found.code, re.ASCII)


def _means_success(found: VendorError) -> bool:
    """Whether it is the "code: 0, message: success" that some systems add to every response."""
    return found.code in {"0", "200", "OK"} or (found.message or "").lower() in {"ok", "success"}


def _says_failed(document: Mapping[str, Any]) -> bool:
    if document.get("success") is False or document.get("ok") is False:
        return True
    return any(
        isinstance(value := document.get(name), str) and value.lower() in _FAILED
        for name in ("status", "result", "state")
    )


def _common(document: Any, depth: int = 0) -> VendorError | None:
    """Find code and message in the common forms."""
    if isinstance(document, list):
        items = document[:5] if depth else [item for item in document[:5] if type(item) is dict]
        found = (_common(item, depth + 1) for item in items if depth < 3)
        return next(filter(None, found), None)
    if isinstance(document, str):
        return VendorError(message=document) if depth else None
    if not isinstance(document, Mapping):
        return None
    code, message = _first(document, _CODES), _first(document, _MESSAGES)
    if message is None and depth < 3:
        for name in _HOLDERS:
            holder = document.get(name)
            if (holder and not isinstance(holder, str)) or name in {"error", "fault", "err"}:
                inner = _common(holder, depth + 1)
                if inner:
                    return VendorError(
                        inner.code or code,
                        inner.message,
                        inner.request_id or _first(document, _REQUEST_IDS),
                    )
    elif message is not None and isinstance(document.get("error"), str):
        code = document["error"]  # OAuth's, RFC 6749
    if message is None and not (code and depth):
        return None
    return VendorError(code, message, _first(document, _REQUEST_IDS))


def _first(document: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None
