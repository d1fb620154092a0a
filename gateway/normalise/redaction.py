"""Hiding of secrets, in the one place that all that is given out, cached or logged has passed.

A value is hidden for its name (a header, a JSON key, a query parameter, ``name: value`` in text) or
for its shape (an e-mail address, a token of a well-known kind, the secret part of a webhook's URL).
What was hidden is MASK, after the prefix that tells a token's kind; all else keeps its text.
Redacting twice is redacting once. Nothing here raises, and no pattern needs more than linear time:
every repetition is possessive, bounded, last, or starts only where the one before it ended.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote, unquote_plus

from gateway.model import Header

MASK = "***"
"""Stands for what was hidden; legal in a URL, a header and JSON, where no real value is just it."""

_MAX_DEPTH = 64
# A text inside a text (JSON in a JSON string, a URL in a URL's query) counts as so many levels.
_TEXT_DEPTH = 16
# What one pass leaves may, beside a mask, read as another secret; a text that does so after this
# many passes was made to, and is hidden whole.
_MAX_PASSES = 4

_MASKED = re.compile(r"\*{3,}|X{3,}")
"""Values that the vendors hid themselves."""

_NAME = (
    r"(?:passw(?:or)?d[\w.\-]{0,32}+|passphrase|passcode|pwd|otp|cvv|cvc|secrets?|token|jwt|hmac|sig"
    r"|signature|bearer|auth(?:orization)?[-_]?code|authorization|credentials?|cookies?|jsessionid"
    r"|phpsessid|connection[-_. ]?string"
    r"|(?:access|account|admin|api|app|application|auth|consumer|encryption|integration|license"
    r"|master|private|secret|server|service|session|shared|sign|signing|subscription|webhook|write)"
    r"[-_. ]?key)(?:[-_]?(?:ed|header|hex|sha|v|value)?[-_]?\d{0,4})"
)
# Parts of all those names, for the many texts that hold none of them.
_NAME_PART = re.compile(
    "pass|pwd|otp|cvv|cvc|secret|token|jwt|hmac|sig|bearer|auth|credential|cookie|sessi|string|key"
)
_NAME_END = re.compile(_NAME + r"\Z")
# Names that are secret as a whole parameter, though elsewhere they are everyday words.
_SECRET_PARAMETERS = frozenset({"auth", "code", "key", "pass", "sas", "sign"})
_SECRET_HEADER = re.compile(
    r"(?:\A|(?<!idempotency)(?<!surrogate)(?<!cache)(?<!websocket)[\W_])key\Z|(?:\A|[\W_])auth\Z"
)

# Texts that no rule can hide anything of, told apart early because most values are such: short
# words, ids in hexadecimal digits, moments.
_PLAIN = re.compile(r"[\w.,/+-]{0,15}|[0-9A-Fa-f-]{16,64}|\d{4}-\d\d-\d\dT[\d:.Z+-]{4,21}")

# "name: value" in text. Quotes may be escaped, as in JSON inside a JSON string that was cut off.
_PAIR = re.compile(_NAME + r"""\]?\\{0,15}["']?\s{0,4}(?:=>|[:=])[ \t]{0,4}""")
# Their values go on after a space.
_LINE_NAME = re.compile(r"(?:authorization|cookies?)\W*\Z")
# A name that stands here is a host's, and what follows its colon is a port.
_HOST = re.compile(r"//[\w.-]*\Z")
# Only classes of characters are repeated possessively: with groups, Python 3.11.2 goes wrong.
_VALUE = re.compile(
    r"""
      (?P<slashes>\\{0,15})(?P<quote>["'])(?P<quoted>[^\r\n]*?)
      (?:(?<!\\)(?P=slashes)(?P=quote)|(?=[\r\n])|\Z)
    | \[(?P<listed>[^\[\]\r\n]*)
    | \{(?P<braced>[^{}\r\n]*)
    | (?P<parameter>\*{3})(?=[&\#])
    | (?P<bare>(?:(?i:basic|bearer|digest|oauth|token)[ ]+)?
        (?:[^\s&"'<>\\,;.)\]}]|\\(?![nrt"'])|[,;.)\]}]++(?![\s&"'<>\\]|\Z))+)
    """,
    re.VERBOSE,
)
_LINE = re.compile(r"""(?P<line>(?:[^\r\n"'<\\]|\\(?![nr"']))+)""")
_ELEMENT = re.compile(r"(<([\w.:-]++)(?:\s[^<>]*+)?>(?:<!\[CDATA\[)?)([^<]++)(?=</)")
# What error messages say after "token:"; hiding it would hide the reason of the failure.
_PROSE = re.compile(
    r"(?:token )?(?:\d{1,3}|a|an|are|can|cannot|could|denied|does|empty|error|expected|expired"
    r"|failed|false|for|forbidden|from|got|has|have|in|incorrect|invalid|is|malformed|mismatch"
    r"|missing|must|nil|no|none|not|null|of|or|required|revoked|signature|the|too|true"
    r"|unauthorized|undefined|unexpected|unknown|unsupported|was|wrong)(?=[.,:;]?(?:\s|\Z))",
    re.IGNORECASE,
)

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z)"
)
_SCHEME = re.compile(
    r"([Bb](?i:asic|earer) {1,4})(?=[\w.~+/-]*(?:\d|[a-z][A-Z]|=)|\S{24})[\w.~+/-]{8,}+=*"
)
# Each of these begins with a literal or a small set, at which alone the search then stops.
_TOKENS = (
    re.compile(
        r"""([-_.:])(?=[\w+/=*-]{8})(?:
          (?<=gh[oprsu]_)\w{20,}+ | (?<=github_pat_)\w{20,}+             # GitHub, GitLab
        | (?<=gl(?:dt|ft|rt)-)[\w-]{16,}+ | (?<=gl(?:cbt|imt|oas|pat|ptt)-)[\w-]{16,}+
        | (?<=xox[abceoprs]-)[\w-]{10,}+ | (?<=xapp-)\d-[\w-]{10,}+        # Slack
        | (?<=[prs]k_(?:live|test)_)\w{8,}+ | (?<=whsec_)[\w+/=]{16,}+     # Stripe, Svix
        | (?<=ya29\.)[\w-]{20,}+ | (?<=GOCSPX-)[\w-]{20,}+                 # Google
        | (?<=\bt1\.)[\w.=-]{20,}+ | (?<=\by[0-3]_)[\w-]{30,}+             # Yandex
        | (?<=[\d*]:)AA[\w*-]{20,}+                                        # Telegram
        | (?<=\bSG\.)[\w.-]{32,}+ | (?<=\bkey-)[0-9a-f]{32}                # SendGrid, Mailgun
        | (?<=shp(?:at|ca|pa|ss)_)[0-9A-Fa-f]{32} | (?<=sq0[a-z]{3}-)[\w-]{22,}+
        | (?<=npm_)\w{36} | (?<=pypi-)[\w-]{50,}+ | (?<=\bhf_)\w{30,}+ | (?<=hv[brs]\.)[\w-]{20,}+
        | (?<=do[opr]_v1_)[0-9a-f]{64} | (?<=lin_api_)\w{20,}+ | (?<=\bsk-)[\w-]{20,}+
        )""",
        re.VERBOSE,
    ),
    re.compile(r"(A)(?:[KS]IA[A-Z0-9]{16}|Iza[\w-]{35}|QVN[\w-]{30,}+|TATT3[\w=-]{20,}+)"),
)
# A run that turns out to be no token is passed whole, lest each "eyJ" in it be tried anew.
_WEB_TOKEN = re.compile(r"eyJ[\w-]*+(\.[\w-]{8,}+(?:\.[\w-]*+){0,3})?")
# The user of an SSH clone address is no person.
_EMAIL = re.compile(
    r"(?<![\w.+-])(?!git@)[\w.+-]++(?<=[\w+-])(?:@|%40)"
    r"(?:[\w-]++\.)+[^\W\d_]{2,}+(?:[\w.+-]*[\w+-])?"
)

