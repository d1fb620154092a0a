"""Actions of another process that shares the journal, but not the cache."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from gateway.actions import watcher
from tests.support.actions import LOG_ID, Controller, Schema, gateway_over
from tests.support.moment import MOMENT


class Processes(NamedTuple):
    """A server and a command over one vendor."""

    server: Schema
    command: Schema
    vendor: Controller
    journal: Path

    async def attempts(self) -> list[int]:
        """Return the attempts in the server's list: of the retried log, and of another."""
        return [log["attempt"] for log in await self.server.logs("translations")]

    async def attempt(self) -> int:
        """Return the attempts of the retried log, read by its id."""
        query = "query($id: ID!) { webhookLog(id: $id) { attempt } }"
        attempt: int = (await self.server.data(query, id=LOG_ID))["webhookLog"]["attempt"]
        return attempt

    def loads(self) -> int:
        """Return how often the server's cache had to call the vendor."""
        return self.server.gateway._cache.counts["loads"]


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    vendor = Controller(lambda _: httpx.Response(200))
    server, command = (gateway_over(tmp_path, vendor, clock=lambda: MOMENT * 10**9) for _ in "ab")
    async with server, command:
        await server.open_journal()
        yield Processes(Schema(server), Schema(command), vendor, tmp_path / "journal.sqlite3")


async def test_retry_of_another_process_is_visible_at_once(processes: Processes) -> None:
    assert [await processes.attempts(), await processes.attempt()] == [[1, 1], 1]
    for attempt in (2, 3):
        await processes.command.retry(LOG_ID)
        assert [await processes.attempts(), await processes.attempt()] == [[attempt, 1], attempt]


async def test_retry_of_another_process_evicts_cached_logs_once(processes: Processes) -> None:
    await processes.attempts()
    await processes.command.retry(LOG_ID)
    await processes.server.retry(LOG_ID)
    assert await processes.attempts() == [3, 1]
    loads = processes.loads()
    assert [await processes.attempts() for _ in range(3)] == [[3, 1]] * 3
    assert processes.loads() == loads


async def test_later_changes_of_the_file_do_not_evict_the_logs_again(
    processes: Processes,
) -> None:
    await processes.command.retry(LOG_ID)
    assert [await processes.attempts(), await processes.attempt()] == [[2, 1], 2]
    # Any change of the file makes the server check the journal.
    with sqlite3.connect(processes.journal, isolation_level=None) as other:
        other.execute("CREATE TABLE others (id)")
    other.close()
    loads = processes.loads()
    assert [await processes.attempts(), await processes.attempt()] == [[2, 1], 2]
    assert processes.loads() == loads


async def test_concurrent_readers_all_see_the_retry(processes: Processes) -> None:
    await processes.attempts()
    await processes.command.retry(LOG_ID)
    told = await asyncio.gather(*(processes.attempts() for _ in range(20)))
    assert told == [[2, 1]] * 20


async def test_retry_during_a_journal_check_is_seen(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "TIMEOUT", 60)
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
    flights = processes.server.gateway._watcher._flights
    while flights._flights["journal"].waiters < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    go_on.set()
    assert await late == [2, 1]
    await early


async def test_locked_journal_does_not_block_readers(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "TIMEOUT", 0.01)
    await processes.attempts()
    await processes.command.retry(LOG_ID)
    with sqlite3.connect(processes.journal, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert await processes.attempts() == [1, 1]
    other.close()
    monkeypatch.undo()
    assert await processes.attempts() == [2, 1]
