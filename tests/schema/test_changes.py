"""Breaking changes of the schema are made on purpose only."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    ObjectTypeDefinitionNode,
    build_ast_schema,
    find_breaking_changes,
    parse,
    print_ast,
)

from gateway.schema import build_schema

PUBLISHED = Path(__file__).parent / "published.graphql"
"""The schema.graphql of the last release; copy it here with each release."""

ACKNOWLEDGED: dict[str, str] = {}
"""Breaking changes since that release, each with its reason and what callers have to change."""


def broken(before: DocumentNode, after: DocumentNode) -> set[str]:
    old, new = build_ast_schema(before), build_ast_schema(after)
    changes = {change.description for change in find_breaking_changes(old, new)}
    return changes | {f"{one} was removed." for one in marks(before) - marks(after)}


def marks(document: DocumentNode) -> set[str]:
    """Return the directives of all types, on which supergraphs rely."""
    return {
        f"{print_ast(directive)} on {node.name.value}"
        for node in document.definitions
        if isinstance(node, ObjectTypeDefinitionNode)
        for directive in node.directives or ()
    }


def test_breaking_changes_are_acknowledged() -> None:
    before = parse(PUBLISHED.read_text(encoding="utf-8"))
    found = broken(before, parse(build_schema().as_str()))
    assert found == ACKNOWLEDGED.keys(), (
        "Undo the change, or add it to ACKNOWLEDGED with its reason."
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (
            "  totalCount: Int\n",
            "  count: Int\n",
            "WebhookLogConnection.totalCount was",
        ),
        ("  durationMs: Float\n", "  durationMs: String\n", "Field WebhookLog.durationMs changed"),
        ("  RETRY\n", "  AGAIN\n", "Enum value ActionKind.RETRY was removed."),
        ('type Hook implements Node @key(fields: "id")', "type Hook implements Node", "@key"),
        ("type PageInfo @shareable", "type PageInfo", "@shareable on PageInfo was removed."),
    ],
)
def test_breaking_changes_are_found(before: str, after: str, change: str) -> None:
    text = PUBLISHED.read_text(encoding="utf-8")
    assert before in text
    changes = broken(parse(text), parse(text.replace(before, after)))
    assert any(change in found for found in changes)


@pytest.mark.slow
def test_additions_are_not_breaking() -> None:
    text = PUBLISHED.read_text(encoding="utf-8")
    more = text.replace("  durationMs: Float\n", "  durationMs: Float\n  more: Int\n")
    assert more != text
    assert broken(parse(text), parse(more)) == set()
