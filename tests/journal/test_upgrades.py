"""Upgrades of the journal: what an earlier release wrote, and releases side by side.

``releases/2026-11.sqlite3`` was written by the gateway as of November 2026, over the sandbox.
"""

from __future__ import annotations

import ast
import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from gateway.actions.outcomes import decode
from gateway.actions.problems import OutcomeUnknown, UpstreamRejected, UpstreamUnavailable
from gateway.errors import JournalError
from gateway.journal import Action, ActionFilter, ActionKind, Journal, Outcome, database
from gateway.journal import migrations as package
from gateway.journal.table import ACTIONS

from .conftest import Clock, begin, stored

RELEASE = Path(__file__).parent / "releases" / "2026-11.sqlite3"
VERSION = "0001"
MIGRATIONS = Path(package.__file__).parent
CALLER = "none:anonymous"


async def restore(url: str) -> None:
    """Make the database at ``url`` as the release left it."""
    if url.startswith("sqlite:"):
        shutil.copy(RELEASE, url.removeprefix("sqlite:///"))
        return

    def create(connection: sa.Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", database.MIGRATIONS)
        command.upgrade(config, VERSION)
        with contextlib.closing(sqlite3.connect(RELEASE)) as file:
            file.row_factory = sqlite3.Row
            for row in file.execute("SELECT * FROM gateway_actions"):
                names = ", ".join(row.keys())
                values = ", ".join(f":{name}" for name in row.keys())  # noqa: SIM118
                insert = f"INSERT INTO gateway_actions ({names}) VALUES ({values})"  # noqa: S608
                connection.execute(sa.text(insert), dict(row))

    engine = database.open_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(create)
    finally:
        await engine.dispose()


def journal_at(url: str, clock: Clock) -> Journal:
    return Journal(url, retention_days=30, clock=clock)


async def listed(journal: Journal) -> list[Action]:
    """Return all actions, the oldest first."""
    return list((await journal.page(100, None, ActionFilter())).actions)[::-1]


async def test_actions_of_an_earlier_release_are_kept(url: str, clock: Clock) -> None:
    await restore(url)
    async with journal_at(url, clock) as journal:
        actions = await listed(journal)
        found = [(it.kind, it.outcome, it.idempotency_key, it.error_code) for it in actions]
        assert found == [
            (ActionKind.RETRY, Outcome.SUCCEEDED, "retried", None),
            (ActionKind.DELETE, Outcome.SUCCEEDED, None, None),
            (ActionKind.RETRY, Outcome.REJECTED, "refused", "UPSTREAM_REJECTED"),
            (ActionKind.RETRY, Outcome.FAILED, "turned-away", "UPSTREAM_ERROR"),
            (ActionKind.RETRY, Outcome.UNKNOWN, "lost", "UPSTREAM_UNREACHABLE"),
            (ActionKind.RETRY, Outcome.PENDING, "interrupted", None),
        ]
        clock.move(60)  # the lease of the last one has ended
        assert (await stored(journal, actions[-1])).outcome is Outcome.UNKNOWN


async def test_answers_of_an_earlier_release_are_given_again(url: str, clock: Clock) -> None:
    """A key that was used before the upgrade must not send the action a second time after it."""
    await restore(url)
    async with journal_at(url, clock) as journal:
        results = {}
        for key in ("retried", "refused", "turned-away", "lost"):
            action, new = await begin(journal, caller=CALLER, idempotency_key=key)
            assert not new
            assert action.answer is not None
            results[key] = decode(action.answer, action)
        assert results["retried"].log is not None
        assert (results["retried"].log.upstream_id, results["retried"].log.attempt) == ("36", 2)
        refusal = results["refused"].problem
        assert isinstance(refusal, UpstreamRejected)
        assert (refusal.http_status, refusal.vendor_message) == (409, "internal error")
        assert isinstance(results["turned-away"].problem, UpstreamUnavailable)
        assert isinstance(results["lost"].problem, OutcomeUnknown)


NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("gateway_actions", sa.Column("reason", sa.Text))
    op.create_index("gateway_actions_reason", "gateway_actions", ["reason"])
"""


FAILING = '    op.drop_table("absent")\n'


def later(tmp_path: Path, end: str = "") -> str:
    """Return the location of the migrations of a later release, with one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    head = max(file.stem[1:5] for file in (folder / "versions").glob("v*.py"))
    (folder / "versions" / "v9999_reason.py").write_text(NEXT.format(head=head) + end)
    return str(folder)


async def test_releases_run_side_by_side_until_the_old_one_ends(
    url: str, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a rolling restart: the first new process migrates while old ones act."""
    await restore(url)
    async with journal_at(url, clock) as old:
        before = (await begin(old, idempotency_key="before")).action
        with monkeypatch.context() as patch:
            patch.setattr(database, "MIGRATIONS", later(tmp_path))
            async with journal_at(url, clock) as new:
                assert await stored(new, before) == before
                during = (await begin(old, idempotency_key="during")).action
                await old.complete(before.id, Outcome.SUCCEEDED, answer=b"{}")
                assert (await stored(new, before)).outcome is Outcome.SUCCEEDED
                assert await begin(new, idempotency_key="during") == (during, False)
                after = (await begin(new, idempotency_key="after")).action
        assert await stored(old, after) == after
        assert len(await listed(old)) == 9
    with pytest.raises(JournalError, match="a newer version of the gateway has changed its tables"):
        async with journal_at(url, clock):
            pass


async def test_refused_upgrade_leaves_the_tables_as_they_were(
    url: str, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release that wrote them can then be started again."""
    await restore(url)
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", later(tmp_path, FAILING))
        with pytest.raises(JournalError):
            async with journal_at(url, clock):
                pass
    async with journal_at(url, clock) as journal:
        assert len(await listed(journal)) == 6


def operations(file: Path) -> set[str]:
    """Return the operations of alembic that a migration calls."""
    return {
        node.attr
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "op"
    }


def test_migrations_only_add() -> None:
    """Otherwise the processes of the old release would fail during a rolling restart."""
    files = sorted((MIGRATIONS / "versions").glob("v*.py"))
    assert files
    for file in files:
        assert operations(file) <= {"add_column", "create_index", "create_table"}, file


def test_columns_that_an_old_release_does_not_fill_may_be_empty() -> None:
    with contextlib.closing(sqlite3.connect(RELEASE)) as file:
        known = {row[1] for row in file.execute("PRAGMA table_info(gateway_actions)")}
    assert {column.name for column in ACTIONS.columns if not column.nullable} <= known
