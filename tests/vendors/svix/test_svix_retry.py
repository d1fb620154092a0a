"""A retry makes another attempt of the message, which is found in the list of its endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.resending import resending


async def test_new_attempt_is_found_by_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with resending("svix", tmp_path, monkeypatch) as gateway:
        before = {log["id"] for log in await gateway.listed()}
        failed = (await gateway.listed(status={"eq": "FAILED"}))[0]
        assert (await gateway.complete(failed["id"]))["attempts"] is None
        payload = await gateway.resend(failed["id"])
        made = payload["replacement"]
        assert payload["kind"] == "NEW_LOG"
        assert payload["webhookLog"] == failed
        assert made["id"] not in before
        assert made["correlationId"] == failed["correlationId"]
        assert (made["isRedelivery"], failed["isRedelivery"]) == (True, False)
        assert made["triggeredAt"] == "2026-03-04T09:11:14.250Z"
        assert (await gateway.listed())[0] == made


@pytest.mark.parametrize("status", ["SUCCEEDED", "CANCELLED"])
async def test_attempts_that_did_not_fail_can_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    async with resending("svix", tmp_path, monkeypatch) as gateway:
        log = (await gateway.listed(status={"eq": status}))[0]
        payload = await gateway.resend(log["id"])
        assert payload["replacement"]["correlationId"] == log["correlationId"]
