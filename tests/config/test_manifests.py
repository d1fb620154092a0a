"""Manifests of trusted documents, as tools write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config import DocumentSettings
from gateway.settings import load

APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": "1", "name": "A", "type": "query", "body": "query A { a }"},
        {"id": "1", "name": "A", "type": "query", "clientName": "web", "body": "query A { a }"},
        {"id": "2", "name": "B", "type": "mutation", "body": "mutation B { b }"},
    ],
}
SOURCE = """
[[sources]]
name = "tracker"
provider = "yandex-tracker"
org_id = "1"
queues = ["DEV"]
auth = { type = "oauth", token = { env = "TOKEN" } }
"""


def test_manifests_of_both_forms_are_read(tmp_path: Path) -> None:
    (tmp_path / "apollo.json").write_text(json.dumps(APOLLO))
    (tmp_path / "plain.json").write_text('{"3": "{ c }"}')
    config = tmp_path / "gateway.toml"
    config.write_text('[documents]\ntrusted = ["apollo.json", "plain.json"]\n' + SOURCE)
    # Relative paths start at the folder of the configuration file, not at the working directory.
    apollo, plain = load(config, {"TOKEN": "t"}).documents.trusted
    assert apollo.path == tmp_path / "apollo.json"
    assert dict(apollo.documents) == {"1": "query A { a }", "2": "mutation B { b }"}
    assert plain.documents == (("3", "{ c }"),)


def test_variable_names_manifests(tmp_path: Path) -> None:
    (tmp_path / "plain.json").write_text('{"3": "{ c }"}')
    config = tmp_path / "gateway.toml"
    config.write_text(SOURCE)
    environ = {"TOKEN": "t", "GATEWAY_DOCUMENTS__TRUSTED": '["plain.json"]'}
    (plain,) = load(config, environ).documents.trusted
    assert plain.documents == (("3", "{ c }"),)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{}", "without documents"),
        (APOLLO | {"operations": []}, "without documents"),
        ("[]", "not a manifest"),
        ('{"1": {"text": "{ c }"}}', "not a manifest"),
        ('{"1": null}', "not a manifest"),
        ({"operations": []}, "not a manifest"),
        (APOLLO | {"format": "other"}, "not a manifest"),
        (APOLLO | {"version": 2}, "not a manifest"),
        (APOLLO | {"operations": [{"id": "1"}]}, "not a manifest"),
        ('{"1": "\xff"}'.encode("latin-1"), "not UTF-8 text"),
        ("[" * 100_000, "not a manifest"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, complaint: str) -> None:
    path = tmp_path / "manifest.json"
    text = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValidationError, match=complaint):
        DocumentSettings.model_validate({"trusted": [path]})
