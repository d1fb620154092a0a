"""The ``[journal]`` table: its default, its forms, and the sentences about mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import SecretStr, ValidationError

from gateway.config.journal import JournalSettings
from gateway.config.mistakes import problems_of
from gateway.config.secret import ReferenceContext

SECRETS = {
    "DATABASE": "postgresql://gateway:pla1nted@db.example/audit?sslmode=require",
    "ELSEWHERE": "mysql://gateway:pla1nted@db.example/audit",
    "UNESCAPED": "postgresql://gateway:pla1nted#1@db.example/audit",
    "BRACKETS": "postgresql://gateway:1[pla1nted]2@db.example/audit",
    "BRACKET": "postgresql://gateway:pla1nted[@db.example/audit",
    "FOLDED": "postgresql://gateway:pla1nted\N{FULLWIDTH COMMERCIAL AT}@db.example/audit",
    "UNESCAPED_DIGITS": "postgresql://gateway:12/34@db.example/audit",
}
FORM = (
    'url must be "sqlite:///" followed by the path of a file, an address such as'
    ' "postgresql://user@host/database", or { env = "NAME" } or { file = "/path" } that holds one'
)
POSTGRES = (
    'url must be an address such as "postgresql://user@host:5432/database", with special characters'
    " of its parts written as % and two digits: / as %2F, @ as %40, [ as %5B"
)
PASSWORD = (
    "url must not show a password: keep the whole address in an environment variable or a file of"
    ' its own, and write { env = "NAME" } or { file = "/path" }'
)


def read(table: dict[str, Any], folder: Path) -> JournalSettings:
    return JournalSettings.model_validate(table, context=ReferenceContext(SECRETS, folder))


def url(value: object, folder: Path = Path("/etc/gateway")) -> str:
    return read({"url": value}, folder).url.get_secret_value()


def mistakes(table: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        read(table, Path("/"))
    problems = problems_of(caught.value, JournalSettings.model_json_schema())
    return [f"{problem.keys[0]} {problem.complaint}" for problem in problems]


def test_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = read({}, Path("/"))
    assert settings.url.get_secret_value() == (
        f"sqlite:///{tmp_path}/webhook-log-gateway/journal.sqlite3"
    )
    assert settings.retention_days == 90


def test_default_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user is often just a number; no folder named ~ must be created."""
    monkeypatch.setattr(
        "gateway.config.journal.user_state_path", lambda name: Path("~/.local/state", name)
    )
    assert read({}, Path("/etc/gateway")).url.get_secret_value() == (
        "sqlite:////.local/state/webhook-log-gateway/journal.sqlite3"
    )


def test_relative_path_starts_at_the_folder_of_the_configuration() -> None:
    assert url("sqlite:///journal.sqlite3") == "sqlite:////etc/gateway/journal.sqlite3"
    assert url("sqlite:////srv/journal.sqlite3") == "sqlite:////srv/journal.sqlite3"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://gateway@db.example/audit",
        "postgres:///audit?host=/run/postgresql",
        "postgresql://",
        "postgresql://one.example:5432,[::1]:5433/audit?target_session_attrs=primary",
    ],
)
def test_postgresql_address_stays_unchanged(address: str) -> None:
    assert url(address) == address


def test_address_can_come_from_a_variable_or_a_file(tmp_path: Path) -> None:
    assert url({"env": "DATABASE"}) == SECRETS["DATABASE"]
    (tmp_path / "database").write_text(SECRETS["DATABASE"] + "\n")
    assert url({"file": "database"}, tmp_path) == SECRETS["DATABASE"]


def test_settings_made_in_code() -> None:
    settings = JournalSettings(url=SecretStr(SECRETS["DATABASE"]))
    assert settings.url.get_secret_value() == SECRETS["DATABASE"]
    assert "pla1nted" not in repr(settings)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "url must not be empty"),
        (7, FORM),
        ("journal.sqlite3", FORM),
        ("sqlite://", FORM),
        ("sqlite:///", FORM),
        ("sqlite:///journal.sqlite3?mode=memory", FORM),
        ("mysql://db.example/audit", FORM),
        ("postgresql+asyncpg://db.example/audit", FORM),
        ("postgresql://[db.example/audit", POSTGRES),
        ("postgresql://db.example:port/audit", POSTGRES),
        ({"env": "UNESCAPED"}, POSTGRES),
        ({"env": "UNESCAPED_DIGITS"}, POSTGRES),
        ({"env": "BRACKETS"}, POSTGRES),
        ({"env": "BRACKET"}, POSTGRES),
        ({"env": "FOLDED"}, POSTGRES),
        ({"env": "ELSEWHERE"}, FORM),
        ({"env": "ABSENT"}, "url names an environment variable ABSENT that is not set"),
        ("postgresql://gateway:pla1nted@db.example/audit", PASSWORD),
        ("postgresql://db.example/audit?user=gateway&password=pla1nted", PASSWORD),
    ],
)
def test_mistakes_in_the_address(value: object, sentence: str) -> None:
    assert mistakes({"url": value}) == [sentence]


@pytest.mark.parametrize("days", [0, 36501, "90", 1.5, True])
def test_mistakes_in_the_retention(days: object) -> None:
    sentence = "retention_days must be a whole number from 1 to 36500"
    assert mistakes({"retention_days": days}) == [sentence]


@pytest.mark.parametrize(
    ("table", "fits"),
    [
        ({}, True),
        ({"url": "sqlite:///journal.sqlite3", "retention_days": 1}, True),
        ({"url": {"env": "DATABASE"}}, True),
        ({"url": "mysql://db.example/audit"}, False),
        ({"url": {"env": "DATABASE", "file": "database"}}, False),
        ({"urls": []}, False),
    ],
)
def test_json_schema_agrees(table: dict[str, Any], *, fits: bool) -> None:
    assert jsonschema_rs.is_valid(JournalSettings.model_json_schema(), table) is fits
