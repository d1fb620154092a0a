"""Actions while the journal can't be opened, read or written."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.errors import JournalError
from gateway.journal import Action, ActionKind, Journal
from tests.support.actions import (
    LOG_ID,
    RETRY,
    Controller,
    Schema,
    answering,
    gateway_over,
)


def break_journal(folder: Path) -> None:
    with sqlite3.connect(folder / "journal.sqlite3") as connection:
        connection.execute("DROP TABLE gateway_actions")
    connection.close()


def rename(folder: Path, old: str, new: str) -> None:
    with sqlite3.connect(folder / "journal.sqlite3") as connection:
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}")
    connection.close()


async def test_nothing_is_sent_without_a_journal(tmp_path: Path) -> None:
    vendor = Controller(answering(200))
    (tmp_path / "journal.sqlite3").mkdir()
    async with gateway_over(tmp_path, vendor) as gateway:
        with pytest.raises(JournalError, match="can't be opened"):
            await gateway.act(gateway.operation(), ActionKind.RETRY, LOG_ID)
    assert vendor.acts == []


async def test_unrecorded_outcome_is_still_returned_to_the_caller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def act(_: httpx.Request) -> httpx.Response:
        break_journal(tmp_path)
        return httpx.Response(200)

    async with gateway_over(tmp_path, Controller(act)) as gateway:
        payload = await Schema(gateway).retry(LOG_ID)
    assert payload["webhookLog"]["attempt"] == 2
    assert payload["userErrors"] == []
    assert f"can't be recorded yet: {tmp_path / 'journal.sqlite3'}: no such table" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("repaired", ["while it runs", "before its end", "never"])
async def test_outcome_is_recorded_once_the_journal_works_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, repaired: str
) -> None:
    """Otherwise the journal would say UNKNOWN of a retry whose success its caller was told."""

    def act(_: httpx.Request) -> httpx.Response:
        rename(tmp_path, "gateway_actions", "gone")
        return httpx.Response(200)

    async with gateway_over(tmp_path, Controller(act)) as gateway:
        schema = Schema(gateway)
        assert (await schema.retry(LOG_ID, "key"))["userErrors"] == []
        if repaired != "never":
            rename(tmp_path, "gone", "gateway_actions")
        while repaired == "while it runs":
            (entry,) = await schema.journal()
            if entry["outcome"] == "SUCCEEDED":
                break
    if repaired == "never":
        rename(tmp_path, "gone", "gateway_actions")
    async with gateway_over(tmp_path, Controller(act)) as gateway:
        (entry,) = await Schema(gateway).journal()
    assert entry["outcome"] == ("PENDING" if repaired == "never" else "SUCCEEDED")
    assert ("shows UNKNOWN: " + str(tmp_path) in caplog.text) is (repaired == "never")
    assert ("is recorded now." in caplog.text) is (repaired != "never")


async def test_action_that_is_gone_is_not_said_to_be_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def act(_: httpx.Request) -> httpx.Response:
        rename(tmp_path, "gateway_actions", "gone")
        return httpx.Response(200)

    async with gateway_over(tmp_path, Controller(act)) as gateway:
        assert (await Schema(gateway).retry(LOG_ID, "key"))["userErrors"] == []
        with sqlite3.connect(tmp_path / "journal.sqlite3") as connection:
            connection.execute("DELETE FROM gone")
        connection.close()
        rename(tmp_path, "gone", "gateway_actions")
    assert "is gone from the journal" in caplog.text
    assert "is recorded now" not in caplog.text


async def test_outcome_whose_confirmation_was_lost_is_recorded_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = Journal.complete

    async def lose(journal: Journal, *words: Any, **parts: Any) -> Action:
        await complete(journal, *words, **parts)
        raise JournalError("Planted.")

    monkeypatch.setattr(Journal, "complete", lose)
    async with gateway_over(tmp_path, Controller(answering(200))) as gateway:
        schema = Schema(gateway)
        assert (await schema.retry(LOG_ID, "key"))["userErrors"] == []
        (entry,) = await schema.journal()
        assert entry["outcome"] == "SUCCEEDED"
    assert "can't be recorded yet" in caplog.text
    assert "was not recorded" not in caplog.text


async def test_waiting_call_gets_unknown_when_the_journal_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def act(_: httpx.Request) -> httpx.Response:
        begun.set()
        await goes_on.wait()
        return httpx.Response(200)

    async with gateway_over(tmp_path, Controller(act)) as gateway:
        schema = Schema(gateway)
        first = asyncio.create_task(schema.retry(LOG_ID, "key"))
        await begun.wait()
        (entry,) = await schema.journal()
        waiting = asyncio.create_task(schema.retry(LOG_ID, "key"))
        # Once only the vendor call is pending, the second call has found the entry of the first.
        journal = await gateway._actions.journal()
        while entry["id"] not in journal._completed:  # noqa: ASYNC110
            await asyncio.sleep(0)
        break_journal(tmp_path)
        (problem,) = (await waiting)["userErrors"]
        goes_on.set()
        assert (await first)["userErrors"] == []
    assert (problem["__typename"], problem["actionId"]) == ("OutcomeUnknown", entry["id"])
    assert problem["message"].startswith("The action was begun, but the journal can't be read")
    assert f"The outcome of action {entry['id']} can't be read: {tmp_path}" in caplog.text
    assert "Traceback" not in caplog.text


async def test_failing_journal_makes_no_claim_about_an_earlier_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway_over(tmp_path, Controller(answering(200))) as gateway:
        schema = Schema(gateway)
        assert (await schema.retry(LOG_ID, "key"))["userErrors"] == []
        break_journal(tmp_path)
        (error,) = await schema.errors(RETRY, id=LOG_ID, key="key")
    assert error == {
        "message": "The gateway can't use its journal now, so this request started no retry or"
        " deletion. Try again later. If the error persists, the gateway's log has the cause.",
        "code": "JOURNAL_UNAVAILABLE",
    }
    place = tmp_path / "journal.sqlite3"
    said = f"can't be opened, read or written: {place}: no such table: gateway_actions\n"
    assert said in caplog.text
    assert "Traceback" not in caplog.text
