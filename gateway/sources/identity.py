"""What a source is made of, to find out whether a new configuration changes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.config.files import digest_of
from gateway.upstream.exchange import usual_authorities

if TYPE_CHECKING:
    from gateway.config.source import SourceTable


class Identity(NamedTuple):
    """A source's table with its secrets, and digests of the files that are read when it is made."""

    settings: SourceTable
    files: tuple[bytes, ...]
    reuse_rows: bool


def identity_of(settings: SourceTable, *, reuse_rows: bool) -> Identity:
    """Return what a source with these settings would be made of now."""
    files = [digest_of(value) for _, value in settings if isinstance(value, Path)]
    return Identity(settings, (*files, usual_authorities()), reuse_rows)
