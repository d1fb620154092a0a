"""HTTP headers in the JSON forms that vendors use.

An object (``{"Via": "a"}``), a list of pairs (``[["Via", "a"]]``), of objects (``[{"name": "Via",
"value": "a"}]``, as in HAR, or ``[{"Via": "a"}]``), of lines (``["Via: a"]``), or one text of
lines or of the JSON of any other form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.model import Header

_NAMES = ("name", "key", "header")
_VALUE = "value"


def pairs(value: Any) -> list[tuple[str, Any]] | None:
    """Return names and values in order; None if the value has none of these forms."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, str):
        decoded = _decoded(value)
        return pairs(value.splitlines() if decoded is None else decoded) if value else None
    if not isinstance(value, list):
        return None
    found = [_pair(item) for item in value if item != ""]
    return None if None in found else [pair for pair in found if pair is not None]


def rebuilt(value: Any, shown: Sequence[Header]) -> Any:
    """Return the value that was passed to ``pairs`` in its original form, with redacted values."""
    if isinstance(value, dict):
        return {
            header.name: header.value if header.redacted else value[header.name] for header in shown
        }
    if isinstance(value, str):
        if (decoded := _decoded(value)) is not None:
            return msgspec.json.encode(rebuilt(decoded, shown)).decode()
        return "\r\n".join(f"{header.name}: {header.value}" for header in shown)
    items = (item for item in value if item != "")
    return [_rebuilt_item(item, header) for item, header in zip(items, shown, strict=True)]


def _decoded(text: str) -> dict[str, Any] | list[Any] | None:
    """Return the object or the list in a text of JSON; None for any other text."""
    if not text.startswith(("{", "[")):
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _pair(item: Any) -> tuple[str, Any] | None:
    if isinstance(item, str):
        name, colon, rest = item.partition(":")
        return (name, rest.strip()) if colon and name.strip() == name != "" else None
    if isinstance(item, list):
        return (item[0], item[1]) if len(item) == 2 and isinstance(item[0], str) else None
    if not isinstance(item, dict):
        return None
    members = {key.lower(): value for key, value in item.items()}
    if _VALUE in members:
        names = [members[key] for key in _NAMES if isinstance(members.get(key), str)]
        return (names[0], members[_VALUE]) if names else None
    return next(iter(item.items())) if len(item) == 1 else None


def _rebuilt_item(item: Any, header: Header) -> Any:
    if isinstance(item, str):
        return f"{header.name}: {header.value}"
    if isinstance(item, list):
        return [header.name, header.value if header.redacted else item[1]]
    if len(item) == 1 and _VALUE not in {key.lower() for key in item}:
        return {header.name: header.value if header.redacted else item[header.name]}
    return {
        key: header.value if key.lower() == _VALUE and header.redacted else kept
        for key, kept in item.items()
    }
