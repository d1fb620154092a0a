"""The start of a server whose journal can't be opened."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from gateway.cli import app as command
from gateway.errors import JournalError
from gateway.service import Gateway
from gateway.settings import Settings, load
from gateway.web.app import create_app
from tests.support.actions import Schema

READ_ONLY = """
[[sources]]
name = "tracker"
provider = "yandex-tracker"
org_id = "1"
triggers = { DEV = [41] }
auth = { type = "oauth", token = { env = "SECRET" } }
"""
RETRYABLE = """
[[sources]]
name = "translations"
provider = "language-weaver"
base_url = "https://vendor.example"
auth = { type = "api-key", key = { env = "SECRET" } }
"""
LOGS = "{ webhookLogs(first: 1) { nodes { id } sourceReports { source { name } } } }"
ACTIONS = "{ actions(first: 1) { nodes { id } } }"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a path at which no folder can be created."""
    (tmp_path / "state").touch()
    return tmp_path / "state"


def make_writable(folder: Path) -> None:
    folder.unlink()


def configuration(folder: Path, sources: str) -> Path:
    file = folder.parent / "gateway.toml"
    file.write_text(f'[journal]\nurl = "sqlite:///{folder}/journal.sqlite3"\n{sources}')
    return file


def settings(folder: Path, sources: str) -> Settings:
    return load(configuration(folder, sources), {"SECRET": "planted"})


def sentence(folder: Path) -> str:
    return (
        f"The journal of actions at {folder}/journal.sqlite3 can't be opened: File exists"
        f" ({folder}). Let the gateway write to the folder {folder}, or choose another file or a"
        " PostgreSQL database: url under [journal], or GATEWAY_JOURNAL__URL."
    )


def vendor(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=[])


async def test_server_starts_where_nothing_can_be_retried(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A container without a volume has no writable folder, and needs none to read logs."""
    caplog.set_level(logging.WARNING)
    app = create_app(settings(folder, READ_ONLY), transport=httpx.MockTransport(vendor))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client,
    ):
        (told,) = (each.message for each in caplog.records if each.name.startswith("gateway.act"))
        assert told == (
            f"{sentence(folder)} No source can retry or delete, so the gateway starts without it."
        )
        listed = (await client.post("/graphql", json={"query": LOGS})).json()
        assert "errors" not in listed
        refused = (await client.post("/graphql", json={"query": ACTIONS})).json()
    (error,) = refused["errors"]
    assert error["extensions"]["code"] == "JOURNAL_UNAVAILABLE"
    assert str(folder) not in str(refused)


async def test_list_of_actions_works_once_the_folder_exists(folder: Path) -> None:
    async with Gateway(
        settings(folder, READ_ONLY), transport=httpx.MockTransport(vendor)
    ) as gateway:
        await gateway.open_journal()
        schema = Schema(gateway)
        assert await schema.errors(ACTIONS)
        assert await schema.logs("tracker") == []
        make_writable(folder)
        assert await schema.journal() == []
        assert await schema.logs("tracker") == []


@pytest.mark.slow
async def test_server_does_not_start_where_a_retry_would_need_the_journal(folder: Path) -> None:
    app = create_app(settings(folder, READ_ONLY + RETRYABLE))
    with pytest.raises(JournalError) as caught:
        async with app.router.lifespan_context(app):
            pass
    assert str(caught.value) == sentence(folder)


def test_command_gives_advice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "planted")
    file = configuration(folder, RETRYABLE)
    for words in ("serve", "actions"):
        result = CliRunner().invoke(command, [words, "--config", str(file)])
        assert result.exit_code != 0
        assert sentence(folder) in " ".join(result.output.split())
