"""Normalise error messages, so that those with one cause are equal.

``dial tcp 10.0.0.7:443: i/o timeout after 30001 ms`` becomes ``dial tcp <host>: i/o timeout after
<number> ms``. Replaced are URLs, e-mail addresses, quoted parts, UUIDs and other ids, dates and
times, hosts with their ports, paths, and numbers. What tells causes apart stays: names of classes
and protocols, and codes, as in ``java.net.SocketTimeoutException``, ``TLSv1.2`` and ``status 502``.

The ids of failure groups contain a hash of the result, so a change of it ends their links.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

MAX_LENGTH = 300
"""Characters of a normalised message."""
_READ = 1000
"""Characters that are read of a message, so that no pattern has to be linear."""

_URL = r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}:\\?/\\?/[^\s\"'<>`)\]}]+"
_ADDRESS = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,10}"
_QUOTED = (
    r"\"[^\"\n]{0,300}\"|`[^`\n]{0,300}`|«[^»\n]{0,300}»|“[^”\n]{0,300}”"
    # An apostrophe stands within a word.
    r"|(?<!\w)'[^'\n]{0,300}'(?!\w)"
)
_UUID = r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b"
_CLOCK = r"\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?"
_MOMENT = (
    rf"\b\d{{4}}[-/]\d\d[-/]\d\d(?:[T ,]{{1,2}}{_CLOCK})?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?"
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DATE = (
    r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?"
    rf"(?:\d{{1,2}} {_MONTH},? \d{{4}}|{_MONTH} +\d{{1,2}}(?:,? \d{{4}})?)"
    rf"(?:,? {_CLOCK}(?: \d{{4}})?)?(?: (?:Z|UTC|GMT|[+-]\d{{4}})\b)?"
)
_TIME_OF_DAY = r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"
_IP = (
    r"\[[0-9A-Fa-f:.]{2,45}(?:%\w{1,15})?\](?::\d{1,5})?"
    r"|(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])"
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])(?::\d{1,5})?"
)
# A host is in lower case; a class is not, in its last part at least.
_HOST = (
    r"(?<![\w./$-])(?:[a-z0-9_][a-z0-9_-]{0,62}\.){1,20}(?!\d)[a-z0-9-]{2,24}\.?"
    r"(?![\w(.$])(?::\d{1,5}(?!\d))?"
    r"|(?<![\w.])[a-z][a-z0-9-]{0,62}:\d{2,5}\b"
)
_PATH = r"(?<![\w.<>/])/[\w.~%-]+(?:/[\w.~%-]*)*(?:\?[\w.~%=&+-]*)?"
# Ids mix letters with several digits; short words such as sha256 do too.
_ID = r"\b(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])(?=[\w-]*\d[\w-]*\d)[\w-]{9,}\b"
# Codes tell causes apart.
_NUMBER = (
    r"(?P<code>\b(?:(?i:HTTP(?:/\d(?:\.\d)?)?(?: response| error)?|status(?: code)?|answered"
    r"|returned|responded with)[ :=]{1,2}[1-5]\d\d"
    r"|(?i:errno|curl error|error code|exit code)[ :=]{1,2}-?\d{1,5})\b)"
    r"|(?<![A-Za-z_/.\d])\d+(?:[.,:]\d+)*"
)

_REPLACEMENTS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (_URL, "<url>"),
    (_ADDRESS, "<address>"),
    (_QUOTED, "<text>"),
    (_UUID, "<id>"),
    (_MOMENT, "<time>"),
    (_DATE, "<time>"),
    (_TIME_OF_DAY, "<time>"),
    (_IP, "<host>"),
    (_HOST, "<host>"),
    (_PATH, "<path>"),
    (_ID, "<id>"),
    (_NUMBER, lambda found: found["code"] or "<number>"),
    (r"\s+", " "),
)
_STEPS = tuple((re.compile(pattern), replacement) for pattern, replacement in _REPLACEMENTS)


@functools.lru_cache(maxsize=2048)
def normalised(message: str) -> str:
    """Return a redacted message without what differs between occurrences of one failure."""
    text = message[:_READ]
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text.strip(" .")[:MAX_LENGTH]
