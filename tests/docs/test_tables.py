"""The tables of the documentation match the code and are complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.callers import Role
from gateway.config import LimitSettings
from gateway.errors import ErrorCode
from gateway.telemetry.instruments import INSTRUMENTS
from tests.docs.pages import PAGES, USER_PAGES
from tests.docs.product import ENUMS, SETTINGS, SHIPPED, VENDORS
from tests.docs.tables import (
    cells,
    commands,
    events,
    keys,
    rewritten,
    source_schemas,
    table,
    tables_of,
)


@pytest.mark.parametrize("path", PAGES)
def test_tables_match_the_code(path: str) -> None:
    """``python -m tests.docs`` rewrites them."""
    assert rewritten(PAGES[path].text) == PAGES[path].text


@pytest.mark.parametrize("path", PAGES)
def test_handwritten_columns_are_filled(path: str) -> None:
    for text in PAGES[path].text.split("<!-- table: ")[1:]:
        for row in cells(text.partition("<!-- end -->")[0]):
            assert all(row), row


def written() -> dict[str, list[tuple[str, ...]]]:
    """Return the rows of all tables, by name."""
    names = [name for page in USER_PAGES.values() for name in tables_of(page.text)]
    return {name: list(table(name).rows) for name in names}


def first_column(name: str) -> set[str]:
    return {row[0].strip("`") for row in written()[name]}


def test_everything_has_its_table() -> None:
    assert first_column("error-codes") == {code.name for code in ErrorCode}
    assert first_column("user-errors") == ENUMS["UserErrorCode"].keys()
    assert first_column("roles") == {role.name.lower() for role in Role}
    assert first_column("settings limits") == LimitSettings.model_fields.keys()
    assert {row[1].strip("`") for row in written()["vendors"]} == VENDORS.keys()
    assert first_column("metrics") == {each.name for each in INSTRUMENTS}
    assert first_column("events") == {kind.__name__ for kind in events()}
    named = {" ".join(name.split()[1:]) for name in first_column("commands")}
    assert all(any(name.startswith(command) for name in named) for command in commands())


def test_every_setting_has_its_row() -> None:
    rows = {
        name.removeprefix("settings "): {row[0].strip("`") for row in rows}
        for name, rows in written().items()
        if name.startswith("settings ")
    }
    for path, names in settings_tables():
        assert any(names <= shown for shown in rows.values()), f"{path} is in no page"
    for provider, schema in source_schemas().items():
        if provider in SHIPPED:
            continue
        own = {name for name, _, _ in keys(provider)}
        assert rows.get(provider, set()) == own, provider
        assert schema["properties"].keys() <= rows["sources"] | own
        assert f"credentials {provider}" in written()


def settings_tables() -> Iterator[tuple[str, set[str]]]:
    """Find the tables of the configuration, except those of the vendors."""
    tables = {name: it for name, it in SETTINGS["properties"].items() if name != "sources"}
    todo: list[tuple[str, Any]] = list(tables.items())
    while todo:
        path, schema = todo.pop()
        if not isinstance(schema, dict):
            continue
        if "$ref" in schema:
            todo.append((path, SETTINGS["$defs"][schema["$ref"].rpartition("/")[2]]))
        properties = schema.get("properties", {})
        if "title" in schema and properties:
            yield path, set(properties)
        todo += [(f"{path}.{name}", inner) for name, inner in properties.items()]
        todo += [(path, schema.get(name)) for name in ("items", "additionalProperties")]
        todo += [(path, inner) for inner in schema.get("patternProperties", {}).values()]
        todo += [(path, inner) for name in ("anyOf", "oneOf") for inner in schema.get(name, ())]


def test_outdated_table_is_detected() -> None:
    text = PAGES[".github/docs/error-codes.md"].text
    for right, wrong in (
        ("| `OVERLOADED` |", "| `OVERBOARD` |"),
        ("The document is not valid GraphQL syntax.", "The document is not valid XML."),
    ):
        assert right in text
        assert rewritten(text.replace(right, wrong)) != text.replace(right, wrong)
