"""Regenerates the parts of the documentation that come from the code: ``python -m tests.docs``.

These parts are the tables, and the responses shown after queries and commands.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.docs.pages import PAGES, ROOT, TUTORIAL, USER_PAGES, Page
from tests.docs.run import Runner
from tests.docs.tables import rewritten
from tests.docs.tutorial import Tutorial


def main() -> None:
    """Rewrite all pages."""
    for path, page in PAGES.items():
        text = rewritten(page.text)
        if path in USER_PAGES or path == TUTORIAL:
            kind = Tutorial if path == TUTORIAL else Runner
            with tempfile.TemporaryDirectory() as folder:
                runner = kind(Page(path, text), Path(folder))
                runner.run()
            for shown in reversed(runner.shown):
                if not shown.is_true:
                    text = text[: shown.start] + shown.real + text[shown.end :]
        if text != page.text:
            (ROOT / path).write_text(text, encoding="utf-8")
            print(f"{path} is rewritten.")


if __name__ == "__main__":
    main()
