"""Documents with wrong types, for the fault "wrong-types" and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def of_another_kind(document: Any) -> Any:
    """Return an object instead of a list, and a list instead of anything else."""
    return {"result": "none"} if isinstance(document, list) else ["none"]


def with_absurd_rows(document: Any) -> Any:
    """Return a document with absurd values in every second row; one without rows is a row."""
    changed = _with_rows(
        document,
        lambda rows: [row if number % 2 else _absurd_row(row) for number, row in enumerate(rows)],
    )
    return _absurd_row(document) if changed is document else changed


def with_rows_twice(document: Any) -> Any:
    """Return a document with every row repeated."""
    return _with_rows(document, lambda rows: [row for row in rows for _ in range(2)])


def _with_rows(document: Any, change: Callable[[list[Any]], list[Any]]) -> Any:
    """Change the rows of a list, bare or in an envelope; a document without rows is unchanged."""
    if isinstance(document, list):
        return change(document)
    if isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                return document | {name: change(value)}
    return document


def _absurd_row(row: Any) -> Any:
    if not isinstance(row, dict):
        return [row]
    return {name: _absurd(value) for name, value in row.items()}


def _absurd(value: Any) -> Any:
    match value:
        case bool():
            return "perhaps"
        case int() | float():
            return {"value": str(value)}
        case str():
            return [len(value)]
        case list():
            return 0
        case dict():
            return True
        case _:
            return [None]
