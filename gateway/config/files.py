"""Read text files with or without a byte order mark, with any line endings."""

from __future__ import annotations

import codecs
import contextlib
import errno
import hashlib
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BYTE_ORDER_MARK = "\ufeff"

_REASONS = {
    errno.ENOENT: "does not exist",
    errno.EACCES: "can't be opened by the user that runs the gateway: check its permissions and"
    " those of its folders",
    errno.EISDIR: "is a folder",
    errno.ENOTDIR: "lies in a folder that is a file",
    errno.ELOOP: "is a link that leads back to itself",
    errno.ENAMETOOLONG: "has a name that is too long",
}
_REASONS[errno.EPERM] = _REASONS[errno.EACCES]
# The mark of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


_noted: ContextVar[dict[Path, bytes] | None] = ContextVar("noted", default=None)


@contextlib.contextmanager
def files_noted() -> Iterator[dict[Path, bytes]]:
    """Note the files that are read until the context ends, with a digest of what they held.

    A secret's file leaves no other trace in the settings than the secret.
    """
    noted: dict[Path, bytes] = {}
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def digest_of(path: Path) -> bytes:
    """Return a digest of a file's content, which is empty if it can't be read."""
    try:
        return _digest(path.read_bytes())
    except (OSError, ValueError):
        return b""


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


class UnreadableFileError(ValueError):
    """A file can't be read as text; the message is a predicate, as in "does not exist"."""


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, without byte order marks at its beginning.

    Raises UnreadableFileError, which repeats neither the path nor the content.
    """
    content = read_bytes(path)
    if b"\0" in content:
        raise UnreadableFileError(
            "holds null characters, as UTF-16 text and binary files do: save it as UTF-8 text"
        )
    try:
        # Tools that join files may leave several marks.
        return content.decode().lstrip(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFileError(f"is not UTF-8 text in line {line}: save it as UTF-8") from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def read_bytes(path: Path) -> bytes:
    """Return the content of a file that is not UTF-16 or UTF-32 text; UnreadableFileError else."""
    noted = _noted.get()
    if noted is not None:
        noted[path.absolute()] = b""
    try:
        content = path.read_bytes()
    except OSError as error:
        # Windows reports a folder as a lack of permission.
        number = errno.EISDIR if _is_folder(path) else error.errno
        reason = _REASONS.get(number or 0, f"can't be read: {(error.strerror or '').lower()}")
        raise UnreadableFileError(reason) from None
    except ValueError:
        raise UnreadableFileError("has a name that no file can have") from None
    if noted is not None:
        noted[path.absolute()] = _digest(content)
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            raise UnreadableFileError(f"is {encoding} text: save it as UTF-8")
    return content
