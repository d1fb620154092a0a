"""Determine the failure category of a delivery from the HTTP status or the vendor's message.

The table covers the wording of the HTTP clients that vendors use (Go, Java, .NET, Python, Node,
Ruby, PHP, curl, Erlang, Rust) and of the vendors themselves.
"""

from __future__ import annotations

import functools
import re
from http import HTTPStatus

from gateway.model import Failure
from gateway.model import FailureCategory as Category
from gateway.normalise.addresses import without_addresses
from gateway.normalise.redaction import redact_text

# (category, retryable, pattern for the lower-case message without addresses). The first row that
# matches decides. So a cause precedes the more general failure that reports it ("dial tcp: lookup
# example.com: no such host"), and a word that may be only a topic ("ssl") comes after the causes
# that mention it.
_TABLE = (
    # Some vendors write this, and only this, whenever no response was received.
    (Category.NO_RESPONSE, True, r"\Ainternal error\Z"),
    (Category.DNS, True, r"lookup .*(i/o timeout|server misbehaving)|\beai_again\b|\beservfail\b"),
    (Category.DNS, True, r"temporary failure in name resolution|resolving timed out"),
    (Category.DNS, True, r"(resolv|dns|name ?server).{0,40}(time-?out|timed out|servfail)"),
    (Category.DNS, False, r"no such host|unknown ?host|name or service not known|gaierror"),
    (Category.DNS, False, r"nodename nor servname|non-?existing domain|unresolvedaddress"),
    (
        Category.DNS,
        False,
        (
            r"name ?resolution|(could ?n[o']t|failed to|does not|unable to|can ?not|can't)"
            r" (be )?resolve"
        ),
    ),
    (Category.DNS, False, r"name could not be resolved|could not be resolved|dns (error|lookup)"),
    (Category.DNS, False, r"getaddr(info|esses)|no address associated|host not found"),
    (
        Category.DNS,
        False,
        r"\b(enotfound|nxdomain|enodata|eai_\w+)\b|no data of (the )?requested type",
    ),
    (Category.DNS, False, r"socketexception \(1100\d\)|during hostname resolution"),
    (Category.TIMEOUT, True, r"(tls|ssl|handshake).{0,40}(time-?out|timed out)"),
    (Category.TLS, False, r"x509|certific|\bpkix\b|\beproto\b|trust (anchor|relationship)"),
    (Category.TLS, False, r"\bcert_|_cert\b|unable_to_verify|http response to https client"),
    (
        Category.TLS,
        False,
        r"(tls|ssl).?handshake|handshake.{0,20}(fail|error|alert)|during handshake",
    ),
    (
        Category.TLS,
        False,
        r"(tls|ssl|fatal|received|handshake).{0,30}alert|wrong[ _]version[ _]number|\bsec_e_",
    ),
    (Category.TLS, False, r"ssl/tls|secure channel|ssl connection could not|peerunverified"),
    (Category.TLS, False, r"hostname .{0,80}(not verified|n't match)|alternative (dns )?name"),
    (Category.TLS, False, r"eof occurred in violation|unknown_?ca\b|self.signed|unknown_?issuer"),
    (Category.TLS, False, r"authentication failed, see inner|unsupported protocol version"),
    (Category.TLS, False, r"corrupt(ed)? (frame|message)|the frame size|\baltnames\b"),
    (
        Category.REDIRECT,
        False,
        (
            r"(too many|maximum( number of)?|exceeded)( \(?\d+\)?| maximum| allowed| automatic)*"
            r" (redirect|follow-up)"
        ),
    ),
    (
        Category.REDIRECT,
        False,
        r"redirect\w*( \(\d+\))? (count |limit )?(exceeded|followed|reached)",
    ),
    (Category.REDIRECT, False, r"stopped after \d+ redirects|not follow more than \d+ redirects"),
    (
        Category.REDIRECT,
        False,
        r"circular redirect|redirect(ion)?s? ?(loop|too ?deep)|redirect.?limit",
    ),
    (Category.REDIRECT, False, r"redirected too many|too_many_redirect"),
    (Category.REDIRECT, False, r"maxredirect|max_redirect|maximum redirect|toomanyredirect"),
    (Category.TIMEOUT, True, r"timed?[ _-]?out|deadline (has )?(exceeded|elapsed)"),
    (Category.TIMEOUT, True, r"execution expired|did not (properly respond|observe any item)"),
    (Category.TIMEOUT, True, r"socketexception \(10060\)"),
    (Category.TIMEOUT, True, r"(task|operation) was cancell?ed|taskcancell?ed"),
    (Category.TIMEOUT, True, r"timeout|took too long|not (respond|reply|answer) (in|within) "),
    (
        Category.CONNECTION,
        False,
        r"unsupported protocol|(invalid|malformed|bad) ur[il]|malformed http",
    ),
    (Category.CONNECTION, False, r"missing (an? )?.{0,30}protocol|missing port|no scheme supplied"),
    (Category.CONNECTION, False, r"relative url|no host (in|part)|builder error|url scheme"),
    (
        Category.CONNECTION,
        False,
        r"\bno protocol\b|no connection adapter|absolute url|_invalid_url\b",
    ),
    (
        Category.CONNECTION,
        False,
        r"url using bad|protocol [\"']?\w{1,12}[\"']? not supported|locationparse",
    ),
    (Category.CONNECTION, False, r"not (allowed|permitted)|permission denied|is blocked"),
    (
        Category.CONNECTION,
        True,
        (
            r"connection ?(was |is |has been |attempt )?"
            r"(forcibly |prematurely |unexpectedly |already )*"
            r"(refused|reset|aborted|closed|broken|lost|dropped|terminated|failed)"
        ),
    ),
    (
        Category.CONNECTION,
        True,
        (
            r"connection (to|with|from)[ \"'()\[\]]{1,8}(was |is )?"
            r"(refused|reset|aborted|closed|lost|failed)"
        ),
    ),
    (Category.CONNECTION, True, r"(connect|connection) (error|failure)|reset reason"),
    (
        Category.CONNECTION,
        True,
        r"socketexception \(100\d\d\)|no (healthy|live) upstream|und_err_socket",
    ),
    (Category.CONNECTION, True, r"premature[_ -]close|closedchannel|refused (the|our) connection"),
    (Category.CONNECTION, True, r"forcibly closed|closed remotely|closed_remotely|reset by peer"),
    (
        Category.CONNECTION,
        True,
        r"\be(conn[a-z]+|pipe|hostunreach|netunreach|hostdown|addrnotavail)\b",
    ),
    (Category.CONNECTION, True, r"broken pipe|actively refused|socket disconnected|socket hang up"),
    (
        Category.CONNECTION,
        True,
        r"failed_connect|closed (the |its |idle )?connection|stream was reset",
    ),
    (Category.TLS, False, r"(?<![a-z])(tls|ssl)|openssl|schannel"),
    (Category.CONNECTION, True, r"\beof\b|end of (file|stream)|ended prematurely|incomplete ?read"),
    (Category.CONNECTION, True, r"server disconnected|goaway|empty reply|failed to respond"),
    (Category.CONNECTION, True, r"unreachable|no route to host|without (response|sending)"),
    (
        Category.CONNECTION,
        True,
        r"(failed to|could ?n[o']t|unable to|can ?not|can't|cannot) (open|establish|connect)",
    ),
    (Category.CONNECTION, True, r"dial tcp|connect(ion)?(error|exception|failed)|connection error"),
    (Category.CONNECTION, True, r"connect call failed|connection attempts failed|network error"),
    (Category.CONNECTION, True, r"other side closed|fetch failed|(recv|send) failure|\bclosed\b"),
    (
        Category.CONNECTION,
        True,
        r"error (occurred )?(while )?(sending|writing|reading)|protocol violation",
    ),
    (
        Category.CONNECTION,
        True,
        r"header parser received no bytes|parse error|(wrong|bad) ?status ?line",
    ),
    (Category.CONNECTION, True, r"(read|write|close|protocol)error\b|\bhpe_|\berr_network"),
    (Category.CONNECTION, True, r"incompletemessage|too_many_concurrent|unable to reach"),
    (Category.CONNECTION, True, r"stream error|not completed|copying content|connection pool"),
    (Category.CONNECTION, True, r"failed to open stream|i/o error on|tunnel|could not connect"),
    (
        Category.NO_RESPONSE,
        True,
        r"no response|context canceled|(request|call) (was )?(cancell?ed|aborted)",
    ),
    (Category.NO_RESPONSE, True, r"aborted( a request)?|\Acancell?ed\.?\Z|\baborterror"),
    # Codes of curl without its words
    (Category.DNS, False, r"\bcurl[^\d]{1,12}[56]\b"),
    (Category.CONNECTION, True, r"\bcurl[^\d]{1,12}(7|16|18|52|55|56|92|95)\b"),
    (Category.TIMEOUT, True, r"\bcurl[^\d]{1,12}28\b"),
    (Category.TLS, False, r"\bcurl[^\d]{1,12}(35|51|53|54|58|59|60|66|77|80|82|83|90|91)\b"),
    (Category.REDIRECT, False, r"\bcurl[^\d]{1,12}47\b"),
)
_ROWS = tuple((re.compile(row[2]), row[:2]) for row in _TABLE)

