"""The journal's database: its tables, its file, and the sentences about failures."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sqlite3
import ssl
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

SETTING = "url under [journal], or GATEWAY_JOURNAL__URL"
RESTORE = f"Restore it from a backup, or choose another file: {SETTING}."
CHECK = f"Check the server, and the address with all that it names: {SETTING}."


def journal_at(url: str) -> Journal:
    return Journal(url, retention_days=30)


async def change(url: str, statement: str) -> None:
    """Run a statement on a connection that is not the journal's."""
    engine = open_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.text(statement))
    finally:
        await engine.dispose()


async def complaint(url: str) -> str:
    """Fail to open a journal; return the sentence without its beginning."""
    with pytest.raises(JournalError) as caught:
        async with journal_at(url):
            pass
    assert caught.value.__cause__ is not None
    place = re.sub(r"\w+:[\w-]+@", "", url.removeprefix("sqlite:///"))
    beginning = f"The journal of actions at {place} can't be opened: "
    assert str(caught.value).startswith(beginning)
    return str(caught.value).removeprefix(beginning)


# Tables


@pytest.mark.slow
async def test_migrations_create_the_tables_of_the_code(url: str) -> None:
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


async def test_second_start_changes_nothing(url: str) -> None:
    async with journal_at(url) as journal:
        action = (await begin(journal)).action
    async with journal_at(url) as journal:
        assert await stored(journal, action) == action


async def test_tables_of_a_newer_gateway_are_left_alone(url: str) -> None:
    async with journal_at(url):
        pass
    await change(url, "UPDATE gateway_journal_version SET version_num = '9999'")
    assert await complaint(url) == (
        "a newer version of the gateway has changed its tables. Start that version, or give this"
        f" one a journal of its own: {SETTING}."
    )


async def test_later_failure_reveals_nothing_about_the_database(url: str) -> None:
    async with journal_at(url) as journal:
        await change(url, "DROP TABLE gateway_actions")
        with pytest.raises(JournalError) as caught:
            await journal.page(1, None, ActionFilter())
    assert str(caught.value) == "The journal of actions can't be read or written now."
    assert "gateway_actions" in caught.value.reason
    assert "\n" not in caught.value.reason


# SQLite's file


async def test_file_is_private_to_the_user(tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "100%" / "journal.sqlite3"
    async with journal_at(f"sqlite:///{file}") as journal:
        await begin(journal)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == [file.name]


async def test_file_that_is_not_a_database(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite3"
    file.write_text("no database\n" * 1000)
    assert await complaint(f"sqlite:///{file}") == f"file is not a database. {RESTORE}"


async def test_truncated_file(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite3"
    async with journal_at(f"sqlite:///{file}"):
        pass
    os.truncate(file, file.stat().st_size // 2)
    assert await complaint(f"sqlite:///{file}") == f"database disk image is malformed. {RESTORE}"


async def test_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert await complaint(f"sqlite:///{tmp_path}/file/journal.sqlite3") == (
        f"File exists ({tmp_path}/file). Let the gateway write to the folder {tmp_path}/file, or"
        f" choose another file or a PostgreSQL database: {SETTING}."
    )


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(30, "EROFS")])
async def test_unwritable_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """A container often has a read-only file system, or a user without a home."""

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(error.errno, error.strerror, str(path))

    file = tmp_path / "state" / "journal.sqlite3"
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert await complaint(f"sqlite:///{file}") == (
        f"{error.strerror} ({file.parent}). Let the gateway write to the folder {file.parent}, or"
        f" choose another file or a PostgreSQL database: {SETTING}."
    )


async def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    assert (await complaint(f"sqlite:///{tmp_path}")).startswith(f"Is a directory ({tmp_path}). ")


async def test_file_locked_by_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.database.TIMEOUT", 0.01)
    file = tmp_path / "journal.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert await complaint(f"sqlite:///{file}") == (
            "database is locked. End the process that keeps it locked, or choose another file:"
            f" {SETTING}."
        )


async def test_changes_are_seen_in_every_journal_mode(tmp_path: Path) -> None:
    """In WAL mode, which an operator may set, the file does not show that it was changed."""
    file = tmp_path / "journal.sqlite3"
    for mode in ("WAL", "DELETE"):
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
        async with journal_at(f"sqlite:///{file}") as journal, journal_at(journal._url) as other:
            await begin(other)
            assert journal.may_have_changed()


async def test_action_is_refused_after_the_file_was_removed(tmp_path: Path) -> None:
    """The entry would be lost, and with it the idempotency key."""
    file = tmp_path / "journal.sqlite3"
    async with journal_at(f"sqlite:///{file}") as journal:
        file.unlink()
        async with journal_at(f"sqlite:///{file}") as other:
            await begin(other)
        with pytest.raises(JournalError):
            await begin(journal)


# PostgreSQL's connections


async def test_server_that_is_not_running() -> None:
    said = await complaint(f"postgresql://ada:{PASSWORD}@127.0.0.1:1/audit")
    assert said == f"nothing listens there. {CHECK}"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its host name does not resolve"),
        (ssl.SSLCertVerificationError(1, "self-signed"), "its certificate is not trusted"),
        (TimeoutError(), "it does not answer"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed"), "nothing listens there"),
        (FileNotFoundError(2, "No such file or directory"), "No such file or directory"),
    ],
)
async def test_network_error_is_named(
    monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pytest.importorskip("asyncpg"), "connect", fail)
    assert await complaint("postgresql://db.example/audit") == f"{reason}. {CHECK}"


async def test_wrong_password(postgres: Postgres) -> None:
    said = await complaint(f"postgresql://ada:{PASSWORD}@127.0.0.1:{postgres.port}/postgres")
    assert said == f'password authentication failed for user "ada". {CHECK}'


async def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    assert await complaint("postgresql:///audit") == (
        "the driver of PostgreSQL is not installed. Install the extra postgres, as in"
        " webhook-log-gateway[postgres]."
    )


async def test_other_missing_package_is_a_defect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    with pytest.raises(ModuleNotFoundError):
        async with journal_at(f"sqlite:///{tmp_path / 'journal'}"):
            pass


async def test_lost_connection_is_replaced(postgres: Postgres) -> None:
    url = postgres.make_database()
    async with journal_at(url) as journal:
        await change(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        assert (await begin(journal)).new
