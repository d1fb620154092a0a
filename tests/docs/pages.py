"""The pages of the documentation, with their fenced blocks and inline code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
REFERENCE = ".github/docs"

_BLOCK = re.compile(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"``(.+?)``|`([^`\n]+)`")


class Block(NamedTuple):
    """A fenced block; ``name`` is the file that readers should save it as, or empty.

    ``start`` and ``end`` delimit ``text`` in the page.
    """

    language: str
    name: str
    text: str
    start: int
    end: int


class Page(NamedTuple):
    """A Markdown file; ``path`` is relative to the repository."""

    path: str
    text: str

    @property
    def blocks(self) -> list[Block]:
        """All fenced blocks, in order."""
        return [
            Block(found[1], found[2] or "", found[3], *found.span(3))
            for found in _BLOCK.finditer(self.text)
        ]

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _BLOCK.sub("", self.text)

    @property
    def code(self) -> list[str]:
        """The code between backticks in the prose."""
        return [double or single for double, single in _CODE.findall(self.prose)]

    def block_texts(self, language: str) -> list[str]:
        """Return the texts of the unnamed blocks of one language."""
        return [it.text for it in self.blocks if it.language == language and not it.name]


def read(path: str) -> Page:
    """Read a page by its path in the repository."""
    return Page(path, (ROOT / path).read_text(encoding="utf-8"))


def _paths() -> list[str]:
    files = [ROOT / "README.md", ROOT / "gateway/README.md", *(ROOT / ".github").rglob("*.md")]
    return sorted(file.relative_to(ROOT).as_posix() for file in files)


PAGES = {path: read(path) for path in _paths()}
TUTORIAL = f"{REFERENCE}/add-your-vendor.md"
"""The page that has a runner of its own, ``tests.docs.tutorial``."""
USER_PAGES = {
    path: page
    for path, page in PAGES.items()
    if path == "README.md" or (REFERENCE in path and path != TUTORIAL)
}
"""The README and the reference, for people who run or call the gateway."""
FILES = {
    block.name: block.text for page in USER_PAGES.values() for block in page.blocks if block.name
}
"""The files that readers write while following a page, by name."""