_BY_PHRASE = {
    status.phrase.lower(): status.value
    for status in HTTPStatus
    if status >= HTTPStatus.MULTIPLE_CHOICES
} | {"gateway time-out": 504, "request time-out": 408}
_PHRASES = "|".join(map(re.escape, _BY_PHRASE))
# .NET names statuses without spaces.
_BY_NAME = {re.sub(r"[^a-z]", "", phrase): status for phrase, status in _BY_PHRASE.items()}
_NAMED = re.compile(
    rf"(?:status ?code|returned an error|indicate success)[:=( ]{{1,4}}({'|'.join(_BY_NAME)})\b"
)
# A number is a status only next to a word that says so, and counts nothing itself.
_STATUS = re.compile(
    r"(?:\bstatus(?:[ _]?(?:code|line))?|\bhttp(?:/\d(?:\.\d)?)?(?: error| response| status| code)*"
    r"|response(?: code| status)?|returned error|indicate success|(?:client|server) error|\bcode"
    r"|\b(?:returned|respond(?:ed|s)?|replied|answered|got|received|resulted in|gave|failed)"
    r"(?: an?\b| with\b| the\b| http\b| unexpected\b| error\b| status\b| code\b| response\b)*)"
    r"""[ :=(`'"]{1,4}([345]\d\d)\b(?!\.\d|[ -]?(?:bytes?|k?b|m?s|milli\w*|sec\w*|min\w*|times"""
    r"|items|rows|records|requests|redirects|entries|messages|events|results)\b)"
    rf"|\b([345]\d\d)[,:]? [\"']?(?:client error|server error|message=|page not found|{_PHRASES})"
)
# The response came from a proxy between vendor and receiver.
_TUNNEL = re.compile(r"tunnel|(from|to|through) proxy|proxy ?error|proxyconnect")
# Enough to find the cause. No pattern is applied to a longer text, so none has to be linear.
_BEGINNING = 1000

