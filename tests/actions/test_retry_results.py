"""The result of a retry, as callers get it at once, later, and from the journal."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import resources
from gateway.actions.actions import Actions
from gateway.actions.problems import Problem
from gateway.journal import ActionKind
from gateway.sources import retries
from gateway.vendors.retried import Retried, RetryKind
from tests.support.actions import PASSED, Schema
from tests.support.retrying_vendor import log_id, retrying_gateway

RETRY = """
mutation($id: ID!, $key: String) {
  retryWebhookLog(id: $id, idempotencyKey: $key) {
    kind webhookLog { id attempt } replacement { id isRedelivery redeliveryOf event }
    userErrors { code }
  }
}
"""
LIST = "{ webhookLogs { nodes { id } } }"
NEW = {"id": log_id(2), "isRedelivery": True, "redeliveryOf": log_id(1), "event": None}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out pauses, and the watcher, which drops entries where a journal is a file."""
    monkeypatch.setattr(Actions, "may_have_changed", lambda _: False)
    monkeypatch.setattr(retries, "PAUSES", (0.0,) * 3)


async def retry(schema: Schema, key: str | None = "key") -> dict[str, Any]:
    payload: dict[str, Any] = (await schema.data(RETRY, id=log_id(1), key=key))["retryWebhookLog"]
    return payload


def result(kind: str, attempt: int | None = None, new: object = None) -> dict[str, Any]:
    log = {"id": log_id(1), "attempt": attempt}
    return {"kind": kind, "webhookLog": log, "replacement": new, "userErrors": []}


@pytest.mark.parametrize(
    ("retried", "after", "expected"),
    [
        (Retried(RetryKind.SAME_LOG), 0.0, result("SAME_LOG", 2)),
        (Retried(RetryKind.MANY_LOGS), 0.0, result("MANY_LOGS", 2)),
        (Retried(RetryKind.NEW_LOG), 0.0, result("NEW_LOG", new=NEW)),
        (Retried(RetryKind.NEW_LOG, place=("2",)), 0.0, result("NEW_LOG", new=NEW)),
        (Retried(RetryKind.NEW_LOG), 3600.0, result("NEW_LOG")),
    ],
    ids=["same", "many", "new", "named", "later"],
)
async def test_result_is_given_again_for_the_same_key(
    tmp_path: Path, retried: Retried, after: float, expected: dict[str, Any]
) -> None:
    """A client whose connection broke must learn of the new log, too."""
    gateway, vendor = retrying_gateway(tmp_path)
    async with gateway:
        vendor.add(1)
        vendor.retried, vendor.after = retried, after
        schema = Schema(gateway)
        assert await retry(schema) == await retry(schema) == expected
        (entry,) = await schema.journal()
        assert entry["answer"] == {"id": 2 if expected["replacement"] else 1}
        assert vendor.calls.count("retry 1") == 1
    gateway, _ = retrying_gateway(tmp_path)
    async with gateway:
        assert await retry(Schema(gateway)) == expected


async def test_lists_have_the_new_log_after_a_retry(tmp_path: Path) -> None:
    gateway, vendor = retrying_gateway(tmp_path)
    async with gateway:
        vendor.add(1)
        schema = Schema(gateway)
        for expected in ([1], [2, 1]):
            nodes = (await schema.data(LIST))["webhookLogs"]["nodes"]
            assert [node["id"] for node in nodes] == [log_id(number) for number in expected]
            await retry(schema, None)


async def test_lists_need_not_wait_for_the_new_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others see it as soon as the vendor has it, though the caller waits for the next look."""
    gateway, vendor = retrying_gateway(tmp_path)
    looked, released = asyncio.Event(), asyncio.Event()

    async def pause(_: object, __: object) -> None:
        looked.set()
        await released.wait()

    monkeypatch.setattr(retries, "_repeat", pause)
    async with gateway:
        vendor.add(1)
        schema = Schema(gateway)
        await schema.data(LIST)
        asked = asyncio.create_task(retry(schema))
        await looked.wait()
        assert len((await schema.data(LIST))["webhookLogs"]["nodes"]) == 2
        released.set()
        assert (await asked)["kind"] == "NEW_LOG"


async def test_list_read_before_the_new_log_is_dropped_when_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frontend that lists again after the retry would miss what the answer shows."""
    gateway, vendor = retrying_gateway(tmp_path)
    schema = Schema(gateway)

    async def repeat(look: Callable[[], Awaitable[object]], _: object) -> object:
        assert len((await schema.data(LIST))["webhookLogs"]["nodes"]) == 1
        vendor.add(2)
        return await look()

    monkeypatch.setattr(retries, "_repeat", repeat)
    async with gateway:
        vendor.add(1)
        vendor.after = 3600
        assert (await retry(schema))["replacement"]["id"] == log_id(2)
        assert len((await schema.data(LIST))["webhookLogs"]["nodes"]) == 2


