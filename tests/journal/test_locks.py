"""POSIX drops every lock that a process holds on a file when it closes any descriptor of it.

Two processes would then write to the journal at once: an action could be sent twice, and the file
be damaged. https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.errors import JournalError
from gateway.journal import ActionFilter, ActionKind, Journal
from tests.support.actions import LOG_ID, Controller, Schema, answering, gateway_over

OTHER_PROCESS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
else:
    print("locked by another process")
"""


def lock_elsewhere(file: Path) -> str:
    """Try to lock a database in another process; return the error, or that it is locked."""
    words = [sys.executable, "-c", OTHER_PROCESS, str(file)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


_listeners: list[list[str]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        for listener in _listeners:
            listener.append(str(arguments[0]))


@functools.cache
def _listen() -> None:
    """Add the hook once, when it is needed: it can't be removed."""
    sys.addaudithook(_audit)


@contextlib.contextmanager
def opened_paths() -> Iterator[list[str]]:
    """Collect the paths that Python opens; SQLite opens its files itself."""
    _listen()
    opened: list[str] = []
    _listeners.append(opened)
    try:
        yield opened
    finally:
        _listeners.remove(opened)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


async def look_for_changes(journal: Journal, _: Path) -> None:
    journal.may_have_changed()


async def read_changes(journal: Journal, _: Path) -> None:
    with contextlib.suppress(TimeoutError, JournalError):
        journal.may_have_changed()
        await journal.page(1, None, ActionFilter())


async def open_and_close_another_journal(_: Journal, file: Path) -> None:
    with pytest.raises(JournalError, match="is locked"):
        async with Journal(f"sqlite:///{file}", retention_days=30):
            pass


async def fail_to_open_another_gateway(_: Journal, file: Path) -> None:
    async with gateway_over(file.parent, Controller(answering(200))) as gateway:
        with pytest.raises(JournalError):
            await gateway.act(gateway.operation(), ActionKind.RETRY, LOG_ID)


@pytest.mark.slow
@pytest.mark.parametrize(
    "interfere",
    [
        look_for_changes,
        read_changes,
        open_and_close_another_journal,
        fail_to_open_another_gateway,
    ],
)
async def test_lock_excludes_other_processes(
    file: Path,
    interfere: Callable[[Journal, Path], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.journal.database.TIMEOUT", 0.01)
    async with Journal(f"sqlite:///{file}", retention_days=30) as journal:
        async with journal._engine.begin():
            assert lock_elsewhere(file) == "database is locked"
            await interfere(journal, file)
            assert lock_elsewhere(file) == "database is locked"
        assert lock_elsewhere(file) == "locked by another process"


@pytest.mark.slow
async def test_lock_outlives_another_gateway_of_the_process(tmp_path: Path, file: Path) -> None:
    """A process may serve several gateways over one journal, and stop one of them."""
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as stays:
        await stays.open_journal()
        goes = gateway_over(tmp_path, vendor)
        await Schema(goes).retry(LOG_ID)
        async with stays._actions._journal._engine.begin():
            assert lock_elsewhere(file) == "database is locked"
            await goes.__aexit__()
            await Schema(stays).logs("translations")
            assert lock_elsewhere(file) == "database is locked"


@pytest.mark.slow
async def test_lock_outlives_the_closing_of_another_journal(file: Path) -> None:
    async with Journal(f"sqlite:///{file}", retention_days=30) as stays:
        goes = Journal(f"sqlite:///{file}", retention_days=30)
        await goes.__aenter__()
        async with stays._engine.begin():
            await goes.__aexit__()
            assert lock_elsewhere(file) == "database is locked"


@pytest.mark.slow  # for its hook, which slows all tests that follow
async def test_only_the_driver_opens_the_file_again(tmp_path: Path, file: Path) -> None:
    """Any other code that opens the file would eventually close it and drop the locks."""
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as first, gateway_over(tmp_path, vendor) as second:
        with opened_paths() as opened:
            for gateway in (first, second):
                await gateway.open_journal()
                await Schema(gateway).retry(LOG_ID)
                await Schema(gateway).logs("translations")
                await Schema(gateway).journal()
    assert opened.count(str(file)) == 1


async def test_closing_waits_for_the_statement_of_a_cancelled_reader(file: Path) -> None:
    """A list of logs does not wait for a locked journal.

    The driver does: a connection that is closed meanwhile would keep the process from ending.
    """
    tasks = asyncio.all_tasks()
    journal = Journal(f"sqlite:///{file}", retention_days=30)
    await journal.__aenter__()
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        reader = asyncio.create_task(journal.page(1, None, ActionFilter()))
        while not journal._engine.pool.checkedout():  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        closing = asyncio.create_task(journal.__aexit__())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not closing.done()
    await closing
    assert asyncio.all_tasks() == tasks
