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

# All names are compared without case, underscores and hyphens.
_HOLDERS = (
    *("error", "errors", "fault", "err", "detail", "status", "errormessages", "result"),
    *("meta", "header", "exception", "errordetails"),
)
_WRAPPERS = frozenset({"data", "response", "result", "payload", "body"})
"""Names of objects that may hold the whole document, an error included."""
_CODES = (
    *("code", "errorcode", "errcode", "faultcode", "statuscode", "status", "resultcode"),
    *("retcode", "errno", "type"),
)
_MESSAGES = (
    *("message", "errormsg", "errmsg", "errormessage", "errordescription", "faultstring"),
    *("detail", "details", "msg", "title", "reason", "description", "resultmessage"),
    *("retmsg", "exceptionmessage", "statusmessage"),
)
_REQUEST_IDS = ("requestid", "traceid", "correlationid")
_ERRORS = frozenset({"error", "errors", "fault", "err", "exception", "errormessages", "errmsg"})
"""Names whose value is an error, unless it is empty."""
_SUCCESS = frozenset(
    {"success", "ok", "succeeded", "successful", "issuccess", "issuccessful", "issucceeded"}
    | {"accepted", "retried", "deleted", "removed"}
)
_FAILURE = frozenset({"failed", "iserror", "haserror", "haserrors", "isfailed", "failure"})
_OTHERS = frozenset(
    {"id", "uuid", "timestamp", "time", "path", "field", "fields", "links", "instance", "source"}
    | {"documentationurl", "helplink", "moreinfo", "extensions", "jsonrpc", "version", "target"}
    | {"severity", "errortype", "httpstatus", "stacktrace", "trace", "parameters", "data"}
)
_ABOUT_ERRORS = frozenset(
    {*_HOLDERS, *_CODES, *_MESSAGES, *_REQUEST_IDS, *_ERRORS, *_SUCCESS, *_FAILURE, *_OTHERS}
)
"""All names in documents that are nothing but an error."""
_NO = frozenset({"false", "0", "no", "n", "none", "null", "nil", "", "ok", "success"})
_DONE = frozenset({"ok", "okay", "success", "succeeded", "done", "accepted", "true", "completed"})
_DONE |= {"successful", "0", "200", "201", "202", "204"}
_FAILED = frozenset({"error", "errors", "fail", "failed", "failure", "rejected", "denied"})
_FAILED |= {"fault", "exception", "unsuccessful", "nok", "ko"}
_RATE = (
    r"too many requests|rate.?limit|rate exceeded|throttl|quota|slow down|too frequent"
    r"|limit exceeded"
)
_UNAUTHORIZED = (
    r"unauthori[sz]ed|unauthenticated|not authenticated|authentication"
    r"|(token|credential|session|api.?key|signature|password|login)\b.*\b(expired|invalid|incorrect"
    r"|revoked|missing|required|wrong|not valid|not found|unknown|malformed|failed)"
    r"|(invalid|expired|incorrect|wrong|missing|revoked|unknown|bad)[ _-](access[ _-])?(token"
    r"|credential|session|api.?key|signature|password|client|login|grant)"
    r"|(log|sign)[ -]?in (again|first|required)|not logged in|invalid_auth|not_authed|expiredtoken"
)
_FORBIDDEN = (
    r"forbidden|permission|access denied|not (allowed|permitted|authori[sz]ed)|insufficient"
    r"|privilege"
)
_NOT_FOUND = (
    r"not found|not exist|doesn'?t exist|no such"
    r"|no route matched|unknown (queue|project|hook|repository|group|integration|trigger)"
)
_ERROR = (
    r"internal|unavailable|timed? ?out|overload|try again|maintenance|server error"
    r"|unexpected error|runtime(error|exception|\.| exited)"
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
    other = _common(document) or VendorError()
    if found.message:
        return found if found.code else msgspec.structs.replace(found, code=other.code)
    return other if other.message else found or other


def error_in_success(
    document: Any, read_error: ReadError, *, of_action: bool = False
) -> VendorError | None:
    """Return the error in the document of a 2xx response; None if there is none.

    An object with rows is never an error, one with an id only if it says so and has nothing else.
    Beside an empty list, or in the response to an action ("Retry scheduled"), a mere message is no
    error either.
    """
    if isinstance(document, str):
        return None if of_action else _in_text(document)
    if isinstance(document, list):
        return _in_list(document, read_error)
    if not isinstance(document, Mapping) or _has_rows(document):
        return None
    names = {_plain(name): value for name, value in document.items()}
    failed = _says_failed(names)
    found = describe(document, read_error)
    number = found.code is not None and re.fullmatch(r"[45]\d\d", found.code, re.ASCII) is not None
    if names.get("id") is not None or names.get("uuid") is not None:
        failed = failed and not _is_delivery(names)
        is_error = names.keys() <= _ABOUT_ERRORS and (failed or (number and bool(found.message)))
    elif of_action:
        is_error = failed or _has_error(names, found)
    elif _has_empty_list(names):
        is_error = failed or number or (not _means_success(names, found) and _is_known(found))
    else:
        is_error = failed or (bool(found) and not _means_success(names, found))
    if is_error:
        return found or VendorError(message="It failed, without a reason.")
    return _in_wrapper(names, read_error)


def is_answer_to_action(document: Any) -> bool:
    """Return whether a document without an error may be the answer to an action."""
    match document:
        case True | None:
            return True
        case str():
            return document.strip(" .!").lower() in _DONE
        case list():
            return all(isinstance(item, Mapping) for item in document)
    return isinstance(document, Mapping)


def _in_text(text: str) -> VendorError | None:
    said = VendorError(message=text)
    return said if 0 < len(text) <= 300 and _is_known(said) else None


def _in_list(items: list[Any], read_error: ReadError) -> VendorError | None:
    """Find the error in a list of nothing but errors."""
    for item in items:
        if not isinstance(item, Mapping) or "id" in item or "uuid" in item:
            return None
        names = {_plain(name): value for name, value in item.items()}
        if not names.keys() <= _ABOUT_ERRORS:
            return None
        found = describe(item, read_error)
        if not (_says_failed(names) or (found.code and found.message)):
            return None
    return describe(items[0], read_error) if items else None


def _in_wrapper(names: Mapping[str, Any], read_error: ReadError) -> VendorError | None:
    for name in _WRAPPERS & names.keys():
        inner = names[name]
        if isinstance(inner, Mapping) and {_plain(key) for key in inner} <= _ABOUT_ERRORS:
            found = error_in_success(inner, read_error, of_action=True)
            if found:
                return found
    return None


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


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _has_rows(document: Mapping[str, Any]) -> bool:
    return any(
        isinstance(value, list) and value and isinstance(value[0], dict) and not _ABOUT.search(name)
        for name, value in document.items()
    )


def _has_empty_list(names: Mapping[str, Any]) -> bool:
    return any(value == [] and not _ABOUT.search(name) for name, value in names.items())


def _is_delivery(names: Mapping[str, Any]) -> bool:
    """Whether only the status says that it failed, which may be that of the delivery."""
    others = {name: value for name, value in names.items() if name not in {"status", "state"}}
    return not _says_failed(others)


def _has_error(names: Mapping[str, Any], found: VendorError) -> bool:
    if any(_is_error(value) and re.search("err|fault", name) for name, value in names.items()):
        return True
    return (
        found.code is not None
        and found.code.lower() not in _DONE
        and not re.fullmatch(r"[123]?\d\d?", found.code, re.ASCII)
    )


def _is_known(found: VendorError) -> bool:
    """Whether the words are those of a failure, and not just of a list without rows."""
    return error_code_of(found) not in {ErrorCode.UPSTREAM_REJECTED, ErrorCode.UPSTREAM_NOT_FOUND}


def _means_success(names: Mapping[str, Any], found: VendorError) -> bool:
    """Whether it is the "code: 0, message: success" that some systems add to every response."""
    said = [found.code or "", found.message or ""]
    said += [str(names[name]) for name in ("status", "result", "code") if name in names]
    return any(text.strip(" .!").lower() in _DONE for text in said if text) or any(
        names.get(name) is True for name in _SUCCESS
    )


def _says_failed(names: Mapping[str, Any]) -> bool:
    for name, value in names.items():
        if name in _SUCCESS and str(value).lower() in {"false", "0", "no"}:
            return True
        if name in _FAILURE and (value is True or str(value).lower() == "true"):
            return True
        if name in _ERRORS and _is_error(value):
            return True
        if name in {"status", "result", "state"} and str(value).lower() in _FAILED:
            return True
    return False


def _is_error(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in _NO
    return bool(value)


def _common(document: Any, depth: int = 0) -> VendorError | None:
    """Find code and message in the common forms."""
    if isinstance(document, list):
        items = document[:5] if depth else [item for item in document[:5] if type(item) is dict]
        found = (_common(item, depth + 1) for item in items if depth < 3)
        return next(filter(None, found), None)
    if isinstance(document, str):
        return VendorError(message=document) if depth and _is_error(document) else None
    if isinstance(document, int) and not isinstance(document, bool):
        return VendorError(code=str(document)) if depth and document else None
    return _in_object(document, depth) if isinstance(document, Mapping) else None


def _in_object(document: Mapping[str, Any], depth: int) -> VendorError | None:
    names = {_plain(name): value for name, value in document.items()}
    code, message = _first(names, _CODES), _first(names, _MESSAGES)
    if message is None and depth < 3:
        inner = _held(names, depth)
        if inner:
            return VendorError(
                inner.code or code,
                inner.message,
                inner.request_id or _first(names, _REQUEST_IDS),
            )
    elif isinstance(error := names.get("error"), str) and _is_error(error):
        code = error  # OAuth's, RFC 6749
    if message is None and not (code and depth):
        return None
    return VendorError(code, message, _first(names, _REQUEST_IDS))


def _held(names: Mapping[str, Any], depth: int) -> VendorError | None:
    for name in _HOLDERS:
        holder = names.get(name)
        is_text = isinstance(holder, str | int)
        if (holder and not is_text) or name in {"error", "fault", "err"}:
            if inner := _common(holder, depth + 1):
                return inner
            if isinstance(holder, Mapping) and name == "errors":
                return _about_field(holder)
    return None


def _about_field(errors: Mapping[str, Any]) -> VendorError | None:
    """Read ``{"page": ["is not valid"]}``."""
    for name, said in errors.items():
        text = said[0] if isinstance(said, list) and said else said
        if isinstance(text, str):
            return VendorError(message=f"{name}: {text}")
    return None


def _first(document: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None
