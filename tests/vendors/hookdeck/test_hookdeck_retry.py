"""A retry is another attempt of the same event, which changes in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.resending import resending


async def test_event_changes_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with resending("hookdeck", tmp_path, monkeypatch) as gateway:
        listed = await gateway.listed()
        failed = next(log for log in listed if log["status"] == "FAILED" and log["attempt"] > 1)
        attempts = (await gateway.complete(failed["id"]))["attempts"]
        payload = await gateway.resend(failed["id"])
        after = payload["webhookLog"]
        assert (payload["kind"], payload["replacement"]) == ("SAME_LOG", None)
        assert (after["id"], after["attempt"]) == (failed["id"], failed["attempt"] + 1)
        *earlier, last = (await gateway.complete(failed["id"]))["attempts"]
        assert (earlier, last["at"]) == (attempts, "2026-03-04T09:11:13.250Z")
        again = await gateway.listed()
        assert [log["id"] for log in again] == [log["id"] for log in listed]
        assert next(log for log in again if log["id"] == failed["id"]) == after


@pytest.mark.parametrize(("status", "attempts"), [("SUCCEEDED", 2), ("CANCELLED", 1)])
async def test_events_that_did_not_fail_can_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, attempts: int
) -> None:
    """A succeeded log is not final, so it must not be taken from the cache afterwards."""
    async with resending("hookdeck", tmp_path, monkeypatch) as gateway:
        found = await gateway.listed(status={"eq": status})
        log = next(log for log in found if log["attempt"] == attempts - 1)
        payload = await gateway.resend(log["id"])
        assert payload["webhookLog"]["attempt"] == attempts
        (shown,) = [each for each in await gateway.listed() if each["id"] == log["id"]]
        assert shown == payload["webhookLog"]


async def test_attempts_are_listed_from_the_first_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with resending("hookdeck", tmp_path, monkeypatch) as gateway:
        for log in await gateway.listed():
            complete = await gateway.complete(log["id"])
            attempts = complete["attempts"]
            assert complete["durationMs"] == (attempts[-1]["durationMs"] if attempts else None)
            numbers = [attempt["number"] for attempt in attempts]
            assert numbers == list(range(1, log["attempt"] + 1))
            assert all(attempt["durationMs"] for attempt in attempts)
            if log["status"] in {"FAILED", "SUCCEEDED"}:
                assert attempts[-1]["status"] == log["status"]
            assert {attempt["status"] for attempt in attempts[:-1]} <= {"FAILED"}
