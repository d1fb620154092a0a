"""Requests have exactly the documented method, path, headers and parameters."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria
from tests.vendors.requests import (
    PLAIN,
    SINCE,
    SINCE_Z,
    UNTIL,
    UNTIL_Z,
    asked,
    list_logs,
)
from tests.vendors.vendors import PROJECT

SCOPES = [
    (("projects", PROJECT), {}),
    (("groups", "41207"), {"projects": [], "groups": [41207]}),
    (("repositories", "2111884"), {"projects": [], "repositories": [2111884]}),
]


@pytest.mark.parametrize(("scope", "changes"), SCOPES)
async def test_hooks_and_logs_of_a_scope(scope: tuple[str, str], changes: dict[str, Any]) -> None:
    source, vendor = await asked("codearts", [], **changes)
    window = f"created_before={UNTIL_Z}&created_after={SINCE_Z}"
    base = f"GET /v4/{scope[0]}/{scope[1]}/hooks"
    await source.find_streams(Operation(5))
    await list_logs(source, *scope, "990412")
    await list_logs(
        source,
        *scope,
        "990412",
        wanted=Criteria(since=SINCE, correlation_id="7f0c2c4e-31f6 17"),
        until=UNTIL,
        offset=50,
    )
    assert vendor.asked == [
        f"{base}?offset=0&limit=100",
        f"{base}/990412/logs?offset=0&limit=50",
        f"{base}/990412/logs?offset=50&limit=50&{window}&uuid=7f0c2c4e-31f6+17",
    ]


async def test_detail_of_a_log() -> None:
    """The endpoint of the vendor's page, which requires only X-Auth-Token."""
    source, vendor = await asked("codearts", {"id": 1})
    await source.read_log(("projects", PROJECT, "1", "1"), Operation(5))
    assert vendor.asked == [f"GET /v4/projects/{PROJECT}/hooks/1/logs/1"]
    (request,) = vendor.requests
    assert dict(request.headers) == {
        **PLAIN,
        "host": "vendor.example",
        "x-auth-token": "MIIToken",
    }
