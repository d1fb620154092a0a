"""What the commands say of each kind of retry, of attempts and of cancelled deliveries."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cli.actions import perform
from gateway.cli.logs import print_logs
from gateway.cli.show import print_log
from gateway.journal import ActionKind
from gateway.model import Attempt, Timestamp, WebhookLogStatus
from gateway.service import Gateway
from gateway.sources import retries
from gateway.vendors.retried import Retried, RetryKind
from tests.support.retrying_vendor import START, RetryingVendor, log_id, retrying_gateway

Made = tuple[Gateway, RetryingVendor]
LATE = 3600.0


@pytest.fixture
async def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Made]:
    monkeypatch.setattr(retries, "PAUSES", (0.0,))
    gateway, vendor = retrying_gateway(tmp_path)
    vendor.add(1)
    async with gateway:
        yield gateway, vendor


@pytest.mark.parametrize(
    ("retried", "after", "told"),
    [
        (Retried(RetryKind.SAME_LOG), 0.0, f"Sent again: 1 (failed) {log_id(1)}\n"),
        (
            Retried(RetryKind.NEW_LOG),
            0.0,
            f"Sent again: {log_id(1)}, with a new log: 2 (failed) {log_id(2)}\n",
        ),
        (
            Retried(RetryKind.NEW_LOG),
            LATE,
            f"Sent again: {log_id(1)}. Its new log is not listed yet.\n",
        ),
        (
            Retried(RetryKind.MANY_LOGS),
            0.0,
            f"Sent again, with other deliveries: {log_id(1)}. List the logs to see them.\n",
        ),
    ],
    ids=["same", "new", "late", "many"],
)
async def test_retry_says_where_its_result_is(
    made: Made, capsys: pytest.CaptureFixture[str], retried: Retried, after: float, told: str
) -> None:
    gateway, vendor = made
    vendor.retried, vendor.after = retried, after
    assert await perform(gateway, ActionKind.RETRY, [log_id(1)]) == 0
    assert capsys.readouterr() == (told, "")
    assert await perform(gateway, ActionKind.RETRY, [log_id(1)], as_json=True) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["id"], row["kind"], row["userErrors"]) == (log_id(1), retried.kind.name, [])
    assert row["webhookLog"]["id"] == log_id(1)
    is_new = retried.kind is RetryKind.NEW_LOG and not after
    assert (row["replacement"] and row["replacement"]["redeliveryOf"]) == (
        log_id(1) if is_new else None
    )


async def test_json_has_a_line_for_each_retry_that_failed(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script goes through the lines, and a user sees the message."""
    gateway, vendor = made
    vendor.failing.add("retry")
    assert await perform(gateway, ActionKind.RETRY, ["abc", log_id(1)], as_json=True) == 1
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["id"] for row in rows] == ["abc", log_id(1)]
    assert {(row["kind"], row["webhookLog"], row["replacement"]) for row in rows} == {(None,) * 3}
    codes = [[error["code"] for error in row["userErrors"]] for row in rows]
    assert codes == [["INVALID_INPUT"], ["OUTCOME_UNKNOWN"]]
    assert all(row["userErrors"][0]["message"] in err for row in rows)


async def test_show_has_the_attempts(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    gateway, vendor = made
    vendor.attempts = [
        Attempt(
            number=1,
            at=Timestamp(START),
            status=WebhookLogStatus.FAILED,
            status_code=503,
            duration_ms=12.3,
            error="un\x1bavailable",
            response_body="so\x1brry",
        ),
        Attempt(status=WebhookLogStatus.PENDING),
    ]
    await print_log(gateway, log_id(1), as_json=False)
    shown = capsys.readouterr().out
    first = "\nAttempt 1 2026-03-04T09:10:11Z failed 503 12 ms unavailable\n\nsorry\n"
    assert f"{first}\nAttempt pending\n" in shown
    await print_log(gateway, log_id(1), as_json=True)
    attempts = json.loads(capsys.readouterr().out)["attempts"]
    assert [attempt["at"] for attempt in attempts] == ["2026-03-04T09:10:11Z", None]
    assert attempts[0]["responseBody"] == "so\x1brry"


async def test_cancelled_deliveries_are_a_status_of_their_own(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are neither failures to look into, nor results to wait for."""
    gateway, vendor = made
    vendor.add(2, status=WebhookLogStatus.CANCELLED)
    for status in WebhookLogStatus:
        wanted = {"status": {"eq": status}}
        assert await print_logs(gateway, wanted, 9, as_json=False) == 0
        out, _ = capsys.readouterr()
        assert ("cancelled" in out) == (status is WebhookLogStatus.CANCELLED)
