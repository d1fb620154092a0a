"""Keeps the names of the schema out of messages, where callers may not ask for the schema."""

from __future__ import annotations

import re

HIDDEN = "..."
"""What stands in the place of a name that the caller did not write."""


def unnamed(message: str, document: str) -> str:
    """Take out of a message what it suggests, and all that it quotes but the document's words."""
    written = set(_WORD.findall(document))

    def kept(quotation: re.Match[str]) -> str:
        text = quotation[0]
        return text if written.issuperset(_WORD.findall(text)) else text[0] + HIDDEN + text[-1]

    return _QUOTED.sub(kept, _SUGGESTION.sub("", message))


_WORD = re.compile(r"\w+")
_SUGGESTION = re.compile(r"\s*Did you mean [^?]*\?")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
