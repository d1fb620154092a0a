"""What a vendor answered."""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec


class Answer(msgspec.Struct, frozen=True):
    """An answer of any status, read to its end and unpacked."""

    status: int
    headers: httpx.Headers
    content: bytes

    def json(self) -> Any:
        """Decode the document; ValueError when it is none, or nests too deep to be read.

        What does no harm is read in spite of its faults: a byte order mark, bodies cut in the
        middle of a character, raw control characters. A number too large for a float stays text.
        """
        try:
            try:
                return msgspec.json.decode(self.content)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return _decode_faulty(self.content)
        except RecursionError:
            raise ValueError("The document nests too deep.") from None


def _decode_faulty(content: bytes) -> Any:
    document = json.loads(
        content.decode("utf-8-sig", errors="replace"),
        strict=False,
        parse_float=_number,
        parse_int=_number,
        parse_constant=str,
    )
    # Half a character can be read, but not be written again.
    return json.loads(json.dumps(document, ensure_ascii=False).encode(errors="replace"))


def _number(text: str) -> float | str:
    try:
        return msgspec.json.decode(text, type=int | float)
    except msgspec.DecodeError:
        return text
