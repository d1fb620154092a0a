"""The database of the journal: a SQLite file, or PostgreSQL."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.errors import JournalError
from gateway.journal.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

TIMEOUT = 10.0
"""Timeout in seconds for a connection, a lock or a statement."""
MIGRATION_LOCK = 0x6A6F75726E616C
"""Key of the PostgreSQL advisory lock held during a migration: "journal" in ASCII."""
MIGRATIONS = "gateway.journal:migrations"
"""The package with a module for each version of the tables."""
DATABASE_ERRORS = (SQLAlchemyError, OSError)
"""Everything that SQLAlchemy and the drivers raise while a database is unavailable or damaged."""

_SQLITE = "sqlite:///"
_SETTING = "url under [journal], or GATEWAY_JOURNAL__URL"


def sqlite_file(url: str) -> SqliteFile | None:
    """Open the file of ``sqlite:///path``, or create it; None for any other address."""
    return SqliteFile(_path(url)) if url.startswith(_SQLITE) else None


def open_engine(url: str) -> AsyncEngine:
    """Prepare connections to ``sqlite:///path`` or ``postgresql://...``; create a missing file.

    A PostgreSQL address is passed to asyncpg unchanged, so that parameters of libpq such as
    sslmode work.
    """
    if sqlite_file(url) is None:
        return create_async_engine(
            "postgresql+asyncpg://",
            connect_args={"dsn": url, "timeout": TIMEOUT, "command_timeout": TIMEOUT},
            pool_pre_ping=True,
            pool_timeout=TIMEOUT,
            hide_parameters=True,
        )
    path = _path(url)
    # A failing aiosqlite connection would leave a thread behind. SQLite keeps its locks when it
    # closes one of several connections to a file itself.
    sqlite3.connect(path).close()
    # SQLite has one writer at a time and does not queue the others. With a single connection the
    # tasks of this process queue in the pool instead.
    engine = create_async_engine(
        sa.URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"timeout": TIMEOUT, "isolation_level": None},
        pool_size=1,
        max_overflow=0,
        pool_timeout=TIMEOUT,
        hide_parameters=True,
    )
    sa.event.listen(engine.sync_engine, "begin", _begin_immediately)
    return engine


def _path(url: str) -> Path:
    return Path(url.removeprefix(_SQLITE))


def _begin_immediately(connection: sa.Connection) -> None:
    # By default the driver runs DDL outside of transactions. A transaction that starts with a read
    # fails at once, without waiting, if it then writes while another process does.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(connection: sa.Connection) -> None:
    """Upgrade the tables to the latest version, inside the connection's transaction.

    Processes that start at the same time migrate one after another.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", MIGRATIONS)
    command.upgrade(config, "head")


@contextlib.contextmanager
def connection_errors(url: str) -> Iterator[None]:
    """Turn a failure to open the database at ``url`` into a JournalError for the operator."""
    try:
        yield
    except (*DATABASE_ERRORS, sqlite3.Error, CommandError, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != "asyncpg":
            raise
        raise JournalError(
            f"The journal of actions at {_shown(url)} can't be opened: {_reason(error)}."
            f" {_advice(error, url)}"
        ) from error


def reason(error: Exception, url: str) -> str:
    """Return in one line, with its address, why a database can't be used."""
    return f"{_shown(url)}: {_reason(error)}"


def _shown(url: str) -> str:
    return str(_path(url)) if url.startswith(_SQLITE) else _without_user(url)


def _without_user(url: str) -> str:
    return "postgresql://" + url.partition("://")[2].rpartition("@")[2].partition("?")[0]


def _reason(error: Exception) -> str:
    """Return a single line: in further ones drivers may tell of rows."""
    match error:
        case DBAPIError():
            return str(error.orig).partition("\n")[0]
        case CommandError():
            return "a newer version of the gateway has changed its tables"
        case ModuleNotFoundError():
            return "the driver of PostgreSQL is not installed"
        case OSError():
            return _network_reason(error) or _file_reason(error)
        case _:
            return str(error).partition("\n")[0]


def _network_reason(error: OSError) -> str | None:
    match error:
        case socket.gaierror():
            return "its host name does not resolve"
        case ssl.SSLCertVerificationError():
            return "its certificate is not trusted"
        case TimeoutError():
            return "it does not answer"
        case _ if "Connect call failed" in str(error):
            return "nothing listens there"
        case _:
            return None


def _file_reason(error: OSError) -> str:
    words = error.strerror or str(error)
    return f"{words} ({error.filename})" if error.filename else words


def _advice(error: Exception, url: str) -> str:
    match error:
        case CommandError():
            return f"Start that version, or give this one a journal of its own: {_SETTING}."
        case ModuleNotFoundError():
            return "Install the extra postgres, as in webhook-log-gateway[postgres]."
        case _ if not url.startswith(_SQLITE):
            return f"Check the server, and the address with all that it names: {_SETTING}."
        case _ if "locked" in str(error):
            return f"End the process that keeps it locked, or choose another file: {_SETTING}."
        case _ if any(words in str(error) for words in ("malformed", "not a database")):
            return f"Restore it from a backup, or choose another file: {_SETTING}."
        case _:
            return (
                f"Let the gateway write to the folder {_path(url).parent}, or choose another file"
                f" or a PostgreSQL database: {_SETTING}."
            )
