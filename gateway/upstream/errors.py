"""What went wrong with a vendor: a code, a sentence, and the vendor's own words."""

from __future__ import annotations

import email.utils
import re
import socket
import ssl
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from gateway.errors import ErrorCode, UpstreamError
from gateway.normalise.redaction import redact_text

if TYPE_CHECKING:
    from gateway.upstream.answer import Answer


class VendorError(msgspec.Struct, frozen=True):
    """What the vendor itself says about a failure, not redacted yet."""

    code: str | None = None
    message: str | None = None
    request_id: str | None = None


ReadError = Callable[[Any], VendorError]
"""Finds the vendor's words in a decoded body, whatever its type."""


def refusal(
    answer: Answer, read_error: ReadError, *, source: str, now: int, path: str | None
) -> UpstreamError:
    """Make the error for an answer that is not 2xx.

    ``now`` is in Unix nanoseconds, for a Retry-After that names a moment. ``path`` is what was
    asked for, because a source may have many places and be refused one; it is None where that was
    a token, so that nothing but the credential was judged.
    """
    try:
        vendor = read_error(answer.json())
    except ValueError:
        vendor = VendorError()
    answered = f"answered {_phrase(answer.status)}"
    if path is None:
        code, advice = _explain_token(answer.status)
        told = f"got no token: its token endpoint {answered}"
    else:
        code, advice = _explain(answer.status)
        told = f"{answered} to {_shown(path)}"
    message = _shown(vendor.message)
    said = f" and said: {message.rstrip('.')}" if message else ""
    return UpstreamError(
        code,
        f"Source {source} {told}{said}. {advice}",
        source=source,
        status=answer.status,
        vendor_code=_shown(vendor.code),
        vendor_message=message,
        vendor_request_id=_shown(vendor.request_id or answer.headers.get("X-Request-Id")),
        retry_after=_retry_after(answer.headers.get("Retry-After", ""), now),
    )


_ADVICE = {
    401: (ErrorCode.UPSTREAM_UNAUTHORIZED, "Check the source's credential under auth."),
    403: (ErrorCode.UPSTREAM_FORBIDDEN, "Give the credential the right to do this."),
    404: (ErrorCode.UPSTREAM_NOT_FOUND, "Check base_url and the configured place."),
    429: (ErrorCode.UPSTREAM_RATE_LIMITED, "Ask again later, or lower its rate_limit."),
}


def _explain(status: int) -> tuple[ErrorCode, str]:
    if status in _ADVICE:
        return _ADVICE[status]
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ErrorCode.UPSTREAM_ERROR, "The vendor has trouble; try again later."
    if status < httpx.codes.BAD_REQUEST:
        return ErrorCode.UPSTREAM_REJECTED, "Redirects are not followed; check base_url."
    return ErrorCode.UPSTREAM_REJECTED, "Check the source's configuration."


def _explain_token(status: int) -> tuple[ErrorCode, str]:
    if status in {400, 401, 403}:
        return _ADVICE[401]
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return _explain(status)
    return ErrorCode.UPSTREAM_REJECTED, "Check base_url, and url under auth where there is one."


def _phrase(status: int) -> str:
    return f"{status} {httpx.codes.get_reason_phrase(status)}".strip()


def _shown(text: str | None) -> str | None:
    """Redact what a vendor said, and fit it into one short line."""
    if text is None:
        return None
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
    return redact_text(line)[:300]


def _retry_after(text: str, now: int) -> float | None:
    """Read the header's seconds or date (RFC 9110, 10.2.3) as seconds from now."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return None if moment.tzinfo is None else max(0.0, moment.timestamp() - now / 1e9)


def unreachable(error: Exception, source: str) -> UpstreamError:
    """Make the error for a request that got no whole answer."""
    code = ErrorCode.UPSTREAM_UNREACHABLE
    causes = tuple(_causes(error))
    match error:
        case httpx.TimeoutException():
            code, what = ErrorCode.UPSTREAM_TIMEOUT, "did not answer in time; try again"
        case httpx.DecodingError() | zlib.error():
            code = ErrorCode.UPSTREAM_INVALID_RESPONSE
            what = "sent an answer that can't be unpacked; check base_url and any proxy in between"
        case _ if _any(causes, ssl.SSLCertVerificationError):
            what = "could not be reached safely: its certificate is not trusted; set ca_bundle"
        case _ if _any(causes, ssl.SSLError):
            what = "could not be reached safely: TLS failed; check scheme and port of base_url"
        case _ if _any(causes, socket.gaierror):
            what = "could not be reached: its host name does not resolve; check base_url"
        case httpx.ConnectError():
            what = "could not be reached: nothing answers there; check base_url and the network"
        case _:
            what = "broke the connection; try again, and check base_url if it goes on"
    # A connection that was never made has carried no request.
    sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    return UpstreamError(code, f"Source {source} {what}.", source=source, sent=sent)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _any(causes: tuple[BaseException, ...], kind: type[BaseException]) -> bool:
    return any(isinstance(cause, kind) for cause in causes)


def kept(error: UpstreamError) -> UpstreamError:
    """Copy an error without its traceback, which would keep all that was read alive."""
    copy = UpstreamError.__new__(UpstreamError, *error.args)
    vars(copy).update(vars(error))
    return copy
