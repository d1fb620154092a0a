"""What clients and supergraphs rely on stays, or goes on purpose."""

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
"""The schema.graphql of the last release; with a release it is copied from there."""

ACKNOWLEDGED: dict[str, str] = {}
"""The breaking changes since then, each with the reason, and with what callers are to do."""


def broken(before: DocumentNode, after: DocumentNode) -> set[str]:
    old, new = build_ast_schema(before), build_ast_schema(after)
    changes = {change.description for change in find_breaking_changes(old, new)}
    return changes | {f"{one} was removed." for one in marks(before) - marks(after)}


def marks(document: DocumentNode) -> set[str]:
    """Give the directives of all types, by which supergraphs know them."""
    return {
        f"{print_ast(directive)} on {node.name.value}"
        for node in document.definitions
        if isinstance(node, ObjectTypeDefinitionNode)
        for directive in node.directives or ()
    }


def test_breaking_changes_are_acknowledged() -> None:
    before = parse(PUBLISHED.read_text(encoding="utf-8"))
    found = broken(before, parse(build_schema().as_str()))
    assert found == ACKNOWLEDGED.keys(), "Take it back, or tell in ACKNOWLEDGED why it has to be."


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
def test_what_breaks_callers_is_found(before: str, after: str, change: str) -> None:
    text = PUBLISHED.read_text(encoding="utf-8")
    assert before in text
    changes = broken(parse(text), parse(text.replace(before, after)))
    assert any(change in found for found in changes)


def test_what_is_added_breaks_nobody() -> None:
    text = PUBLISHED.read_text(encoding="utf-8")
    more = text.replace("  durationMs: Float\n", "  durationMs: Float\n  more: Int\n")
    assert more != text
    assert broken(parse(text), parse(more)) == set()
