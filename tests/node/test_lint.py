"""The lint of schema.graphql by graphql-eslint; its configuration explains the exceptions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.node.conftest import HERE, ROOT, SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from tests.node.conftest import Run

LINT = ("npx", "--prefix", str(HERE), "eslint", "--config", str(HERE / "eslint.config.mjs"))


def test_schema_passes_lint(run: Run) -> None:
    assert run(*LINT, "--max-warnings", "0", "schema.graphql", folder=ROOT).stdout == ""


WRONGS = {
    "naming-convention": ("Granted", "granted"),
    "no-unreachable-types": ("type Action {", "type Orphan { id: ID! }\n\ntype Action {"),
    "relay-connection-types": ("  pageInfo: PageInfo!", "  pages: PageInfo!"),
    "relay-page-info": ("  startCursor: String", "  beginning: String"),
    "require-description": ('"""An action in the journal."""\n', ""),
    "strict-id-in-types": ('no id for node."""\n  id: ID!', 'no id for node."""\n  key: ID!'),
}


def test_lint_finds_mistakes(run: Run, tmp_path: Path) -> None:
    text = SCHEMA.read_text(encoding="utf-8")
    for right, wrong in WRONGS.values():
        assert right in text
        text = text.replace(right, wrong)
    (tmp_path / "schema.graphql").write_text(text, encoding="utf-8")
    complaints = run(*LINT, "schema.graphql", folder=tmp_path, fails=True).stdout
    assert set(re.findall(r"@graphql-eslint/(.*)$", complaints, re.MULTILINE)) == WRONGS.keys()
