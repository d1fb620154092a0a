"""The journal's databases: each test gets an empty one of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.journal import Action, ActionKind, BeginResult, Journal
from tests.support.postgres import Postgres


class Clock:
    """A clock that tests move, in seconds."""

    def __init__(self) -> None:
        self.now = 1_772_615_411_250_000_000

    def __call__(self) -> int:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += int(seconds * 10**9)


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.slow])]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.sqlite3"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.make_database()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_journal(url: str, clock: Clock) -> Callable[[], Journal]:
    """Return a function that opens journals over one database, as replicas do."""
    return lambda: Journal(url, retention_days=30, clock=clock)


async def begin(journal: Journal, **changes: Any) -> BeginResult:
    """Begin a retry with a lease of ten seconds."""
    fields: dict[str, Any] = {
        "kind": ActionKind.RETRY,
        "log_id": "log",
        "source": "translations",
        "upstream_id": "42",
        "caller": "ada",
        "lease": 10,
    }
    return await journal.begin(**fields | changes)


async def stored(journal: Journal, action: Action) -> Action:
    """Return an action; fail if it does not exist."""
    found = await journal.get(action.id)
    assert found is not None
    return found
