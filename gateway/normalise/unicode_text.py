r"""Make JSON values encodable.

JSON may contain half of a character as an escape, ``"\ud83d"``. Python decodes it to a lone
surrogate, which no encoder accepts. Such a half is replaced by its escape, so nothing is lost.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

# Redaction masks everything deeper than 64 levels.
_MAX_DEPTH = 100
# Python refuses to convert integers of more than about 14,000 bits to decimal text.
_MAX_BITS = 4096

_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATES = re.compile("([\ud800-\udbff])([\udc00-\udfff])|[\ud800-\udfff]")


def encodable_text(text: str) -> str:
    """Return the text if UTF-8 can encode it, otherwise a copy with escapes."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return _SURROGATES.sub(_write, text)


def encodable_json(value: Any) -> Any:
    """Return a JSON value if it can be encoded, otherwise a copy with escapes."""
    try:
        msgspec.json.encode(value)
    except (UnicodeEncodeError, ValueError, RecursionError):
        return _copy(value, 0)
    return value


def _write(match: re.Match[str]) -> str:
    if match[1]:  # two halves that belong together
        return (match[1] + match[2]).encode("utf-16", "surrogatepass").decode("utf-16")
    return f"\\u{ord(match[0]):04x}"


def _copy(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return encodable_text(value)
    if depth >= _MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {encodable_text(key): _copy(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item, depth + 1) for item in value]
    if isinstance(value, int) and value.bit_length() >= _MAX_BITS:
        return hex(value)
    return value
