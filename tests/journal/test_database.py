"""The database under the journal: its tables, its file, and what is said when it fails."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.errors import JournalError
from gateway.journal import ActionFilter, Journal
from gateway.journal.database import open_engine
from gateway.journal.table import METADATA, VERSION_TABLE
from tests.support.postgres import PASSWORD, Postgres

from .conftest import begin, stored


def journal_at(url: str) -> Journal:
    return Journal(url, retention_days=30)


async def change(url: str, statement: str) -> None:
    """Interfere with a database from outside."""
    engine = open_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.text(statement))
    finally:
        await engine.dispose()


async def complaint(url: str) -> str:
    """Fail to open a journal, and give the reason."""
    with pytest.raises(JournalError) as caught:
        async with journal_at(url):
            pass
    assert caught.value.__cause__ is not None
    place = re.sub(r"\w+:[\w-]+@", "", url.removeprefix("sqlite:///"))
    beginning = f"The journal of actions at {place} can't be opened: "
    assert str(caught.value).startswith(beginning)
    return str(caught.value).removeprefix(beginning)


# Tables


async def test_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    async with journal_at(url):
        pass
    engine = open_engine(url)
    try:
        async with engine.begin() as connection:
            differences = await connection.run_sync(
                lambda connection: compare_metadata(
                    MigrationContext.configure(
                        connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
                    ),
                    METADATA,
                )
            )
    finally:
        await engine.dispose()
    assert differences == []


async def test_a_second_start_changes_nothing(url: str) -> None:
    async with journal_at(url) as journal:
        action = (await begin(journal)).action
    async with journal_at(url) as journal:
        assert await stored(journal, action) == action


async def test_tables_of_a_newer_gateway_are_left_alone(url: str) -> None:
    async with journal_at(url):
        pass
    await change(url, "UPDATE gateway_journal_version SET version_num = '9999'")
    assert await complaint(url) == "a newer version of the gateway has changed its tables."


async def test_a_failure_later_on_shows_nothing_of_the_database(url: str) -> None:
    async with journal_at(url) as journal:
        await change(url, "DROP TABLE gateway_actions")
        with pytest.raises(JournalError) as caught:
            await journal.page(1, None, ActionFilter())
    assert str(caught.value) == "The journal of actions can't be read or written now."


# SQLite's file


async def test_the_file_is_the_users_alone(tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "100%" / "journal.sqlite3"
    async with journal_at(f"sqlite:///{file}") as journal:
        await begin(journal)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == [file.name]


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite3"
    file.write_text("no database\n" * 1000)
    assert await complaint(f"sqlite:///{file}") == "file is not a database."


async def test_a_file_that_was_cut(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite3"
    async with journal_at(f"sqlite:///{file}"):
        pass
    os.truncate(file, file.stat().st_size // 2)
    assert await complaint(f"sqlite:///{file}") == "database disk image is malformed."


async def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert await complaint(f"sqlite:///{tmp_path}/file/journal.sqlite3") == (
        f"File exists ({tmp_path}/file)."
    )


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    assert await complaint(f"sqlite:///{tmp_path}") == "unable to open database file."


async def test_a_file_that_another_process_keeps_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.database.PATIENCE", 0.01)
    file = tmp_path / "journal.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert await complaint(f"sqlite:///{file}") == "database is locked."


# PostgreSQL's connections


async def test_a_server_that_is_not_there() -> None:
    assert PASSWORD not in await complaint(f"postgresql://ada:{PASSWORD}@127.0.0.1:1/audit")


async def test_a_wrong_password(postgres: Postgres) -> None:
    said = await complaint(f"postgresql://ada:{PASSWORD}@127.0.0.1:{postgres.port}/postgres")
    assert said == 'password authentication failed for user "ada".'


async def test_without_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    assert await complaint("postgresql:///audit") == (
        "PostgreSQL needs the extra postgres, as in webhook-log-gateway[postgres]."
    )


async def test_a_connection_that_was_lost_is_made_again(postgres: Postgres) -> None:
    url = postgres.make_database()
    async with journal_at(url) as journal:
        await change(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        assert (await begin(journal)).new
