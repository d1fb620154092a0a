r"""Mask the values of a source's own credentials in all responses of its vendor.

A vendor may repeat the credential it received: in an error ("token abc is not valid"), in a log of
a webhook that calls the vendor itself, in a request id. ``gateway.normalise.redaction`` recognises
secrets by name and shape; these are recognised by value, in any encoding::

    p&ss wörd   p%26ss+w%C3%B6rd   p&amp;ss wörd   p\u0026ss w\u00f6rd   dTpwJnNzIHfDtnJk...

Most responses contain none of them. So the raw bytes are first scanned for a part of the value that
no encoding changes, and only documents with that part are traversed.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretStr

from gateway.normalise.redaction import MASK

MAX_TOKENS = 8
"""Maximum number of fetched tokens that are masked; older ones have expired."""
SHORTEST = 3
"""Minimum length in characters; masking shorter values would mangle every text."""
LONG = 6
"""Minimum length in characters to mask a value inside a longer word, unless it is a plain word or
number itself: a password "hook" must not turn "webhooks" into "web***s"."""

_ANCHOR = re.compile(rb"[0-9A-Za-z]+")
_ESCAPED_ANCHOR = re.compile(rb"\\u00(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])")
"""A letter or digit as a JSON escape: legal, and invisible to the scan for anchors."""
_WORD = re.compile(r"[A-Za-z]+|[0-9]+")
_ALONE = (
    r"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[bfnrt]))",
    r"(?![0-9A-Za-z])",
)
_HTML_NAMES = {"&": "amp", '"': "quot", "'": "apos", "<": "lt", ">": "gt"}


class KnownSecrets:
    """Secret values that were sent to a vendor and must be masked."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: dict[str, None] = {}
        self._tokens: dict[str, None] = {}
        self._anchors: tuple[bytes, ...] = ()
        self._pattern: re.Pattern[str] | None = None
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Add permanent values."""
        self._values.update(dict.fromkeys(value for value in values if len(value) >= SHORTEST))
        self._changed()

    def add_token(self, token: str) -> None:
        """Add a fetched token; evict the oldest one if there are too many."""
        self._tokens.pop(token, None)
        self._tokens[token] = None
        if len(self._tokens) > MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self._changed()

    def extended(self, values: Iterable[str]) -> KnownSecrets:
        """Return a copy with more values, for one call."""
        return KnownSecrets((*self._values, *self._tokens, *values))

    def may_be_in(self, content: bytes) -> bool:
        """Return False if UTF-8 text certainly holds none of the values, in any encoding."""
        if any(anchor in content for anchor in self._anchors):
            return True
        if b"\\u00" not in content or not self._anchors:
            return False
        return _ESCAPED_ANCHOR.search(content) is not None

    def mask(self, document: Any) -> Any:
        """Return a copy of a decoded JSON document with every value masked."""
        if not self._anchors:
            return document
        if self._pattern is None:
            self._pattern = _compiled((*self._values, *self._tokens))
        return _masked(document, self._pattern)

    def mask_text(self, text: str) -> str:
        """Return a text with every value masked."""
        if not self.may_be_in(text.encode(errors="replace")):
            return text
        masked: str = self.mask(text)
        return masked

    def _changed(self) -> None:
        values = (*self._values, *self._tokens)
        # The two base64 forms of a value begin with the same letters.
        coded = [_base64(value)[: len(value.encode()) // 3 * 4] for value in values]
        self._anchors = tuple(dict.fromkeys(map(_anchor, (*values, *coded))))
        self._pattern = None


def in_settings(settings: BaseModel) -> Iterator[str]:
    """Find the secrets in a table of the configuration and in the tables inside it."""
    for _, value in settings:
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
        elif isinstance(value, BaseModel):
            yield from in_settings(value)


def in_headers(headers: Mapping[str, str]) -> Iterator[str]:
    """Return the credentials in headers without other content: the text after the scheme, if any.

    The parts of a Basic credential (RFC 7617) are secrets of their own: its password, or the user
    if the password is empty, as with API keys.
    """
    for value in headers.values():
        scheme, _, credential = value.partition(" ")
        yield credential.strip() or value
        if scheme.lower() == "basic":
            with_padding = credential.strip() + "=="
            try:
                pair = base64.b64decode(with_padding).decode()
            except (binascii.Error, ValueError):
                continue
            user, _, password = pair.partition(":")
            yield password or user


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")


def _anchor(form: str) -> bytes:
    """Return a part of a value that no encoding changes."""
    runs = _ANCHOR.findall(form.encode())
    return max(runs, key=len, default=b"")[:32]


def _compiled(values: Sequence[str]) -> re.Pattern[str]:
    padding = "(?:=|%(?:25)*3[Dd]){0,2}"
    forms = {_base64(f"{value}{end}"): padding for value in values for end in ("", ":")}
    forms |= dict.fromkeys(values, "")
    # Longest first, since the first alternative that matches wins.
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(_expression(form) + forms[form] for form in longest_first))


def _expression(form: str) -> str:
    body = "".join(map(_character, form))
    if len(form) >= LONG and not _WORD.fullmatch(form):
        return body
    return body.join(_ALONE)


@functools.lru_cache(maxsize=512)
def _character(character: str) -> str:
    """Return a regular expression for a character in every encoding, nested ones included."""
    literal = re.escape(character)
    if character.isascii() and character.isalnum():
        return literal
    octets = character.encode()
    percent = "".join(f"%(?:25)*{octet:02x}" for octet in octets)
    units = character.encode("utf-16-be")
    escapes = "".join(rf"\\+u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    point = ord(character)
    entities = [f"#0*{point}", f"#x0*{point:x}"]
    if character in _HTML_NAMES:
        entities.append(_HTML_NAMES[character])
    forms = [
        rf"\\*{literal}",
        f"(?i:{percent})",
        f"(?i:{escapes})",
        f"(?i:&(?:amp;)*(?:{'|'.join(entities)});)",
    ]
    if character == " ":
        forms.append(r"\+")
    if character in "+/":
        forms.append({"+": "-", "/": "_"}[character])  # base64 for URLs
    return f"(?:{'|'.join(forms)})"


def _masked(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(MASK, value)
    if isinstance(value, list):
        return [_masked(item, pattern) for item in value]
    if isinstance(value, dict):
        members = {_masked_key(key, pattern): _masked(item, pattern) for key, item in value.items()}
        # A subclass marks a damaged object, so keep the type.
        return members if type(value) is dict else type(value)(members)
    return value


def _masked_key(key: str, pattern: re.Pattern[str]) -> str:
    # A key that is a plain word names its value, so it is kept even if it equals a secret.
    return key if key.isidentifier() and not any(map(str.isdigit, key)) else pattern.sub(MASK, key)