async def test_log_that_was_sent_again_in_place_is_read_anew(tmp_path: Path) -> None:
    gateway, vendor = retrying_gateway(tmp_path)
    one = "query($id: ID!) { webhookLog(id: $id) { attempt } }"
    async with gateway:
        vendor.add(1)
        vendor.retried = Retried(RetryKind.SAME_LOG)
        schema = Schema(gateway)
        for attempt in (None, 2):
            assert (await schema.data(one, id=log_id(1)))["webhookLog"]["attempt"] == attempt
            await retry(schema)


async def test_caller_with_a_short_deadline_is_told_that_it_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown outcome would make the user look, and perhaps send it once more."""
    monkeypatch.setattr(retries, "PAUSES", (3600.0,))
    gateway, vendor = retrying_gateway(tmp_path)
    async with gateway:
        vendor.add(1)
        hurried = gateway.operation(seconds=0.55)
        answer = await gateway.act(hurried, ActionKind.RETRY, log_id(1))
    assert (answer.problem, answer.kind, answer.replacement) == (None, RetryKind.NEW_LOG, None)


async def test_shutdown_while_a_new_log_is_awaited_records_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    async def pause(_: object, __: object) -> None:
        looked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(retries, "_repeat", pause)
    gateway, vendor = retrying_gateway(tmp_path)
    monkeypatch.setattr(resources, "MARGIN", -gateway.settings.server.deadline.max)
    async with gateway:
        vendor.add(1)
        asked = asyncio.create_task(retry(Schema(gateway)))
        await looked.wait()
    assert await asked == result("NEW_LOG")
    gateway, _ = retrying_gateway(tmp_path)
    async with gateway:
        (entry,) = await Schema(gateway).journal()
    assert entry["outcome"] == "SUCCEEDED"


async def test_result_of_an_earlier_version_has_no_kind(tmp_path: Path) -> None:
    """The journal outlives an upgrade."""
    gateway, vendor = retrying_gateway(tmp_path)
    async with gateway:
        vendor.add(1)
        vendor.retried = Retried(RetryKind.SAME_LOG)
        expected = await retry(Schema(gateway))
        with sqlite3.connect(tmp_path / "journal.sqlite3") as connection:
            ((stored,),) = connection.execute("SELECT answer FROM gateway_actions")
            old = json.loads(stored)
            del old["kind"], old["replacement"]
            del old["log"]["is_redelivery"], old["log"]["redelivery_of"]
            connection.execute("UPDATE gateway_actions SET answer = ?", (json.dumps(old).encode(),))
        connection.close()
        assert await retry(Schema(gateway)) == expected | {"kind": None}


async def test_new_log_of_one_credential_is_not_shown_to_another(tmp_path: Path) -> None:
    """With pass-through, callers of one name may have different credentials."""
    gateway, vendor = retrying_gateway(tmp_path, auth=PASSED)
    async with gateway:
        vendor.add(1)
        ada, bob = (Schema(gateway, mine=name) for name in ("ada", "bob"))
        assert await retry(ada) == result("NEW_LOG", new=NEW)
        assert await retry(bob) == result("NEW_LOG")
        (entry,) = await ada.journal()
        assert entry["answer"] is None
        with sqlite3.connect(tmp_path / "journal.sqlite3") as connection:
            ((stored,),) = connection.execute("SELECT answer FROM gateway_actions")
        connection.close()
        assert json.loads(stored) == {
            "log": None,
            "kind": "NEW_LOG",
            "replacement": None,
            "problem": None,
        }


async def test_refused_retry_has_no_kind(tmp_path: Path) -> None:
    gateway, vendor = retrying_gateway(tmp_path)
    async with gateway:
        vendor.add(1)
        vendor.failing.add("retry")
        payload = await retry(Schema(gateway))
        answer = await gateway.act(gateway.operation(), ActionKind.RETRY, log_id(1))
    assert (payload["kind"], payload["replacement"]) == (None, None)
    assert len(payload["userErrors"]) == 1
    assert isinstance(answer.problem, Problem)
