"""Requests have exactly the documented method, path, headers and parameters."""

from __future__ import annotations

import base64

import pytest

from gateway.model import WebhookLogStatus
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria
from tests.vendors.requests import (
    PLAIN,
    asked,
    list_logs,
)

FAILED, SUCCEEDED, PENDING, UNKNOWN = (
    WebhookLogStatus[name] for name in ("FAILED", "SUCCEEDED", "PENDING", "UNKNOWN")
)


async def test_webhooks_and_audit_entries() -> None:
    empty = {"entries": [], "webhooks": [], "page": 1, "perPage": 50, "totalItems": 0}
    source, vendor = await asked("language-weaver", empty)
    await source.hooks(Operation(5))
    await list_logs(source)
    await list_logs(
        source,
        wanted=Criteria(
            statuses=frozenset({FAILED}), events=("translation.created", "adaptedlp.created")
        ),
        offset=100,
    )
    await source.read_log(("88",), Operation(5))
    audit = "GET /api/v2/audit/webhooks"
    assert vendor.asked == [
        "GET /api/v2/webhooks?page=1&perPage=50",
        f"{audit}?page=1&perPage=50",
        f"{audit}?page=3&perPage=50&failed=true&event=translation.created%2Cadaptedlp.created",
        f"{audit}?page=1&perPage=50",
    ]
    assert dict(vendor.requests[0].headers) == {
        **PLAIN,
        "host": "vendor.example",
        "authorization": "Basic " + base64.b64encode(b"u_key:").decode(),
    }


@pytest.mark.parametrize(
    ("statuses", "sent"),
    [
        ({FAILED}, "&failed=true"),
        ({FAILED, PENDING}, "&failed=true"),
        ({SUCCEEDED}, "&failed=false"),
        ({SUCCEEDED, UNKNOWN}, ""),
        ({FAILED, UNKNOWN}, ""),
        ({FAILED, SUCCEEDED}, ""),
        ({UNKNOWN}, ""),
        ({PENDING}, ""),
    ],
)
async def test_failed_is_sent_only_if_it_lists_all_matches(
    statuses: set[WebhookLogStatus], sent: str
) -> None:
    """No entry is pending. In which list those of unknown status are is not documented."""
    source, vendor = await asked("language-weaver", {"entries": []})
    await list_logs(source, wanted=Criteria(statuses=frozenset(statuses)))
    assert vendor.asked == [f"GET /api/v2/audit/webhooks?page=1&perPage=50{sent}"]