_URL = re.compile(r""":(?:\\?/){2}[^\s"'<>\\`]*+(?:\\/[^\s"'<>\\`]*+)*""")
_USER_INFO = re.compile(
    # Up to a raw / ? or # of a password it is no host, whose colon only a port could follow.
    r"//(?:[^/?#@\s\[:]*+:(?!\d*(?:[/?#]|\Z))[^@\s]{0,200}+|[^/?#@\s]*+)@(?:[^/?#@\s]*+@)*"
)
_SECRET_PATH = re.compile(
    r"""(
      /bot[\d*]{3,}+:                                          # Telegram
    | /services/T[A-Z0-9]{1,40}/B[A-Z0-9]{1,40}/               # Slack, here and in the next line
    | /(?:triggers|workflows)/[ET][A-Z0-9]{1,40}/(?:A[A-Z0-9]{1,40}/)?\d{1,40}/
    | /api/(?:v\d{1,2}/)?webhooks/\d{1,40}/                    # Discord
    | /IncomingWebhook/                                        # Microsoft Teams
    | /hooks/catch/\d{1,40}/                                   # Zapier
    | /with/key/                                               # IFTTT
    | /bot/v2/hook/                                            # Feishu and Lark
    | /hooks/(?=[a-z0-9]{26}(?!\w))                            # Mattermost
    | /(?i:(?:access[_-]?)?token|api[_-]?key|secret)/(?=[^/\s]{0,40}\d)(?=[^/\s]{8})
    )[^/?#&\s"'<>)\],;]+""",
    re.VERBOSE,
)
_SEGMENT = re.compile(r"(?<![^/])[\w~+=%-]{20,}+(?![^/;])")
_LONG_WORD = re.compile(r"(?=[^\d]*\d)(?=[\w~+/=-]*?[A-Za-z0-9]{12})[\w~+/=-]{20,}+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PLAIN_ID = re.compile(r"[0-9A-Fa-f-]{0,40}|[\d-]+")
_CLASS_CHANGE = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")
_FORM = re.compile(r"[\w.\-\[\]%+*$]++=(?=\S*[&%])\S*+")


def redact_url(url: str) -> str:
    """Hide user-info, secret parameters of query and fragment, and the secret parts of the path.

    Secret parts are those of known webhook addresses (Telegram, Slack, Discord, ...) and long
    segments that look random; UUIDs, numbers, hexadecimal ids up to 40 digits and words stay. Text
    that is no URL is redacted as text.
    """
    for _ in range(_MAX_PASSES):
        clean = redact_text(_redact_url(url, 0))
        if clean == url:
            return url
        url = clean
    return MASK


def redact_headers(headers: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> tuple[Header, ...]:
    """Turn headers, with values of any JSON type, into a tuple with the secret ones hidden.

    A list becomes one value, joined by commas. ``redacted`` is also True where the vendor itself
    hid the value.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple(_redact_header(name, value) for name, value in pairs)


def redact_text(text: str) -> str:
    """Hide the secrets in any text: an error message, a body that is JSON, a form or neither.

    JSON in which something was hidden is written anew, in its shortest form.
    """
    return _redact_string(text, -_TEXT_DEPTH)


def redact_json(value: Any) -> Any:
    """Copy a decoded JSON document with its secrets hidden.

    All that is below a key such as ``password`` or ``credentials`` is hidden, except booleans and
    nulls, and so is what lies deeper than 64 levels. Entries of one object whose keys had to be
    hidden fall together into one.
    """
    return _redact_value(value, 0, hidden=False)


@functools.lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    return _NAME_END.search(name.lower()) is not None


@functools.lru_cache(maxsize=4096)
def _is_secret_header(name: str) -> bool:
    return _is_secret_name(name) or _SECRET_HEADER.search(name.lower()) is not None


def _redact_header(name: str, value: Any) -> Header:
    items = value if isinstance(value, list) else [value]
    text = ", ".join(map(_header_text, items))
    clean = _mask(text) if _is_secret_header(name[-64:]) else _redact_string(text, 0)
    return Header(name, clean, MASK in clean or _MASKED.fullmatch(clean) is not None)


def _header_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(redact_json(value), ensure_ascii=False)


def _mask(value: str) -> str:
    return MASK if value and _MASKED.fullmatch(value) is None else value


def _redact_value(value: Any, depth: int, *, hidden: bool) -> Any:
    if isinstance(value, str):
        return _mask(value) if hidden else _redact_string(value, depth)
    if isinstance(value, dict | list):
        if depth >= _MAX_DEPTH:
            return MASK
        depth += 1
        if isinstance(value, list):
            return [_redact_value(item, depth, hidden=hidden) for item in value]
        # Variables and headers are often listed as {"name": "DB_PASSWORD", "value": ...}.
        label = value.get("name", value.get("key"))
        hidden_value = isinstance(label, str) and _is_secret_name(label[-64:])
        return {
            _redact_string(key, depth): _redact_value(
                item,
                depth,
                hidden=hidden or _is_secret_name(key[-64:]) or (hidden_value and key == "value"),
            )
            for key, item in value.items()
        }
    if hidden and not isinstance(value, bool) and value is not None:
        return MASK
    return value


def _redact_string(text: str, depth: int) -> str:
    if _PLAIN.fullmatch(text):
        return text
    if depth > _MAX_DEPTH:
        return MASK
    for _ in range(_MAX_PASSES):
        if text.lstrip()[:1] in {"{", "[", '"'}:
            try:
                document = json.loads(text, object_pairs_hook=_object)
            except (ValueError, RecursionError):
                pass
            else:
                return _redact_json_text(text, document, depth + _TEXT_DEPTH)
        clean = _redact_parameters(text, depth) if _FORM.fullmatch(text) else text
        clean = _redact_text(clean, depth)
        if clean == text:
            return text
        text = clean
    return MASK


def _redact_json_text(text: str, document: Any, depth: int) -> str:
    clean = _redact_value(document, depth, hidden=False)
    if clean == document:
        return text
    # Only an escape can stand for half a character, which no encoding could write.
    return json.dumps(clean, ensure_ascii="\\u" in text, separators=(",", ":"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("A repeated key could hide a secret from the walk.")
    return members


def _redact_text(text: str, depth: int) -> str:
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(MASK, text)
    if ":/" in text or ":\\/" in text:
        text = _URL.sub(lambda match: _redact_embedded_url(match[0], depth), text)
    if "/" in text:
        text = _SECRET_PATH.sub(_mask_tail, text)
    if "</" in text:
        text = _ELEMENT.sub(_redact_element, text)
    if ":" in text or "=" in text:
        text = _redact_pairs(text)
    if " " in text:
        text = _SCHEME.sub(_mask_tail, text)
    for token in _TOKENS:
        text = token.sub(_mask_tail, text)
    if "eyJ" in text:
        text = _WEB_TOKEN.sub(lambda match: MASK if match[1] else match[0], text)
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(MASK, text)
    return text


def _mask_tail(match: re.Match[str]) -> str:
    return f"{match[1]}{MASK}"


def _redact_element(match: re.Match[str]) -> str:
    return match[1] + _mask(match[3]) if _is_secret_name(match[2][-64:]) else match[0]


def _redact_pairs(text: str) -> str:
    # Lower case keeps every position but that of this one letter, which becomes two.
    lowered = text.replace("\u0130", "i").lower()
    if _NAME_PART.search(lowered) is None:
        return text
    parts: list[str] = []
    done = 0
    for pair in _PAIR.finditer(lowered):
        start = pair.end()
        if (
            start <= done
            or _PROSE.match(text, start)
            or _HOST.search(text, start - 64, pair.start())
        ):
            continue
        value = _VALUE.match(text, start)
        if value is None:
            continue
        if value.lastgroup == "bare" and _LINE_NAME.search(pair[0]):
            value = _LINE.match(text, start) or value
        begin, end = value.span(value.lastgroup or 0)
        parts += text[done:begin], _mask(text[begin:end])
        done = end
    return "".join([*parts, text[done:]])


def _redact_embedded_url(text: str, depth: int) -> str:
    url = text.rstrip(".,;:!?)]}\\")
    tail = text[len(url) :]
    if "\\/" not in url:
        return _redact_url(url, depth) + tail
    plain = url.replace("\\/", "/")
    clean = _redact_url(plain, depth)
    return text if clean == plain else clean.replace("/", "\\/") + tail


def _redact_url(url: str, depth: int) -> str:
    if "@" in url:
        url = _USER_INFO.sub(f"//{MASK}@", url)
    rest, hash_mark, fragment = url.partition("#")
    path, question_mark, query = rest.partition("?")
    path = _SEGMENT.sub(_redact_segment, path)
    query = _redact_parameters(query, depth)
    fragment = _redact_parameters(fragment, depth)
    return f"{path}{question_mark}{query}{hash_mark}{fragment}"


def _redact_segment(match: re.Match[str]) -> str:
    return MASK if _is_random(unquote(match[0])) else match[0]


def _redact_parameters(text: str, depth: int) -> str:
    return "&".join([_redact_parameter(part, depth) for part in text.split("&")]) if text else ""


def _redact_parameter(part: str, depth: int) -> str:
    name, _, value = part.partition("=")
    if not value:
        return MASK if _is_random(unquote(part)) else part
    plain_name = unquote_plus(name[-64:]).rpartition("?")[2]
    if plain_name.lower() in _SECRET_PARAMETERS or _is_secret_name(plain_name.rstrip("]")):
        return f"{name}={_mask(value)}"
    plain = unquote_plus(value)
    clean = MASK if _is_random(plain) else _redact_string(plain, depth + _TEXT_DEPTH)
    if clean == plain:
        return part
    return f"{name}={clean if plain == value else quote_plus(clean, safe='*')}"


def _is_random(text: str) -> bool:
    """Tell a generated secret from words, by how often letters, capitals and digits take turns.

    They do so at some 4 of 10 places of a random text, but at less than 2 of 10 even of a name such
    as ``processIncomingWebhookEventsV2``.
    """
    if _LONG_WORD.fullmatch(text) is None:
        return False
    rest = _UUID.sub("", text)
    return _PLAIN_ID.fullmatch(rest) is None and 5 * len(_CLASS_CHANGE.findall(rest)) >= len(rest)
