"""Objects of a vendor's document with text in them that could not be decoded."""

from __future__ import annotations

from typing import Any

WARNING = (
    "Some bytes of the vendor's text could not be decoded; each is shown as its number, such as"
    " \\xff."
)


class Damaged(dict[str, Any]):
    r"""An object with such text, at any depth.

    Each byte at fault is shown as ``\xff``, each half of a surrogate pair as ``\ud83d``.
    """
