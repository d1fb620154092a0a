"""What one process did, and another one beside it shows: both share a journal, and no cache."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from gateway import service
from tests.support.actions import LOG_ID, Controller, Schema, gateway_over
from tests.support.moment import MOMENT


class Processes(NamedTuple):
    """A server, and a command beside it, over one vendor."""

    server: Schema
    command: Schema
    vendor: Controller
    journal: Path

    async def attempts(self) -> list[int]:
        """Give the attempts of the server's list: of the log that is retried, and of another."""
        return [log["attempt"] for log in await self.server.logs("translations")]

    async def attempt(self) -> int:
        """Give the attempts of the log that is retried, read alone."""
        query = "query($id: ID!) { webhookLog(id: $id) { attempt } }"
        attempt: int = (await self.server.data(query, id=LOG_ID))["webhookLog"]["attempt"]
        return attempt

    def loads(self) -> int:
        """Tell how often the server asked the vendor, for all that its cache has."""
        return self.server.gateway._cache.counts["loads"]


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    vendor = Controller(lambda _: httpx.Response(200))
    server, command = (gateway_over(tmp_path, vendor, clock=lambda: MOMENT * 10**9) for _ in "ab")
    async with server, command:
        await server.open_journal()
        yield Processes(Schema(server), Schema(command), vendor, tmp_path / "journal.sqlite3")


async def test_it_is_shown_at_once(processes: Processes) -> None:
    assert [await processes.attempts(), await processes.attempt()] == [[1, 1], 1]
    for attempt in (2, 3):
        await processes.command.retry(LOG_ID)
        assert [await processes.attempts(), await processes.attempt()] == [[attempt, 1], attempt]


async def test_it_is_heard_of_once(processes: Processes) -> None:
    await processes.attempts()
    await processes.command.retry(LOG_ID)
    await processes.server.retry(LOG_ID)
    assert await processes.attempts() == [3, 1]
    loads = processes.loads()
    assert [await processes.attempts() for _ in range(3)] == [[3, 1]] * 3
    assert processes.loads() == loads


async def test_what_was_heard_of_is_not_dropped_with_what_comes_after_it(
    processes: Processes,
) -> None:
    await processes.command.retry(LOG_ID)
    assert [await processes.attempts(), await processes.attempt()] == [[2, 1], 2]
    # Whatever else is written to the file is a sign of news, too.
    with sqlite3.connect(processes.journal, isolation_level=None) as other:
        other.execute("CREATE TABLE others (id)")
    other.close()
    loads = processes.loads()
    assert [await processes.attempts(), await processes.attempt()] == [[2, 1], 2]
    assert processes.loads() == loads


async def test_all_who_read_meanwhile_wait_for_it(processes: Processes) -> None:
    await processes.attempts()
    await processes.command.retry(LOG_ID)
    told = await asyncio.gather(*(processes.attempts() for _ in range(20)))
    assert told == [[2, 1]] * 20


async def test_what_is_done_while_others_look_is_heard_of(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE", 60)
    await processes.attempts()
    with sqlite3.connect(processes.journal, isolation_level=None) as other:
        other.execute("CREATE TABLE others (id)")
    other.close()
    looked, go_on = asyncio.Event(), asyncio.Event()
    drop = processes.server.gateway._cache.evict

    async def drop_later(tags: Collection[str]) -> int:
        looked.set()
        await go_on.wait()
        return await drop(tags)

    monkeypatch.setattr(processes.server.gateway._cache, "evict", drop_later)
    early = asyncio.create_task(processes.attempts())
    await looked.wait()
    await processes.command.retry(LOG_ID)
    late = asyncio.create_task(processes.attempts())
    news = processes.server.gateway._news
    while news._flights["news"].wanted_by < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    go_on.set()
    assert await late == [2, 1]
    await early


async def test_a_journal_that_hangs_keeps_no_reader(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE", 0.01)
    await processes.attempts()
    await processes.command.retry(LOG_ID)
    with sqlite3.connect(processes.journal, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert await processes.attempts() == [1, 1]
    other.close()
    monkeypatch.undo()
    assert await processes.attempts() == [2, 1]
