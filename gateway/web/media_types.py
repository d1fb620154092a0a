"""Media types in Accept and Content-Type, parsed by the rules of RFC 9110.

Invalid syntax with a clear meaning is read as most servers read it: spaces around ``=``, a quality
of ``.2``, a bare ``*`` (which Java's HttpURLConnection sends).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
MULTIPART = "multipart/mixed"
PAGES = {"text/html", "text/*", "application/xhtml+xml"}
"""Media types that browsers accept for a page, and that GraphQL clients do not name."""


class MediaType(NamedTuple):
    """A media type or range; the name and the names of its parameters are in lower case."""

    name: str
    parameters: dict[str, str]

    @property
    def is_json(self) -> bool:
        """True for a JSON type as https://mimesniff.spec.whatwg.org/#json-mime-type defines it.

        No page can send one to another origin without permission.
        """
        kind, slash, subtype = self.name.partition("/")
        if self.name in {JSON, "text/json"}:
            return True
        return bool(kind and slash) and len(subtype) > len("+json") and subtype.endswith("+json")


def split(text: str, separator: str) -> list[str]:
    """Split a header at a separator, except inside quoted strings; empty elements are omitted.

    A string without a closing quote extends to the end of the header.
    """
    pieces, start = [], 0
    for match in _SPLITTERS[separator].finditer(text):
        if match.group() == separator:
            pieces.append(text[start : match.start()])
            start = match.end()
    pieces.append(text[start:])
    return [stripped for piece in pieces if (stripped := piece.strip(" \t"))]


def parse(text: str) -> MediaType:
    """Parse one media type or range with its parameters; of two with one name, the first counts."""
    pieces = split(text, ";")
    # Without a type, the first piece is a parameter.
    name = pieces.pop(0).lower() if pieces and not text.lstrip(" \t").startswith(";") else ""
    parameters: dict[str, str] = {}
    for piece in pieces:
        key, _, value = (part.strip(" \t") for part in piece.partition("="))
        parameters.setdefault(key.lower(), _unquoted(value))
    return MediaType("*/*" if name == "*" else name, parameters)


def parse_list(lines: Iterable[str]) -> list[MediaType]:
    """Parse the media types of a header that may come in several lines."""
    return [parse(element) for element in split(",".join(lines), ",")]


def quality(accepted: MediaType) -> float:
    """Return the weight of a range in Accept, from 0 to 1; 0 if it is invalid."""
    text = accepted.parameters.get("q", "1")
    return min(float(text), 1.0) if _QUALITY.fullmatch(text) else 0.0


def accepts_page(accepted: Iterable[MediaType]) -> bool:
    """Return whether a browser asks for a page to show."""
    return any(one.name in PAGES and quality(one) > 0 for one in accepted)


def preferred(accepted: Iterable[MediaType]) -> str | None:
    """Choose the media type of a response; None when the caller accepts neither.

    Without an Accept header, everything is accepted. Parameters other than the weight are ignored.
    """
    weights: dict[str, float] = {}
    for one in accepted:
        weights[one.name] = max(weights.get(one.name, 0.0), quality(one))
    weights = weights or {"*/*": 1.0}

    def weight(offered: str) -> float:
        # The most specific range decides.
        ranges = (offered, "application/*", "*/*")
        return next((weights[name] for name in ranges if name in weights), 0.0)

    # A caller that does not name the newer type may not know it.
    best = max((GRAPHQL, JSON) if GRAPHQL in weights else (JSON, GRAPHQL), key=weight)
    return best if weight(best) > 0 else None


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _ESCAPED.sub(r"\1", value[1:].removesuffix('"'))


_SPLITTERS = {mark: re.compile(rf'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|{mark}', re.DOTALL) for mark in ",;"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUALITY = re.compile(r"(\d+(\.\d*)?|\.\d+)", re.ASCII)
