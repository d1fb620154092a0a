"""``gateway vendor check``: a description, its mistakes, and what it makes of a sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.vendors.described.kits import SHIPPED
from tests.vendors.described.acme import written

ROWS = [
    {"id": "e1", "state": "failed", "at": "2026-03-04T09:00:00Z", "anvil": "big", "why": "timeout"},
    {"id": "e2", "state": "odd", "at": "2026-03-04T09:00:00Z"},
]
FIELDS = """
[log.failure]
message = "why"
[log.values]
anvil = { path = "anvil", about = "The anvil that fell." }
"""


def check(*words: str) -> Result:
    return CliRunner().invoke(app, ["vendor", "check", *words])


def with_sample(folder: Path, document: object, *tables: str) -> Result:
    file = written(folder, *tables)
    sample = folder / "list.json"
    sample.write_text(json.dumps(document))
    return check(str(file), "--sample", str(sample))


def test_capabilities_and_keys_are_printed(tmp_path: Path) -> None:
    result = check(str(written(tmp_path, FIELDS)))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Acme Hooks, https://acme.example/docs",
        "It can: LIST",
        'auth.type is one of "bearer", "pass-through"',
        "details.values.anvil: The anvil that fell.",
    ]


def test_rows_of_a_sample_are_shown_without_a_network(tmp_path: Path) -> None:
    result = with_sample(tmp_path, {"events": ROWS}, FIELDS)
    assert result.exit_code == 0
    assert result.stdout.partition("\n\n")[2].splitlines() == [
        "e1 2026-03-04T09:00:00Z FAILED",
        "TIMEOUT: timeout",
        'anvil "big"',
        "",
        "e2 2026-03-04T09:00:00Z UNKNOWN",
        "anvil null",
        "Warning: The vendor's state is no value that its description knows.",
    ]


def test_secrets_of_a_sample_are_masked(tmp_path: Path) -> None:
    row = ROWS[0] | {"anvil": {"password": "p4ssw0rd"}}
    result = with_sample(tmp_path, {"events": [row]}, FIELDS)
    assert 'anvil {"password": "***"}' in result.stdout
    assert "p4ssw0rd" not in result.output


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"rows": []}, "no list at events, where list.items looks for it"),
        ({"events": [{"state": "done"}]}, "a row can't be read: id is missing or is no id"),
    ],
)
def test_unreadable_sample_is_told(document: object, complaint: str, tmp_path: Path) -> None:
    result = with_sample(tmp_path, document)
    assert result.exit_code == 1
    assert complaint in result.stderr


def test_field_without_a_value_in_any_row_is_told(tmp_path: Path) -> None:
    """A path with a slip of the pen is no mistake that the description itself shows."""
    file = written(tmp_path, replace={'triggered_at = "at"': 'triggered_at = "at"\nevent = "knd"'})
    sample = tmp_path / "list.json"
    sample.write_text(json.dumps({"events": ROWS}))
    result = check(str(file), "--sample", str(sample))
    assert result.exit_code == 0
    assert "no row has a value for log.event" in result.stderr


@pytest.mark.parametrize("content", [None, "{"])
def test_sample_that_is_no_json_is_told(content: str | None, tmp_path: Path) -> None:
    sample = tmp_path / "list.json"
    if content is not None:
        sample.write_text(content)
    result = check(str(written(tmp_path)), "--sample", str(sample))
    assert result.exit_code == 1
    assert str(sample) in result.stderr.replace("\n", "")


def test_mistakes_are_printed(tmp_path: Path) -> None:
    file = written(tmp_path, replace={"[auth.bearer]": "[auth]", 'id = "id"': 'id = "a[["'})
    result = check(str(file))
    assert result.exit_code == 1
    assert [line.split()[1] for line in result.stderr.splitlines()] == ["log.id", "auth"]


@pytest.mark.parametrize("provider", [file.stem for file in SHIPPED.glob("*.toml")])
def test_shipped_description_is_named_by_its_provider(provider: str) -> None:
    result = check(provider)
    assert result.exit_code == 0
    assert len((SHIPPED / f"{provider}.toml").read_text().splitlines()) <= 120
