"""Remove addresses from error messages, so that only their words are classified.

``connect to timeout-svc.x:443 failed: Connection refused`` is not a timeout, and ``Failed to
connect to ssl.x port 443`` is not a TLS failure. URLs, paths, host names, IP addresses and ports
are removed. Class names such as ``java.net.SocketTimeoutException`` keep their last part, which
names a cause. A single word counts as a host name only if the words around it say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_Replacement = str | Callable[[re.Match[str]], str]

_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}:\\?/\\?/[^\s\"'<>`)\]}]*")
_CLASS = re.compile(
    r"(?<![\w./-])(?:[a-z_$][\w$]{0,60}\.){1,12}"
    r"(_?[a-z$][\w$]{0,60}(?:exception|error|errno|fault|timeout|disconnected|statusline"
    r"|completeread|manyredirects))(?![\w.-]|:\d)"
)
# A Python module, and a field of Go's http.Client.
_KEPT = re.compile(r"\b_?ssl\.c:\d+|\b(?:http)?client\.timeout\b")
_SSL_OPTION = re.compile(r"\bssl:(?:default|true|false|none|<[^<>]{0,200}>|\w{1,20}(?=\s\[))")
_DOTTED = re.compile(
    r"(?<![\w.$-])(?<!http/)(?:[\w$-]{1,63}\.){1,40}[\w-]{1,63}\.?(?![\w(])(?::\d{1,5}(?!\d))?"
)
_IPV6 = re.compile(
    r"\[[0-9a-f:.%]{2,60}\](?::\d{1,5})?|(?<![\w:])(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}"
)
_PORT = r":\d{1,5}(?![\w.])"
_HOST = r"[\w-]{1,63}(?:\.[\w-]{1,63}){0,20}"
# Java writes a host before its address; Docker's names have underscores, as causes have.
_RESOLVED_HOST = re.compile(rf"(?<![\w.-]){_HOST}\.?/(?=\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?![\w.]))")
_UNDERSCORED = re.compile(
    rf"(?<![\w.-])(?=\w{{1,63}}:)(?!\w*(?:code|status|error|err_|errno|attempt|after|limit))"
    rf"\w{{1,31}}_\w{{1,31}}{_PORT}"
)
# "ssl-gateway" is a host's name, unless it is one of the few such words that tell a cause. A word
# without a hyphen must stand where a host does.
_HYPHENED = re.compile(
    r"(?<![\w.-])(?=\w++-)(?!(?:self-signed|timed?-out|follow-up|(?:non|re|pre|end)-\w++|\w++-time-?out"
    r"|(?:connect(?:ion)?|read|write|request|response|socket|handshake|peer|tls|ssl|dns)"
    r"-(?:time-?out|error|handshake|failure|fail|failed|refused|reset|certificate|closed))(?![\w-]))"
    rf"[\w-]++(?:{_PORT})?"
)
_BEFORE_HOST = (
    r"(?:\bhost ?name:?|\bhost[:=]?|\blookup|\benotfound|\beai_again|\beservfail|\bresolved?:?"
    r"|unknownhostexception:|\bdomain|\bto_address,\{|\bserver_name[:=]?|\bcertificate for"
    r"|\bresolve host|\bfor service)"
)
_AFTER_WORD = re.compile(
    rf"({_BEFORE_HOST}\s?[\"'`<(]{{0,2}})(?!(?:name|is|was|has|and|not|for|or|does|in|to|on|key|unreachable|timed?|timeout|refused|closed|down|lookup|resolution|error|failed|with|could|cannot|connection|verification|certificate|response|server|host)(?![\w-])){_HOST}"
)
_RESOLVED = re.compile(rf"(resolve host:? [\"'`]?){_HOST}")
_CONNECT = re.compile(
    r"((?:\bconnect(?:ion|ing|ed)?|\bdial(?:ing)?|\bconnexion|\brequest|\bpost|\bsend(?:ing)?)"
    rf"(?: \w{{2,4}})? (?:to|with) (?:host |server |proxy |the )?[\"'`<(]?){_HOST}"
    rf"(?=[\"'`>)]?(?:{_PORT}| port \d| \[|/\d|[\"'`>)]? failed| timed out| refused|: |\)"
    r"| (?:was )?closed|[\"'`>]))"
)
_TO_PORT = re.compile(
    rf"((?:\bto|\bwith|\bfrom|\bat|\bon|\bof|\bfor|\btcp|\baddress|\bconnect|\bserver|\()\s?[\"'`]?){_HOST}"
    rf"(?:{_PORT}|(?=[\"'`]? port \d))"
)
_LEFT_PORT = re.compile(rf"(?<![\w\"'`\]]){_PORT}")
_PATH = re.compile(
    r"(?<![\w)])/(?!o\b|tls\b|ssl\b)[^\s\"'`,;)\]}]*|(?<![\w/-])(?=\w*+-)[\w-]++/[^\s\"'`,;)\]}]++"
)
_QUOTED_PATH = re.compile(r"[\"'`](?=[^\"'`\s]{0,300}/)[^\"'`\s]{1,300}[\"'`]")


def without_addresses(text: str) -> str:
    """Return a lower-case message without its addresses.

    The text has to be short: some patterns take time in proportion to its square.
    """
    for needles, pattern, replacement in _STEPS:
        for needle in needles:
            if needle in text:
                text = pattern.sub(replacement, text)
                break
    return text


def _drop_host(match: re.Match[str]) -> str:
    return match[0] if _KEPT.fullmatch(match[0].rstrip(".")) else " "


# Applied in this order. A text without any of a step's substrings can't match its pattern.
_STEPS: tuple[tuple[tuple[str, ...], re.Pattern[str], _Replacement], ...] = (
    ((":/", ":\\/"), _URL, " "),
    (("ssl:",), _SSL_OPTION, " "),
    ((".",), _CLASS, r"\1"),
    (("/",), _RESOLVED_HOST, " "),
    (("_",), _UNDERSCORED, " "),
    (("resolve host",), _RESOLVED, r"\1"),
    ((" to ", " with "), _CONNECT, r"\1"),
    (
        (
            *("host", "lookup", "enotfound", "eai_again", "eservfail", "resolve", "domain"),
            *("to_address", "server_name", "certificate for", "for service"),
        ),
        _AFTER_WORD,
        r"\1",
    ),
    ((".",), _DOTTED, _drop_host),
    ((":",), _IPV6, " "),
    (("/",), _QUOTED_PATH, " "),
    (("/",), _PATH, " "),
    (("-",), _HYPHENED, " "),
    ((":", " port "), _TO_PORT, r"\1"),
    ((":",), _LEFT_PORT, " "),
)
