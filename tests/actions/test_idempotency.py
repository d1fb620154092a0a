"""Idempotency keys: one action per caller and key, and the same answer each time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import httpx
import pytest

from gateway.actions.actions import MAX_KEY
from gateway.callers import Caller, Grant, Method, Role
from gateway.journal import ActionKind
from tests.support.actions import (
    LOG_ID,
    OTHER_ID,
    PASSED,
    Controller,
    Schema,
    answering,
    gateway_over,
)


async def test_key_identifies_one_action_on_one_log(tmp_path: Path) -> None:
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as gateway:
        schema = Schema(gateway)
        await schema.retry(LOG_ID, "key")
        (error,) = (await schema.retry(OTHER_ID, "key"))["userErrors"]
        assert error.pop("message")
        assert error == {
            "__typename": "IdempotencyKeyReused",
            "code": "IDEMPOTENCY_KEY_REUSED",
            "path": ["idempotencyKey"],
            "logId": LOG_ID,
        }
        act = gateway.act(gateway.operation(), ActionKind.DELETE, LOG_ID, "key")
        assert (await act).problem.__class__.__name__ == "IdempotencyKeyReused"
    assert len(vendor.acts) == 1


async def test_callers_do_not_share_keys(tmp_path: Path) -> None:
    vendor = Controller(answering(200))
    callers = [
        Caller("ada", Method.API_KEYS, (Grant(Role.ADMIN),)),
        Caller("bob", Method.API_KEYS, (Grant(Role.ADMIN),)),
        Caller("ada", Method.JWT, (Grant(Role.ADMIN),)),
    ]
    async with gateway_over(tmp_path, vendor) as gateway:
        for caller, id in zip(callers, (LOG_ID, LOG_ID, OTHER_ID), strict=True):
            schema = Schema(gateway.seen_by(caller))
            assert (await schema.retry(id, "key"))["userErrors"] == []
        told = [entry["caller"] for entry in await Schema(gateway).journal()]
    assert told == ["jwt:ada", "api-keys:bob", "api-keys:ada"]
    assert len(vendor.acts) == 3


async def test_key_is_remembered_for_the_journal_retention(tmp_path: Path) -> None:
    days = [0]
    vendor = Controller(answering(200))

    def clock() -> int:
        return (1_772_615_411 + days[0] * 24 * 3600) * 10**9

    async with gateway_over(tmp_path, vendor, clock=clock) as gateway:
        schema = Schema(gateway)
        await schema.retry(LOG_ID, "key")
        days[0] = gateway.settings.journal.retention_days - 1
        await schema.retry(LOG_ID, "key")
        assert len(vendor.acts) == 1
        days[0] += 2
        await schema.retry(LOG_ID, "key")
        assert len(vendor.acts) == 2
        assert len(await schema.journal()) == 1


@pytest.mark.sampled(2)
@pytest.mark.parametrize("answer", [b'{"problem": {"type": "Gone"}}', b"\x00"])
async def test_answer_of_another_version_keeps_its_outcome(tmp_path: Path, answer: bytes) -> None:
    """Gateways of two versions share a journal during an upgrade."""
    cases = {200: [], 400: ["UpstreamRejected"], 500: ["OutcomeUnknown"]}
    for status, errors in cases.items():
        vendor, key = Controller(answering(status)), f"key {status}"
        async with gateway_over(tmp_path, vendor) as gateway:
            await Schema(gateway).retry(LOG_ID, key)
            with sqlite3.connect(tmp_path / "journal.sqlite3") as connection:
                change = "UPDATE gateway_actions SET answer = ? WHERE idempotency_key = ?"
                connection.execute(change, (answer, key))
            connection.close()
            payload = await Schema(gateway).retry(LOG_ID, key)
        told = [error["__typename"] for error in payload["userErrors"]]
        assert told == errors
        assert payload["webhookLog"] is None
        assert len(vendor.acts) == 1


async def test_every_call_without_a_key_is_a_new_action(tmp_path: Path) -> None:
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as gateway:
        await Schema(gateway).retry(LOG_ID)
        await Schema(gateway).retry(LOG_ID)
    assert len(vendor.acts) == 2


@pytest.mark.sampled(3)
@pytest.mark.parametrize("key", ["", "a" * (MAX_KEY + 1), "a\0", "a\nb"])
async def test_invalid_key(tmp_path: Path, key: str) -> None:
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as gateway:
        (error,) = (await Schema(gateway).retry(LOG_ID, key))["userErrors"]
        assert (error["__typename"], error["path"]) == ("InvalidInput", ["idempotencyKey"])
        assert await Schema(gateway).journal() == []
        longest = "é" * MAX_KEY
        assert (await Schema(gateway).retry(LOG_ID, longest))["userErrors"] == []
    assert len(vendor.acts) == 1


BODY = """
mutation($id: ID!) {
  retryWebhookLog(id: $id, idempotencyKey: "key") {
    webhookLog { request { body } } userErrors { __typename message }
  }
}
"""


USERS = {"token-1": "ada", "token-2": "bob"}
"""The vendor's names for its credentials, which themselves would be masked."""


class Personal(httpx.AsyncBaseTransport):
    """A controller with one entry, whose content differs by credential."""

    def __init__(self, status: int) -> None:
        self.retries = 0
        self._status = status

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = USERS[request.headers["Authorization"]]
        if request.method == "PUT":
            self.retries += 1
            said = {"message": f"for {name} alone"}
            return httpx.Response(
                self._status, json=said if self._status == 200 else {"error": said}
            )
        entry = Controller.entry(42, self.retries) | {"data": f"for {name} alone"}
        return httpx.Response(200, json={"entries": [entry], "totalItems": 1})


@pytest.mark.sampled(2)
@pytest.mark.parametrize("status", [200, 400])
async def test_response_to_one_credential_is_not_repeated_to_another(
    tmp_path: Path, status: int
) -> None:
    """With pass-through, a vendor shows callers only their own data."""
    vendor = Personal(status)
    async with gateway_over(tmp_path, vendor, auth=PASSED) as gateway:
        told = [
            (await Schema(gateway, **headers).data(BODY, id=LOG_ID))["retryWebhookLog"]
            for headers in ({"mine": "token-1"}, {"mine": "token-2"}, {}, {"mine": "token-1"})
        ]
        (entry,) = await Schema(gateway).journal()
    assert entry["answer"] is None
    assert vendor.retries == 1
    assert "for ada alone" in str(told[0])
    assert "ada" not in str(told[1:3])
    if status == 200:
        bodies = [one["webhookLog"] and one["webhookLog"]["request"]["body"] for one in told]
        assert bodies == ["for ada alone", "for bob alone", None, "for ada alone"]
        assert [one["userErrors"] for one in told] == [[]] * 4
    else:
        kinds = [[error["__typename"] for error in one["userErrors"]] for one in told]
        assert kinds == [["UpstreamRejected"]] * 4
