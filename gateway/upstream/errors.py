"""Errors for failed vendor calls: a code, a sentence, and the vendor's own message."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import httpx

from gateway.errors import ErrorCode, UpstreamError
from gateway.normalise.redaction import redact_text
from gateway.upstream import waits
from gateway.upstream.envelopes import ReadError, VendorError, describe, error_code_of

if TYPE_CHECKING:
    from gateway.upstream.answer import Answer

__all__ = [
    "ReadError",
    "VendorError",
    "copy_without_traceback",
    "is_rate_limited",
    "not_json",
    "plain_text",
    "refusal",
]

_WANTS_TLS = "Its port wants TLS; begin base_url with https://."
_WANTS_CERTIFICATE = "It wants a client certificate; set client_certificate and client_key."
_TROUBLE = "The vendor has trouble; try again later."
_IN_BETWEEN = "The vendor, or a proxy in between, has trouble; try again later."
_ADVICE = {
    401: (ErrorCode.UPSTREAM_UNAUTHORIZED, "Check the source's credential under auth."),
    403: (ErrorCode.UPSTREAM_FORBIDDEN, "Give the credential the right to do this."),
    404: (ErrorCode.UPSTREAM_NOT_FOUND, "Check base_url and the configured place."),
    405: (ErrorCode.UPSTREAM_REJECTED, "Check base_url, and that the API is of that version."),
    406: (ErrorCode.UPSTREAM_REJECTED, "Check base_url: its API gives JSON."),
    407: (
        ErrorCode.UPSTREAM_REJECTED,
        "A proxy in between wants a credential of its own, which the gateway does not have.",
    ),
    410: (ErrorCode.UPSTREAM_NOT_FOUND, "Check base_url and the configured place."),
    413: (ErrorCode.UPSTREAM_REJECTED, "Check any proxy in between."),
    414: (ErrorCode.UPSTREAM_REJECTED, "Ask with a shorter filter."),
    421: (ErrorCode.UPSTREAM_REJECTED, "Check the host of base_url."),
    429: (ErrorCode.UPSTREAM_RATE_LIMITED, "Ask again later, or lower its rate_limit."),
    431: (ErrorCode.UPSTREAM_REJECTED, "Its headers are too long: check the credential."),
    495: (ErrorCode.UPSTREAM_REJECTED, _WANTS_CERTIFICATE),
    496: (ErrorCode.UPSTREAM_REJECTED, _WANTS_CERTIFICATE),
    497: (ErrorCode.UPSTREAM_REJECTED, _WANTS_TLS),
    511: (
        ErrorCode.UPSTREAM_ERROR,
        "The network of this machine wants a login first; check the network.",
    ),
}
_ADVICE_BY_CODE = {
    ErrorCode.UPSTREAM_UNAUTHORIZED: _ADVICE[401][1],
    ErrorCode.UPSTREAM_FORBIDDEN: _ADVICE[403][1],
    ErrorCode.UPSTREAM_NOT_FOUND: _ADVICE[404][1],
    ErrorCode.UPSTREAM_RATE_LIMITED: _ADVICE[429][1],
    ErrorCode.UPSTREAM_ERROR: _TROUBLE,
}
_XML_MESSAGE = re.compile(
    r"<(?:[\w-]+:)?(?:message|error_?msg|error_?message|faultstring|description|detail)\b[^>]{0,200}>"
    r"([^<]{1,300})</",
    re.IGNORECASE,
)
_PLAIN_HTTP = re.compile(
    rb"plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server"
    rb"|speaking plain HTTP to an SSL-enabled",
    re.IGNORECASE,
)
"""Responses of nginx, Go and Apache to HTTP on an HTTPS port."""
_NO_CERTIFICATE = re.compile(
    rb"No required SSL certificate was sent|SSL certificate error", re.IGNORECASE
)
"""Response of nginx if it requires a client certificate."""


def refusal(
    answer: Answer,
    read_error: ReadError,
    *,
    source: str,
    now: int,
    url: httpx.URL,
    token_setting: str | None = None,
    vendor: VendorError | None = None,
) -> UpstreamError:
    """Return the error for a response that is not 2xx, or is the error ``vendor`` in a 2xx.

    ``now`` is in Unix nanoseconds. The sentence names the path, since a source may read many paths
    and be refused one. For a token request, where only the credential can be at fault,
    ``token_setting`` names the setting with the address.
    """
    status = answer.status
    limited = is_rate_limited(answer, now)
    if vendor is not None:
        code = error_code_of(vendor)
        advice = _ADVICE_BY_CODE.get(code, "Check the source's configuration.")
        answered = f"answered {_phrase(status)} with an error"
    else:
        vendor = _vendor_error(answer, read_error)
        code, advice = _ADVICE[429] if limited else _explain(answer, url, token_setting)
        answered = f"answered {_phrase(status)}"
    if token_setting is not None:
        outcome = f"got no token: its token endpoint {answered}"
    else:
        outcome = f"{answered} to {_shown(url.path)}"
    message = _shown(vendor.message)
    said = f" and said: {message.rstrip('.')}" if message else ""
    wait = waits.retry_after(answer.headers, now)
    if limited:
        resets = waits.exhausted(answer.headers, now)
        wait = max(resets if wait is None else [wait, *resets], default=None)
    if wait is not None and wait > waits.PLAUSIBLE:
        advice += (
            f" It asks for a pause of {wait:.3g} seconds, which can't be right; it is called again"
            f" after {waits.MAX_PAUSE:g}."
        )
        wait = waits.MAX_PAUSE
    return UpstreamError(
        code,
        f"Source {source} {outcome}{said}. {advice}",
        source=source,
        status=status,
        vendor_code=_shown(vendor.code),
        vendor_message=message,
        vendor_request_id=_shown(vendor.request_id or _request_id(answer.headers)),
        retry_after=wait,
    )


def _request_id(headers: httpx.Headers) -> str | None:
    """Return the id of the request, in the usual header or in one that the vendor is named in."""
    names = ["x-request-id", *(name for name in headers if name.endswith("-request-id"))]
    return next((headers[name] for name in names if name in headers), None)


def is_rate_limited(answer: Answer, now: int) -> bool:
    """Return whether a response refuses a call for a rate limit: a 429, or a 403 that says so.

    Some vendors answer 403, with ``Retry-After`` or with no calls left, where others answer 429. A
    403 without either is about a permission.
    """
    if answer.status != httpx.codes.FORBIDDEN:
        return answer.status == httpx.codes.TOO_MANY_REQUESTS
    headers = answer.headers
    return waits.retry_after(headers, now) is not None or waits.is_exhausted(headers)


def not_json(answer: Answer, source: str) -> UpstreamError:
    """Return the error for a 2xx response without a JSON document."""
    kind = answer.headers.get("Content-Type", "").lower()
    if answer.is_blank:
        what = "answered with an empty body; try again, and check base_url"
    elif answer.packing:
        what = (
            f"packed its answer as {answer.packing}, for which it was not asked; check any proxy in"
            " between"
        )
    elif _is_xml(answer):
        what = (
            "answered with XML instead of JSON; check base_url, and that the API is of that version"
        )
    elif "html" in kind or answer.content.lstrip()[:1] == b"<":
        what = (
            "answered with a web page instead of JSON; check base_url, and whether a proxy or a"
            " login page stands in between"
        )
    else:
        what = "answered with something that is not whole JSON; try again, and check base_url"
    text = _shown(plain_text(answer))
    return UpstreamError(
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        f"Source {source} {what}." + (f" It said: {text.rstrip('.')}." if text else ""),
        source=source,
        vendor_message=text,
    )


def _vendor_error(answer: Answer, read_error: ReadError) -> VendorError:
    try:
        return describe(answer.json(), read_error)
    except ValueError:
        return VendorError(message=plain_text(answer))


def plain_text(answer: Answer) -> str | None:
    """Return a body that is a single line of plain text, or the message in an XML document."""
    kind = answer.headers.get("Content-Type", "").lower()
    if answer.packing:
        return None
    if _is_xml(answer):
        found = _XML_MESSAGE.search(answer.text[:10_000])
        return html.unescape(found[1]).strip() if found else None
    if not kind.startswith("text/plain"):
        return None
    line = answer.text.strip()
    return line if 0 < len(line) <= 300 and line[0] not in '<{["' else None


def _is_xml(answer: Answer) -> bool:
    """Whether it is XML, but no web page."""
    head = answer.content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = answer.headers.get("Content-Type", "").lower()
    marked = head.startswith(b"<?xml") or ("xml" in kind and head.startswith(b"<"))
    return marked and b"<html" not in head


def _explain(answer: Answer, url: httpx.URL, token_setting: str | None) -> tuple[ErrorCode, str]:
    status = answer.status
    if status == httpx.codes.BAD_REQUEST and (advice := _tls_advice(answer)):
        return ErrorCode.UPSTREAM_REJECTED, advice
    if status >= 500 and status not in _ADVICE:
        advice = _IN_BETWEEN if status in {502, 504} or status >= 520 else _TROUBLE
        return ErrorCode.UPSTREAM_ERROR, advice
    if 300 <= status < 400:
        return ErrorCode.UPSTREAM_REJECTED, _redirected(answer, url, token_setting or "base_url")
    if token_setting is not None:
        if status in {400, 401, 403}:
            return _ADVICE[401]
        return ErrorCode.UPSTREAM_REJECTED, f"Check {token_setting}."
    return _ADVICE.get(status, (ErrorCode.UPSTREAM_REJECTED, "Check the source's configuration."))


def _tls_advice(answer: Answer) -> str | None:
    head = answer.content[:10_000]
    if _PLAIN_HTTP.search(head):
        return _WANTS_TLS
    return _WANTS_CERTIFICATE if _NO_CERTIFICATE.search(head) else None


def _redirected(answer: Answer, url: httpx.URL, setting: str) -> str:
    """Return the advice for a redirect, with the target's origin if it is another one."""
    advice = f"Redirects are not followed; check {setting}"
    try:
        target = url.join(answer.headers.get("Location", ""))
    except (httpx.InvalidURL, ValueError):
        return f"{advice}."
    if (target.scheme, target.host, target.port) == (url.scheme, url.host, url.port):
        return f"{advice}, and whether a login page stands in between."
    if target.scheme not in {"http", "https"}:
        return f"{advice}."
    port = f":{target.port}" if target.port else ""
    return f"{advice}: this one points to {_shown(f'{target.scheme}://{target.host}{port}')}."


def _phrase(status: int) -> str:
    return f"{status} {httpx.codes.get_reason_phrase(status)}".strip()


def _shown(text: str | None) -> str | None:
    """Redact a vendor's text and shorten it to one line."""
    if text is None:
        return None
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
    return redact_text(line)[:300]


def copy_without_traceback(error: UpstreamError) -> UpstreamError:
    """Copy an error without its traceback, which would keep the whole response alive."""
    copy = UpstreamError.__new__(UpstreamError, *error.args)
    vars(copy).update(vars(error))
    return copy
