"""The ids that callers see: opaque, stable, and never trusted when they come back.

An id names what it is, its source, and its place inside the source, so that the vendor can be
asked for it directly. It grants nothing: each source checks the place against its configuration.
"""

from __future__ import annotations

import base64
import enum
import hashlib

import msgspec

from gateway.errors import ErrorCode, RequestError

MAX_LENGTH = 1024
"""Characters of an id; one whose place is three UUIDs has 250."""


class Kind(enum.Enum):
    """What an id stands for."""

    LOG = "l"
    HOOK = "h"
    SOURCE = "s"


_NOUNS = {Kind.LOG: "webhook log", Kind.HOOK: "hook", Kind.SOURCE: "source"}


class Reference(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An id taken apart; ``place`` is the source's own business."""

    kind: Kind
    source: str
    place: tuple[str, ...] = ()


_decoder = msgspec.msgpack.Decoder(Reference)
_encoder = msgspec.msgpack.Encoder()


def encode(kind: Kind, source: str, *place: str) -> str:
    """Make the id."""
    return pack(_encoder.encode((kind.value, source, place)))


def decode(text: str, kind: Kind | None = None) -> Reference:
    """Take an id apart; RequestError when it is not one of this gateway's, or of another kind."""
    try:
        reference = _decoder.decode(unpack(text, MAX_LENGTH))
    except (ValueError, msgspec.MsgspecError):
        reference = None
    # There is one id for each thing, so whatever does not come out the same is not an id.
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
    """Make six bytes that stand for a text inside a cursor."""
    return hashlib.blake2b(text.encode(), digest_size=6).digest()


def pack(data: bytes) -> str:
    """Write bytes as text that needs no escaping in URLs and JSON."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unpack(text: str, limit: int) -> bytes:
    """Undo ``pack``; ValueError for what it never writes, or for more than ``limit`` characters."""
    if len(text) <= limit:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        # Decoding passes over foreign characters and spare bits.
        if pack(data) == text:
            return data
    raise ValueError("This text was not packed.")
