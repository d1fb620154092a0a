"""The ids of the schema: opaque, stable and untrusted.

An id consists of a kind, a source and the place of the object inside the source (see
``gateway.vendors.base``), so that the vendor can be called for it directly. It grants no access: a
source checks the place against its configuration.
"""

from __future__ import annotations

import base64
import enum
import functools
import hashlib
from typing import TYPE_CHECKING

import msgspec

from gateway.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from gateway.model import WebhookLog

MAX_LENGTH = 1024
"""Maximum length of an id in characters; one with three UUIDs has 250."""


class Kind(enum.Enum):
    """The kind of object that has an id."""

    LOG = "l"
    HOOK = "h"
    SOURCE = "s"
    GROUP = "g"


_NOUNS = {
    Kind.LOG: "webhook log",
    Kind.HOOK: "hook",
    Kind.SOURCE: "source",
    Kind.GROUP: "failure group",
}


class Reference(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A decoded id. Only the source knows the meaning of ``place``."""

    kind: Kind
    source: str
    place: tuple[str, ...] = ()


_decoder = msgspec.msgpack.Decoder(Reference)
_encoder = msgspec.msgpack.Encoder()


def encode(kind: Kind, source: str, *place: str) -> str:
    """Return the id of an object."""
    return pack(_encoder.encode((kind.value, source, place)))


@functools.lru_cache(maxsize=8192)
def decode(text: str, kind: Kind | None = None) -> Reference:
    """Decode an id; RequestError if it is not an id of this gateway, or of another kind."""
    if not text:
        raise RequestError(
            ErrorCode.INVALID_ID,
            "That id is empty. Give the id of a webhook log, hook or source as a query gave it.",
        )
    try:
        reference = _decoder.decode(unpack(text, MAX_LENGTH))
    except (ValueError, msgspec.MsgspecError):
        reference = None
    # Each object has exactly one id; other encodings of the same object are refused.
    if reference is None or encode(reference.kind, reference.source, *reference.place) != text:
        raise RequestError(
            ErrorCode.INVALID_ID,
            "That id was not made by this gateway. Use the id of a webhook log, hook or source"
            " as a query gave it.",
        )
    if kind is not None and kind is not reference.kind:
        raise RequestError(
            ErrorCode.INVALID_ID,
            f"That id belongs to a {_NOUNS[reference.kind]}, not to a {_NOUNS[kind]}.",
        )
    return reference


def mark(text: str) -> bytes:
    """Return a six-byte hash that identifies a text inside a cursor."""
    return hashlib.blake2b(text.encode(), digest_size=6).digest()


def mark_of(log: WebhookLog) -> bytes:
    """Return the mark of a log's id, which is kept beside the log."""
    kept = log.__dict__
    found: bytes | None = kept.get("mark")
    if found is None:
        found = kept["mark"] = mark(log.id)
    return found


def pack(data: bytes) -> str:
    """Encode bytes as text that needs no escaping in URLs and JSON."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unpack(text: str, limit: int) -> bytes:
    """Decode the output of `pack`; ValueError for other text, or above ``limit`` characters."""
    if len(text) <= limit:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        # The decoder ignores foreign characters and spare bits.
        if pack(data) == text:
            return data
    raise ValueError("This text was not packed.")