_RETRYABLE_4XX = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_LASTING_5XX = {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}


def classify(*, status_code: int | None = None, message: str | None = None) -> Failure:
    """Classify a failed delivery.

    ``status_code`` is the receiver's (None or 0 if there was none), ``message`` the vendor's text,
    not redacted. A status of 3xx, 4xx or 5xx decides, whether it is the argument or in the message;
    otherwise the words of the message do, without its addresses. The failure's message is the
    vendor's, redacted, or a sentence of the gateway if the vendor has none.
    """
    text = (message or "").strip()
    clean = redact_text(text)
    found = _by_status(status_code or 0)
    if found is None:
        if not text and not status_code:
            found = Category.NO_RESPONSE, True
        elif clean == text:
            found = _by_known_text(text[:_BEGINNING])
        else:  # the text of a secret is not for a cache
            found = _by_text(text[:_BEGINNING])
    category, retryable = found
    return Failure(category, clean or _sentence(status_code), retryable)


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


def _by_text(text: str) -> tuple[Category, bool]:
    words = without_addresses(text.lower())
    if named := _STATUS.search(words):
        if _TUNNEL.search(words):
            return Category.CONNECTION, True
        if found := _by_status(int(named[1] or named[2])):
            return found
    name = _NAMED.search(words)
    status = _BY_NAME[name[1]] if name else _BY_PHRASE.get(words.strip(" ."), 0)
    if found := _by_status(status):
        return found
    for pattern, found in _ROWS:
        if pattern.search(words):
            return found
    return Category.UNKNOWN, False


# While a receiver is down, all its logs have the same message.
_by_known_text = functools.lru_cache(maxsize=512)(_by_text)


def _sentence(status_code: int | None) -> str:
    if not status_code:
        return "The vendor recorded no response from the receiver."
    try:
        phrase = f" {HTTPStatus(status_code).phrase}"
    except ValueError:
        phrase = ""
    if _by_status(status_code):
        return f"The receiver answered {status_code}{phrase}."
    return f"The receiver answered {status_code}{phrase}, but the vendor reports a failure."
