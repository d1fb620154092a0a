"""Content codings (RFC 9110, 8.4): safe decompression of bodies that may be bombs.

3 KB of gzip can hold 1 GB, and httpx would decompress each chunk completely, once for each coding
in the header.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

MAX_LAYERS = 3
"""Maximum number of nested codings; more are an attack."""

GZIP = b"\x1f\x8b"
_NOT_PACKED = frozenset({"", "identity", "none", "utf-8", "utf8", "binary", "8bit", "7bit"})
"""Not codings, although servers name them in Content-Encoding."""


class TooLargeError(Exception):
    """The decompressed body is too large."""


def unpack(content: bytes, header: str, limit: int) -> tuple[bytes, str]:
    """Undo the codings of a Content-Encoding header; return the content and the remaining ones.

    Unknown codings remain, along with all that were applied before them. Raises zlib.error for
    content that is damaged or incomplete, TooLargeError for more than ``limit`` bytes.
    """
    parts = (part.partition(";")[0].strip().lower() for part in header.split(","))
    names = [name for name in parts if name not in _NOT_PACKED]
    if len(names) > MAX_LAYERS:
        raise zlib.error("There are too many codings.")
    while names and content and (decode := _DECODERS.get(names[-1])):
        try:
            content = decode(content, limit)
        except zlib.error:
            # A proxy may have decompressed the body and left the header.
            if not _is_plain(content):
                raise
        names.pop()
    if not names and content.startswith(GZIP):
        # Compressed in advance, and served without a header.
        content = _gunzip(content, limit)
    return content, ", ".join(re.sub(r"[^\w-]", "", name)[:20] for name in names if content)


def _is_plain(content: bytes) -> bool:
    """Return whether it begins as JSON or markup does."""
    return content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"[", b"<", b'"'}


def _gunzip(content: bytes, limit: int) -> bytes:
    """Unpack the members of a gzip file (RFC 1952, 2.2); anything else after one is ignored."""
    unpacked = bytearray()
    while content.startswith(GZIP) or not unpacked:
        part, content = _inflate(content, zlib.MAX_WBITS | 16, limit - len(unpacked))
        unpacked += part
        if not part and not content:
            break
    return bytes(unpacked)


def _deflate(content: bytes, limit: int) -> bytes:
    """Unpack the zlib format (RFC 1950), or the raw one or gzip, which some servers send."""
    if content.startswith(GZIP):
        return _gunzip(content, limit)
    is_zlib = content[0] & 15 == 8 and int.from_bytes(content[:2]) % 31 == 0
    return _inflate(content, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS, limit)[0]


def _inflate(content: bytes, bits: int, limit: int) -> tuple[bytes, bytes]:
    unpacker = zlib.decompressobj(bits)
    unpacked = unpacker.decompress(content, limit + 1)
    if len(unpacked) > limit:
        raise TooLargeError
    if not unpacker.eof:
        raise zlib.error("The end is missing.")
    return unpacked, unpacker.unused_data


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _deflate,
}
