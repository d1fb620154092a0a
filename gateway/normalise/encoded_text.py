"""Redaction of text that is encoded within another: by percent signs, HTML or JSON escapes."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

# Percent signs that hide a quote, a bracket or a separator.
_PERCENT = re.compile(r"[^\s\"'<>\\%]*+%[^\s\"'<>\\]*+")
_HIDING = re.compile(r"%(?:25){0,3}(?:3[acdACD]|[57][bBdD]|2[0267])")
_ENTITY = re.compile(r"&(?:quot|apos|lt|#34|#39|#x2[27]|#60);", re.IGNORECASE)
_UNMARKED = re.compile(r"[^<>\"']+")
# Escapes of the marks of HTML, as some encoders write them.
_ESCAPE = re.compile(r"\\u00(2[267]|3[ce])", re.IGNORECASE)


def redact_encoded(text: str, redact: Callable[[str], str]) -> str:
    """Apply ``redact`` to the decoded text; where nothing is masked, the text stays as it is."""
    if "%" in text and _HIDING.search(text):
        text = _PERCENT.sub(lambda match: _redact_percent(match[0], redact), text)
    if "&" in text and _ENTITY.search(text):
        text = _UNMARKED.sub(lambda match: _redact_entities(match[0], redact), text)
    if "\\u00" in text and _ESCAPE.search(text):
        plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        clean = redact(plain)
        text = text if clean == plain else clean
    return text


def _redact_percent(text: str, redact: Callable[[str], str]) -> str:
    if _HIDING.search(text) is None:
        return text
    plain = unquote(text)
    clean = redact(plain)
    return text if clean == plain else quote(clean, safe="*=&/:?.,;@!$'()~")


def _redact_entities(text: str, redact: Callable[[str], str]) -> str:
    if _ENTITY.search(text) is None:
        return text
    plain = html.unescape(text)
    clean = redact(plain)
    return text if clean == plain else html.escape(clean)
