"""JSON objects of a vendor that contain text that could not be decoded."""

from __future__ import annotations

from typing import Any

WARNING = (
    "Some bytes of the vendor's text could not be decoded; each is shown as its number, such as"
    " \\xff."
)


class Damaged(dict[str, Any]):
    r"""An object that contains such text, at any depth.

    Each undecodable byte is shown as ``\xff``, each lone surrogate as ``\ud83d``.
    """
