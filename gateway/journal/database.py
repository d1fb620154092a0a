"""The database under the journal: a SQLite file, or PostgreSQL."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

PATIENCE = 10.0
"""Seconds that anything may wait for a connection, a lock or the database's answer."""
MIGRATION_LOCK = 0x6A6F75726E616C
"""The PostgreSQL advisory lock of who is migrating; any number that nobody else uses."""
DATABASE_ERRORS = (SQLAlchemyError, OSError)
"""What a database that is not there or not well makes SQLAlchemy and the drivers raise."""

_SQLITE = "sqlite:///"


def open_engine(url: str) -> AsyncEngine:
    """Get ready to connect to ``sqlite:///path`` or ``postgresql://...``; make a missing file.

    What is made belongs to the user alone. The address of PostgreSQL goes to asyncpg as it is,
    which knows the parameters that other PostgreSQL clients know, such as sslmode.
    """
    if not url.startswith(_SQLITE):
        return create_async_engine(
            "postgresql+asyncpg://",
            connect_args={"dsn": url, "timeout": PATIENCE, "command_timeout": PATIENCE},
            pool_pre_ping=True,
            pool_timeout=PATIENCE,
            hide_parameters=True,
        )
    path = Path(url.removeprefix(_SQLITE))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    # aiosqlite leaves a thread behind where it can't connect.
    sqlite3.connect(path).close()
    # SQLite has one writer at a time, and who waits for it in SQLite is not served in order: one
    # connection makes the tasks of this process queue for it here.
    engine = create_async_engine(
        sa.URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"timeout": PATIENCE, "isolation_level": None},
        pool_size=1,
        max_overflow=0,
        pool_timeout=PATIENCE,
        hide_parameters=True,
    )
    sa.event.listen(engine.sync_engine, "begin", _begin_immediately)
    return engine


def _begin_immediately(connection: sa.Connection) -> None:
    # The driver, if left to itself, keeps changes of tables out of transactions; and a transaction
    # that turns from reading to writing may fail at once where another process writes.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def changes(url: str) -> bytes | None:
    """Give what is another after each transaction that changed a SQLite file; else None.

    https://www.sqlite.org/fileformat2.html#file_change_counter
    """
    if not url.startswith(_SQLITE):
        return None
    try:
        with Path(url.removeprefix(_SQLITE)).open("rb", buffering=0) as file:
            file.seek(24)
            return file.read(4)
    except OSError:
        return None


def migrate(connection: sa.Connection) -> None:
    """Bring the tables to their latest form, in the transaction of the connection.

    Who starts at the same time waits until it ends: SQLite's transactions exclude one another.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "gateway.journal:migrations")
    command.upgrade(config, "head")


@contextlib.contextmanager
def opening(url: str) -> Iterator[None]:
    """Say in a JournalError why the database at ``url`` can't be opened."""
    if url.startswith(_SQLITE):
        place = url.removeprefix(_SQLITE)
    else:
        place = "postgresql://" + url.partition("://")[2].rpartition("@")[2].partition("?")[0]
    try:
        yield
    except (*DATABASE_ERRORS, sqlite3.Error, CommandError, ModuleNotFoundError) as error:
        raise JournalError(
            f"The journal of actions at {place} can't be opened: {_reason(error)}."
        ) from error


def _reason(error: Exception) -> str:
    match error:
        case DBAPIError():
            return str(error.orig)
        case CommandError():
            return "a newer version of the gateway has changed its tables"
        case ModuleNotFoundError():
            return "PostgreSQL needs the extra postgres, as in webhook-log-gateway[postgres]"
        case OSError():
            words = error.strerror or str(error) or "it does not answer"
            return f"{words} ({error.filename})" if error.filename else words
        case _:
            return str(error)
