"""Requests have exactly the documented method, path, headers and parameters."""

from __future__ import annotations

from pydantic import SecretStr

from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria
from tests.vendors.requests import (
    PLAIN,
    SINCE,
    SINCE_0,
    UNTIL,
    UNTIL_0,
    asked,
    list_logs,
)


async def test_triggers_and_logs() -> None:
    source, vendor = await asked("yandex-tracker", [])
    await source.find_streams(Operation(5))
    await list_logs(source, "DEV", "41")
    await list_logs(
        source, "DEV", "41", wanted=Criteria(since=SINCE, correlation_id="67c6"), until=UNTIL
    )
    await source.read_log(("DEV", "41", str(UNTIL), "67c6c20b9a1e4d0c7b5f2a10"), Operation(5))
    log = "GET /v3/queues/DEV/triggers/41/webhooks/log"
    assert vendor.asked == [
        "GET /v3/queues/DEV/triggers?perPage=50",
        f"{log}?limit=50",
        f"{log}?limit=50&from={SINCE_0}&to={UNTIL_0}&issueId=67c6",
        f"{log}?limit=100&from={UNTIL_0.replace('12.000', '10.120')}&to={UNTIL_0}",
    ]
    assert dict(vendor.requests[0].headers) == {
        **PLAIN,
        "host": "vendor.example",
        "authorization": "OAuth y0_token",
        "x-org-id": "7405813",
    }


async def test_configured_triggers_are_read_one_by_one() -> None:
    source, vendor = await asked(
        "yandex-tracker", {"id": 41}, queues=[], triggers={"DEV": [41, 43], "OPS": [61]}
    )
    await source.hooks(Operation(5))
    assert sorted(vendor.asked) == [
        "GET /v3/queues/DEV/triggers/41",
        "GET /v3/queues/DEV/triggers/43",
        "GET /v3/queues/OPS/triggers/61",
    ]


async def test_ready_iam_token_is_sent() -> None:
    source, vendor = await asked(
        "yandex-tracker",
        [],
        org_id=None,
        cloud_org_id="bpf3c9s1",
        auth={"type": "iam", "token": SecretStr("t1.ready")},
    )
    await source.hooks(Operation(5))
    (request,) = vendor.requests
    assert request.headers["authorization"] == "Bearer t1.ready"
    assert request.headers["x-cloud-org-id"] == "bpf3c9s1"
    assert "x-org-id" not in request.headers
