"""Why a delivery failed, read from the HTTP status and from the vendor's own words.

The words are those of the HTTP clients that vendors send with (Go, Java, Python, Ruby, Node, .NET,
curl) and of the vendors themselves.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from gateway.model import Failure, FailureCategory
from gateway.redaction import redact_text

_RETRYABLE_CLIENT_ERRORS = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
_LASTING_SERVER_ERRORS = frozenset(
    {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}
)

# Only the beginning of a message is looked at, so the patterns need not be linear.
_LOOKED_AT = 1000

_STATUS_IN_TEXT = re.compile(
    r"(?:\bstatus(?: code)?|\bhttp(?:/\d(?:\.\d)?)?(?: error| response| status)?|response code"
    r"|returned error|indicate success)[ :=]{1,3}([345]\d\d)\b(?!\.\d)"
    r"|\A([345]\d\d) (?:client error|server error|[a-z])",
    re.IGNORECASE,
)

# (pattern, category, retryable); the first that is found decides, so the cause that is told inside
# a wider one ("could not connect: certificate has expired") stands above it.
_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), category, retryable)
    for pattern, category, retryable in (
        # CodeArts and GitLab write this, and only this, whenever no answer was received.
        (r"\Ainternal error\Z", FailureCategory.NO_RESPONSE, True),
        (r"TLS handshake timeout|handshake.{0,20} timed out", FailureCategory.TIMEOUT, True),
        (
            r"lookup .*(?:i/o timeout|server misbehaving)|temporary failure in name resolution"
            r"|EAI_AGAIN|try again.{0,20}resol|SERVFAIL",
            FailureCategory.DNS,
            True,
        ),
        (
            r"no such host|name or service not known|nodename nor servname|getaddrinfo|ENOTFOUND"
            r"|NXDOMAIN|UnknownHost|could not resolve|couldn't resolve|name resolution"
            r"|name does not resolve|no address associated with hostname|nameresolution",
            FailureCategory.DNS,
            False,
        ),
        (
            r"x509|certificate|\btls\b|\bssl\b|SSL_|SSLError|SSLHandshake|PKIX|CERT_|_CERT"
            r"|UNABLE_TO_VERIFY|handshake|HTTP response to HTTPS client|EPROTO",
            FailureCategory.TLS,
            False,
        ),
        (r"redirect", FailureCategory.REDIRECT, False),
        (
            r"time[d]?[ _-]?out|deadline exceeded|ETIMEDOUT|execution expired"
            r"|failed to respond|did not properly respond",
            FailureCategory.TIMEOUT,
            True,
        ),
        (
            r"unsupported protocol|invalid url|invalid uri|malformed http|missing port"
            r"|not allowed|not permitted|permission denied|blocked|private (?:address|network)",
            FailureCategory.CONNECTION,
            False,
        ),
        (
            r"connection (?:refused|reset|aborted|closed|failed|error)|actively refused"
            r"|connect(?:ion)?(?:error|exception)|ECONN|EPIPE|broken pipe|\bEOF\b|end of file"
            r"|hang up|unreachable|no route to host|EHOSTUNREACH|ENETUNREACH|empty reply"
            r"|failed to (?:open|establish|connect)|couldn't connect|could not connect|dial tcp"
            r"|closed (?:idle )?connection|closed connection|without (?:response|sending)"
            r"|GOAWAY|stream error|prematurely|server disconnected",
            FailureCategory.CONNECTION,
            True,
        ),
        (r"no response|context canceled|cancell?ed", FailureCategory.NO_RESPONSE, True),
    )
)


def classify(*, status_code: int | None = None, message: str | None = None) -> Failure:
    """Tell why a delivery failed; to be called only for one that did.

    ``status_code`` is what the receiver answered (None or 0: nothing), ``message`` the vendor's
    text for the failure, if it has any. A status of 3xx, 4xx or 5xx decides, be it given or named
    in the text; else the words of the text do. The text is redacted here.
    """
    text = (message or "").strip()
    beginning = text[:_LOOKED_AT]
    category, retryable = _by_status(status_code or 0) or _by_text(beginning)
    return Failure(category, redact_text(text) or _sentence(status_code), retryable)


def _by_status(status: int) -> tuple[FailureCategory, bool] | None:
    match status // 100:
        case 3:
            return FailureCategory.REDIRECT, False
        case 4:
            return FailureCategory.HTTP_CLIENT_ERROR, status in _RETRYABLE_CLIENT_ERRORS
        case 5:
            return FailureCategory.HTTP_SERVER_ERROR, status not in _LASTING_SERVER_ERRORS
        case _:
            return None
