"""Why a delivery failed, read from the HTTP status and from the vendor's own words.

The words are those of the HTTP clients that vendors send with (Go, Java, Python, Ruby, Node, .NET,
Rust, curl) and of the vendors themselves.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from gateway.model import Failure
from gateway.model import FailureCategory as Category
from gateway.normalise.redaction import redact_text

# (category, retryable, words of the text in lower case). The first row that is found decides, so
# the cause that is told within a wider one ("dial tcp: lookup example.com: no such host") comes
# before that.
_TABLE = (
    # CodeArts and GitLab write this, and only this, whenever no answer was received.
    (Category.NO_RESPONSE, True, r"\Ainternal error\Z"),
    (Category.DNS, True, r"lookup .*(i/o timeout|server misbehaving)|\beai_again\b"),
    (Category.DNS, True, r"temporary failure in name resolution"),
    (Category.DNS, False, r"no such host|unknown ?host|name or service not known"),
    (Category.DNS, False, r"name ?resolution|(could ?n[o']t|failed to|does not) resolve"),
    (Category.DNS, False, r"getaddrinfo|no address associated|\benotfound\b|\bnxdomain\b"),
    (Category.TIMEOUT, True, r"(tls|ssl|handshake).{0,40}(timeout|timed out)"),
    (Category.TLS, False, r"x509|certificate|(?<![a-z])(tls|ssl)|\bpkix\b|\beproto\b"),
    (Category.TLS, False, r"\bcert_|_cert\b|unable_to_verify|http response to https client"),
    (Category.REDIRECT, False, r"too many redirects|stopped after \d+ redirects"),
    (Category.TIMEOUT, True, r"timed?[ -]?out|deadline exceeded|\betimedout\b|execution expired"),
    (Category.TIMEOUT, True, r"did not properly respond"),
    (Category.CONNECTION, False, r"unsupported protocol|invalid ur[il]|malformed http"),
    (Category.CONNECTION, False, r"not (allowed|permitted)|permission denied|is blocked"),
    (Category.CONNECTION, True, r"connection (was )?(refused|reset|aborted|closed|broken)"),
    (Category.CONNECTION, True, r"\beconn[a-z]+\b|\bepipe\b|broken pipe|actively refused"),
    (Category.CONNECTION, True, r"\beof\b|end of file|socket hang up|closed (idle )?connection"),
    (Category.CONNECTION, True, r"server disconnected|goaway|empty reply|failed to respond"),
    (Category.CONNECTION, True, r"unreachable|no route to host|without (response|sending)"),
    (Category.CONNECTION, True, r"(failed to|could ?n[o']t) (open|establish|connect)"),
    (Category.CONNECTION, True, r"dial tcp|connect(ion)?(error|exception)|connection error"),
    (Category.NO_RESPONSE, True, r"no response|context canceled|request cancell?ed"),
)
_ROWS = tuple((re.compile(row[2]), row[:2]) for row in _TABLE)

_PHRASES = "|".join(
    re.escape(status.phrase.lower())
    for status in HTTPStatus
    if status >= HTTPStatus.MULTIPLE_CHOICES
)
_STATUS = re.compile(
    r"(?:\bstatus[ _]?(?:code)?|\bhttp(?:/\d(?:\.\d)?)?(?: error| response| status)?|response code"
    r"|returned error|indicate success|(?:client|server) error)[ :=(]{1,3}([345]\d\d)\b(?!\.\d)"
    rf"|\A([345]\d\d) (?:client error|server error|{_PHRASES})"
)
# Names of hosts and files must not be taken for words.
_URL = re.compile(r"[a-z]{2,20}://\S*")
# Enough for the cause; no pattern gets to see more, so none needs to be linear.
_BEGINNING = 1000

_RETRYABLE_4XX = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_LASTING_5XX = {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}


def classify(*, status_code: int | None = None, message: str | None = None) -> Failure:
    """Tell why a delivery failed; only for one that did.

    ``status_code`` is the receiver's (None or 0 where it gave none), ``message`` the vendor's text,
    as it came. A status of 3xx, 4xx or 5xx decides, be it given or named in the text; else the
    words of the text do. The failure's message is the text, redacted, or a sentence of ours.
    """
    text = (message or "").strip()
    category, retryable = _by_status(status_code or 0) or _by_text(text, status_code)
    return Failure(category, redact_text(text) or _sentence(status_code), retryable)


def _by_status(status_code: int) -> tuple[Category, bool] | None:
    match status_code // 100:
        case 3:
            return Category.REDIRECT, False
        case 4:
            return Category.HTTP_CLIENT_ERROR, status_code in _RETRYABLE_4XX
        case 5:
            return Category.HTTP_SERVER_ERROR, status_code not in _LASTING_5XX
        case _:
            return None


def _by_text(text: str, status_code: int | None) -> tuple[Category, bool]:
    if not text and not status_code:
        return Category.NO_RESPONSE, True
    words = _URL.sub("", text[:_BEGINNING].lower())
    if (named := _STATUS.search(words)) and (found := _by_status(int(named[1] or named[2]))):
        return found
    for pattern, found in _ROWS:
        if pattern.search(words):
            return found
    return Category.UNKNOWN, False


def _sentence(status_code: int | None) -> str:
    if not status_code:
        return "The vendor recorded no answer of the receiver."
    try:
        phrase = f" {HTTPStatus(status_code).phrase}"
    except ValueError:
        phrase = ""
    if _by_status(status_code):
        return f"The receiver answered {status_code}{phrase}."
    return f"The receiver answered {status_code}{phrase}, yet the vendor calls it a failure."
