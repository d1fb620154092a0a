"""Bodies of requests: receiving them, and decoding their JSON."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive

    from gateway.limits import Limits

TIMEOUT = 10.0
"""Seconds for a body to arrive; the deadline of the operation starts afterwards."""

_JSON_ENCODINGS = (
    "utf-8 utf8 utf8mb4 unicode-1-1-utf-8 us-ascii ascii ansi-x3.4-1968 utf-16 utf-16le utf-16be"
    " utf-32 utf-32le utf-32be"
)
_CHARSETS = dict.fromkeys(_JSON_ENCODINGS.split(), "utf-8") | {
    "iso-8859-1": "latin-1",
    "iso8859-1": "latin-1",
    "latin-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
"""How to decode a body that has no sign of UTF-16 or UTF-32, by its charset."""


class RepeatedKeyError(ValueError):
    """An object has a key twice, and its meaning depends on the parser."""


class NotTextError(ValueError):
    """The bytes are not text in ``encoding``."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        super().__init__(encoding)


async def receive_body(request: Request, limits: Limits) -> bytes:
    """Return the body.

    Raises LimitError if it is too large, and TimeoutError if it arrives too slowly.
    """
    maximum = limits.maximum("body")
    announced = request.headers.get("content-length", "")
    if maximum is not None and _exceeds(announced, maximum):
        raise limits.refusal("body")
    body = bytearray()
    async with asyncio.timeout(TIMEOUT):
        async for chunk in request.stream():
            body += chunk
            if maximum is not None and len(body) > maximum:
                raise limits.refusal("body")
    limits.check("body", len(body))
    return bytes(body)


def _exceeds(announced: str, maximum: int) -> bool:
    # The server checks that it is a number, but not its length.
    return announced.isdecimal() and (len(announced) > 18 or int(announced) > maximum)


def is_known(charset: str) -> bool:
    """Return whether a body in a charset can be decoded."""
    return _plain(charset) in _CHARSETS


def _plain(charset: str) -> str:
    return charset.strip("' ").lower().replace("_", "-")


def decode_json(content: bytes, charset: str = "utf-8") -> Any:
    """Decode JSON in UTF-8, -16 or -32, with or without a byte order mark, or in ``charset``.

    RFC 8259 has UTF-8 alone and no charset, but clients send both. What the first bytes show
    counts more than the charset.

    Raises NotTextError, RepeatedKeyError, another ValueError for text that is not JSON, or
    RecursionError for values that are nested too deeply.
    """
    detected = json.detect_encoding(content)
    encoding = _CHARSETS[_plain(charset)] if detected == "utf-8" else detected
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise NotTextError(encoding.upper().removesuffix("-SIG")) from None
    if text[:1].isspace():
        # White space may stand before the mark.
        text = text.lstrip(" \t\r\n").removeprefix("\ufeff")
    # What follows the value is left to the decoder below, which takes no constants such as NaN.
    _WITH_KEYS_CHECKED.raw_decode(text.lstrip(" \t\r\n"))
    return msgspec.json.decode(text)


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise RepeatedKeyError


_WITH_KEYS_CHECKED = json.JSONDecoder(object_pairs_hook=_check_keys)


def depth(value: Any) -> int:
    """Return the depth of a JSON value; 1 for a scalar."""
    reached, level = 0, [value]
    while level:
        reached, outer, level = reached + 1, level, []
        for inner in outer:
            if isinstance(inner, dict):
                level += inner.values()
            elif isinstance(inner, list):
                level += inner
    return reached


async def too_late() -> Message:
    """Receive nothing: the time for the body is over."""
    raise TimeoutError


def beginning_with(message: Message, receive: Receive) -> Receive:
    """Return a ``receive`` that begins with a message that was received before."""
    first = [message]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
