"""A vendor's response."""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from gateway.normalise.damaged import Damaged
from gateway.normalise.fields import UnreadableError
from gateway.upstream.known_secrets import KnownSecrets

_BOMS = (
    # UTF-32's mark begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([\w.:+-]{1,40})""", re.ASCII | re.IGNORECASE)
_DEFAULTS = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252"})
"""Charsets that servers declare by default; JSON is read as UTF-8 if possible (RFC 8259)."""
_NO_CHARSETS = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
)
"""Codecs of Python that are not charsets."""
_BLANK = "\ufeff\0\x1a\u00a0\u200b \t\r\n"
"""Byte order marks and padding that may surround a document."""
_HALF = re.compile("[\ud800-\udfff]")
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_RAW_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Answer:
    """A response of any status with its whole body, decompressed as far as its codings are known.

    ``packing`` is the remaining Content-Encoding, or ``""``.
    """

    def __init__(
        self, status: int, headers: httpx.Headers, content: bytes, packing: str = ""
    ) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self.packing = packing
        self._secrets = KnownSecrets()
        self._raw: dict[str, Any] = {}

    def masked(self, secrets: KnownSecrets) -> Answer:
        """Return the response with the secrets that were sent to the vendor masked."""
        answer = Answer(self.status, self.headers, self.content, self.packing)
        answer._secrets = secrets
        if any(secrets.may_be_in(value) for _, value in self.headers.raw):
            pairs = [(name, secrets.mask_text(text)) for name, text in self.headers.multi_items()]
            answer.headers = httpx.Headers(pairs, encoding="utf-8")
        return answer

    def json(self) -> Any:
        """Return the document; ValueError if there is none, or if it is nested too deeply.

        Harmless faults are tolerated: a byte order mark, raw control characters, NaN. A number too
        large for a float stays text. Objects with undecodable text are ``Damaged``.
        """
        return self._document

    def with_raw_rows(self, name: str) -> Any:
        """Return the document with the rows of one list as undecoded ``msgspec.Raw``.

        The list is that of a field, or the document itself for the name ``""``; dots in the name
        lead into objects. None if the list is empty or is none of objects, and for a document that
        needs more than decoding.
        """
        found = self._raw.get(name)
        if name not in self._raw:
            found = self._raw[name] = self._decode_raw(name)
        return found

    def outline(self, name: str) -> Any:
        """Return the document of ``with_raw_rows`` with the first of its rows alone, decoded."""
        document = self.with_raw_rows(name)
        if document is None:
            return None
        steps = name.split(".") if name else []
        try:
            first = [decode_row(functools.reduce(dict.__getitem__, steps, document)[0])]
        except UnreadableError:
            return None
        return _with_rows(document, steps, first)

    def _decode_raw(self, name: str) -> Any:
        content = self.content
        if self._charset not in _DEFAULTS or self._secrets.may_be_in(content):
            return None
        try:
            if not content.isascii():
                content.decode()  # what is left undecoded is not checked
            document: Any
            if not name:
                document = rows = _RAW_LIST.decode(content)
            else:
                document, rows = _decode_around(content, name.split("."))
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, RecursionError):
            return None
        return document if rows and bytes(rows[0]).startswith(b"{") else None

    @property
    def is_blank(self) -> bool:
        """Whether there is no body, or one of white space only."""
        return not self.content[:64].strip() and not self.content.strip()

    @property
    def text(self) -> str:
        """The body as text; undecodable bytes are shown as in ``Damaged``."""
        return self._secrets.mask_text(_shown(self._decoded))

    @functools.cached_property
    def _document(self) -> Any:
        try:
            if self._charset in _DEFAULTS:
                try:
                    document = msgspec.json.decode(self.content)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    pass
                else:
                    found = self._secrets.may_be_in(self.content)
                    return self._secrets.mask(document) if found else document
            return self._secrets.mask(_decode_faulty(self._decoded))
        except RecursionError:
            raise ValueError("The document nests too deep.") from None

    @functools.cached_property
    def _charset(self) -> str:
        match = _CHARSET.search(self.headers.get("Content-Type", ""))
        try:
            name = codecs.lookup(match[1]).name if match else "utf-8"
        except LookupError:
            return "utf-8"
        return "utf-8" if name.replace("-", "_") in _NO_CHARSETS else name

    @property
    def _decoded(self) -> str:
        content = self.content
        marked = [name for mark, name in _BOMS if content.startswith(mark)]
        guessed = json.detect_encoding(content)
        declared = self._charset
        attempts = [*marked[:1], *([guessed] if b"\0" in content[:4] else [])]
        attempts += ["utf-8", declared] if declared in _DEFAULTS else [declared, "utf-8"]
        for name in attempts:
            errors = "surrogatepass" if name.startswith(("utf-16", "utf-32")) else "strict"
            try:
                return content.decode(name, errors)
            except (UnicodeError, LookupError):  # codecs such as base64 do not decode to text
                continue
        return content.decode("utf-8", errors="surrogateescape")


def decode_row(row: msgspec.Raw) -> Any:
    """Decode a row of ``Answer.with_raw_rows``; its harmless faults are tolerated as in ``json``.

    Raises UnreadableError if it is nested too deeply.
    """
    try:
        try:
            return msgspec.json.decode(row)
        except msgspec.DecodeError:
            return _decode_faulty(bytes(row).decode())
    except RecursionError:
        raise UnreadableError("it is nested too deep") from None


def _decode_faulty(text: str) -> Any:
    document = json.loads(
        text.strip(_BLANK),
        strict=False,
        parse_float=_number,
        parse_int=_number,
        parse_constant=str,
    )
    return _repaired(document)[0]


def _repaired(value: Any) -> tuple[Any, bool]:
    """Return an encodable copy of a value, and whether anything in it was damaged."""
    if isinstance(value, str):
        shown = _shown(value)
        return shown, shown is not value
    if isinstance(value, list):
        pairs = [_repaired(item) for item in value]
        return [item for item, _ in pairs], any(damaged for _, damaged in pairs)
    if isinstance(value, dict):
        members, damages = {}, False
        for key, member in value.items():
            mended, damaged = _repaired(member)
            members[_shown(key)] = mended
            damages = damages or damaged or _HALF.search(key) is not None
        return (Damaged(members) if damages else members), damages
    return value, False


def _shown(text: str) -> str:
    """Escape an incomplete character: a stray byte or a lone surrogate."""
    if _HALF.search(text) is None:
        return text
    return _HALF.sub(
        lambda half: (
            f"\\x{ord(half[0]) - 0xDC00:02x}"
            if "\udc80" <= half[0] <= "\udcff"
            else f"\\u{ord(half[0]):x}"
        ),
        text,
    )


def _number(text: str) -> float | str:
    try:
        return msgspec.json.decode(text, type=int | float)
    except msgspec.DecodeError:
        return text


def _decode_around(content: bytes, steps: Sequence[str]) -> tuple[dict[str, Any], list[Any]]:
    """Decode an object except for the rows of a list in it; return both."""
    members = _RAW_MEMBERS.decode(content)
    inner = members.pop(steps[0])
    document = {key: msgspec.json.decode(member) for key, member in members.items()}
    if len(steps) == 1:
        document[steps[0]] = rows = _RAW_LIST.decode(inner)
    else:
        document[steps[0]], rows = _decode_around(inner, steps[1:])
    return document, rows


def _with_rows(document: Any, steps: Sequence[str], rows: list[Any]) -> Any:
    """Return a document with other rows."""
    if not steps:
        return rows
    return {**document, steps[0]: _with_rows(document[steps[0]], steps[1:], rows)}
