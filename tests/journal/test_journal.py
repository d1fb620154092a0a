"""The journal, with SQLite and with PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.errors import ErrorCode, JournalError, RequestError
from gateway.journal import (
    Action,
    ActionFilter,
    ActionKind,
    Journal,
    Outcome,
    cursor_of,
)
from gateway.journal import journal as module
from gateway.model import Timestamp

from .conftest import Clock, begin, stored

SECOND = 10**9
DAY = 24 * 60 * 60
EVERYTHING = ActionFilter()


@pytest.fixture
async def journal(open_journal: Callable[[], Journal]) -> AsyncIterator[Journal]:
    async with open_journal() as journal:
        yield journal


def soon() -> float:
    """Return a deadline that only a failing test reaches."""
    return asyncio.get_running_loop().time() + 60


async def listed(journal: Journal, wanted: ActionFilter = EVERYTHING) -> list[Action]:
    page = await journal.page(100, None, wanted)
    assert not page.has_next_page
    return list(page.actions)


# Begin and complete


async def test_completed_action_is_stored(
    open_journal: Callable[[], Journal], clock: Clock
) -> None:
    async with open_journal() as journal:
        begun = await journal.begin(
            kind=ActionKind.DELETE,
            log_id="bG9n",
            source="translations",
            upstream_id="42",
            caller="ada",
            lease=1.5,
            idempotency_key="key",
            request_id="request",
        )
        assert begun.new
        assert begun.action == Action(
            id=begun.action.id,
            kind=ActionKind.DELETE,
            log_id="bG9n",
            source="translations",
            upstream_id="42",
            caller="ada",
            idempotency_key="key",
            request_id="request",
            requested_at=Timestamp(clock.now),
            lease_until=Timestamp(clock.now + 1_500_000_000),
            completed_at=None,
            outcome=Outcome.PENDING,
        )
        clock.move(1)
        completed = await journal.complete(
            begun.action.id,
            Outcome.REJECTED,
            error_code="UPSTREAM_REJECTED",
            message="Нет.",
            answer=b"\x00\xff",
        )
        assert completed.completed_at == clock.now
        assert completed.outcome is Outcome.REJECTED
        assert completed.error_code == "UPSTREAM_REJECTED"
        assert completed.message == "Нет."
        assert completed.answer == b"\x00\xff"
    async with open_journal() as journal:
        assert await journal.get(begun.action.id) == completed
        assert await listed(journal) == [completed]


async def test_action_is_completed_once(journal: Journal) -> None:
    action = (await begin(journal)).action
    completed = await journal.complete(action.id, Outcome.UNKNOWN)
    with pytest.raises(JournalError, match="has completed it already"):
        await journal.complete(action.id, Outcome.SUCCEEDED)
    assert await journal.get(action.id) == completed


async def test_unknown_action(journal: Journal) -> None:
    assert await journal.get("0" * 32) is None
    with pytest.raises(JournalError, match="no such action"):
        await journal.complete("0" * 32, Outcome.SUCCEEDED)
    with pytest.raises(JournalError, match="no such action"):
        await journal.wait("0" * 32, soon())


async def test_message_with_characters_that_postgresql_refuses(journal: Journal) -> None:
    action = (await begin(journal)).action
    completed = await journal.complete(action.id, Outcome.FAILED, message="a\0b")
    assert completed.message == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.slow
async def test_cancelled_callers_leave_the_journal_usable(journal: Journal) -> None:
    tasks = [asyncio.create_task(begin(journal, idempotency_key="key")) for _ in range(20)]
    await tasks[3]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not (await begin(journal, idempotency_key="key")).new


# Idempotency keys


@pytest.mark.slow
async def test_fifty_concurrent_calls_with_one_key_record_one_action(journal: Journal) -> None:
    begun = await asyncio.gather(*(begin(journal, idempotency_key="key") for _ in range(50)))
    assert sum(one.new for one in begun) == 1
    assert await listed(journal) == [begun[0].action]


async def test_every_call_without_a_key_is_a_new_action(journal: Journal) -> None:
    begun = await asyncio.gather(*(begin(journal) for _ in range(5)))
    assert all(one.new for one in begun)
    assert len(await listed(journal)) == 5


async def test_callers_do_not_share_keys(journal: Journal) -> None:
    first = await begin(journal, idempotency_key="key", caller="ada")
    other = await begin(journal, idempotency_key="key", caller="bob")
    assert other.new
    assert other.action.id != first.action.id


async def test_reused_key_returns_the_first_action(journal: Journal) -> None:
    action = (await begin(journal, idempotency_key="key", log_id="log")).action
    completed = await journal.complete(action.id, Outcome.SUCCEEDED, answer=b"{}")
    again = await begin(journal, idempotency_key="key", log_id="other", kind=ActionKind.DELETE)
    assert again == (completed, False)


# Leases


async def test_outcome_is_unknown_everywhere_after_the_lease(
    journal: Journal, clock: Clock
) -> None:
    action = (await begin(journal, idempotency_key="key", lease=10)).action
    clock.move(9.9)
    assert (await stored(journal, action)).outcome is Outcome.PENDING
    assert await listed(journal, ActionFilter(outcome=Outcome.UNKNOWN)) == []
    clock.move(0.1)
    given_up = await stored(journal, action)
    assert given_up.outcome is Outcome.UNKNOWN
    assert given_up.completed_at is None
    assert await journal.wait(action.id, soon()) == given_up
    assert await begin(journal, idempotency_key="key") == (given_up, False)
    assert await listed(journal) == [given_up]
    assert await listed(journal, ActionFilter(outcome=Outcome.UNKNOWN)) == [given_up]
    assert await listed(journal, ActionFilter(outcome=Outcome.PENDING)) == []


async def test_late_outcome_is_recorded(journal: Journal, clock: Clock) -> None:
    action = (await begin(journal, lease=10)).action
    clock.move(11)
    assert (await stored(journal, action)).outcome is Outcome.UNKNOWN
    completed = await journal.complete(action.id, Outcome.SUCCEEDED)
    assert completed.outcome is Outcome.SUCCEEDED
    assert await journal.get(action.id) == completed


async def test_process_presumed_dead_may_still_complete_its_action(
    open_journal: Callable[[], Journal],
) -> None:
    async with open_journal() as journal:
        journal._owner += "0"  # another process with the same number, long gone
        action = (await begin(journal, lease=10)).action
        async with open_journal() as replica:
            assert (await stored(replica, action)).outcome is Outcome.UNKNOWN
        completed = await journal.complete(action.id, Outcome.SUCCEEDED)
        assert completed.outcome is Outcome.SUCCEEDED


# Waiting


@pytest.mark.slow
async def test_waiting_tasks_are_woken(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 3600)  # polling would take too long
    action = (await begin(journal)).action
    waiting = [asyncio.create_task(journal.wait(action.id, soon())) for _ in range(20)]
    await listed(journal)  # comes after all of them have checked
    completed = await journal.complete(action.id, Outcome.SUCCEEDED)
    assert await asyncio.gather(*waiting) == [completed] * 20


async def test_waiting_process_polls(
    open_journal: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    async with open_journal() as journal, open_journal() as replica:
        action = (await begin(journal)).action
        waiting = asyncio.create_task(replica.wait(action.id, soon()))
        assert (await stored(replica, action)).outcome is Outcome.PENDING
        completed = await journal.complete(action.id, Outcome.SUCCEEDED)
        assert await waiting == completed


async def test_waiting_ends_at_the_deadline(journal: Journal) -> None:
    action = (await begin(journal)).action
    now = asyncio.get_running_loop().time()
    assert await journal.wait(action.id, now) == action
    assert await journal.wait(action.id, now + 0.001) == action


# Listing


async def test_pages_are_stable_while_actions_arrive(journal: Journal, clock: Clock) -> None:
    for number in range(10):
        await begin(journal, upstream_id=str(number))
        clock.move(number % 2)  # two of each time
    first = await journal.page(3, None, EVERYTHING)
    assert first.has_next_page
    await begin(journal, upstream_id="new")
    rows = list(first.actions)
    page = first
    while page.has_next_page:
        page = await journal.page(3, cursor_of(rows[-1]), EVERYTHING)
        rows += page.actions
    assert sorted(row.upstream_id for row in rows) == [str(number) for number in range(10)]
    assert rows == sorted(rows, key=lambda row: (row.requested_at, row.id), reverse=True)


async def test_full_page_may_be_the_last(journal: Journal) -> None:
    action = (await begin(journal)).action
    page = await journal.page(1, None, EVERYTHING)
    assert (page.actions, page.has_next_page) == ((action,), False)
    end = await journal.page(1, cursor_of(action), EVERYTHING)
    assert (end.actions, end.has_next_page) == ((), False)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, "210"),
        ({"kind": ActionKind.DELETE}, "1"),
        ({"outcome": Outcome.SUCCEEDED}, "2"),
        ({"outcome": Outcome.PENDING}, "10"),
        ({"sources": frozenset({"b", "c"})}, "21"),
        ({"sources": frozenset()}, ""),
        ({"caller": "bob"}, "20"),
        ({"caller": "bob", "kind": ActionKind.DELETE}, ""),
        ({"caller": "bob\0"}, ""),
        ({"caller": "bob\ud800"}, ""),
    ],
)
async def test_filters(
    journal: Journal, clock: Clock, wanted: dict[str, Any], numbers: str
) -> None:
    await begin(journal, upstream_id="0", source="a", caller="bob")
    clock.move(1)
    await begin(journal, upstream_id="1", source="b", kind=ActionKind.DELETE)
    clock.move(1)
    last = await begin(journal, upstream_id="2", source="c", caller="bob")
    await journal.complete(last.action.id, Outcome.SUCCEEDED)
    rows = await listed(journal, ActionFilter(**wanted))
    assert [row.upstream_id for row in rows] == list(numbers)


@pytest.mark.parametrize("cursor", ["", "nonsense", "ktMAoTA", "é", "A" * 1000])
async def test_damaged_cursor_is_refused(journal: Journal, cursor: str) -> None:
    with pytest.raises(RequestError) as caught:
        await journal.page(1, cursor, EVERYTHING)
    assert caught.value.code is ErrorCode.INVALID_CURSOR


# Retention


async def test_old_actions_are_deleted_at_start(
    open_journal: Callable[[], Journal], clock: Clock
) -> None:
    async with open_journal() as journal:
        old = (await begin(journal, idempotency_key="key")).action
        clock.move(DAY)
        young = (await begin(journal)).action
    clock.move(29 * DAY)
    async with open_journal() as journal:
        assert (await stored(journal, old)).id == old.id
    clock.move(1)
    async with open_journal() as journal:
        assert [action.id for action in await listed(journal)] == [young.id]
        assert (await begin(journal, idempotency_key="key")).new


async def test_old_actions_are_deleted_within_an_hour(journal: Journal, clock: Clock) -> None:
    await begin(journal)
    clock.move(30 * DAY - 60)
    assert len(await listed(journal)) == 1
    clock.move(61)
    assert len(await listed(journal)) == 1
    clock.move(3600)
    assert await listed(journal) == []
