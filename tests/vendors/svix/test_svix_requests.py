"""Requests to Svix have exactly the documented method, path, headers and parameters."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import Timestamp, WebhookLogStatus
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria
from gateway.vendors.retried import Retried, RetryKind
from tests.vendors.requests import PLAIN, SINCE, UNTIL, asked, list_logs
from tests.vendors.svix.case import APP, CASE, ENDPOINT, MESSAGE
from tests.vendors.vendors import Vendor, answer, make

BASE = f"GET /api/v1/app/{APP}"
LIST = f"{BASE}/attempt/endpoint/{ENDPOINT}?with_msg=true&expanded_statuses=true&limit=50"
PLACE = CASE.place[:3]
EMPTY: dict[str, Any] = {"data": [], "iterator": None, "done": True}
FAILED, SUCCEEDED, PENDING, CANCELLED, UNKNOWN = (
    WebhookLogStatus[name] for name in ("FAILED", "SUCCEEDED", "PENDING", "CANCELLED", "UNKNOWN")
)


async def test_endpoints_attempts_and_one_attempt() -> None:
    source, vendor = await asked("svix", EMPTY)
    await source.hooks(Operation(5))
    await list_logs(source, *PLACE)
    await source.read_log(CASE.place, Operation(5))
    assert vendor.asked == [
        f"{BASE}/endpoint?limit=100",
        LIST,
        f"{BASE}/attempt/msg/{MESSAGE}"
        f"?endpoint_id={ENDPOINT}&with_msg=true&expanded_statuses=true&limit=250",
    ]
    assert dict(vendor.requests[0].headers) == {
        **PLAIN,
        "host": "vendor.example",
        "authorization": "Bearer testsk_1",
    }


async def test_all_applications_are_found_by_iterator() -> None:
    apps = [{"id": f"app_{letter}"} for letter in "abc"]

    def respond(request: Any) -> Any:
        if not request.url.path.endswith("/app"):
            return answer(EMPTY)
        after = request.url.params.get("iterator")
        start = 0 if after is None else 2
        rows = apps[start : start + 2]
        return answer({"data": rows, "iterator": rows[-1]["id"], "done": start == 2})

    vendor = Vendor(respond)
    source = make("svix", vendor, apps=[])
    assert await source.hooks(Operation(5)) == []
    assert vendor.asked == [
        "GET /api/v1/app?limit=100",
        "GET /api/v1/app?limit=100&iterator=app_b",
        *(f"GET /api/v1/app/{app['id']}/endpoint?limit=100" for app in apps),
    ]


async def test_bounds_are_exclusive_and_the_lower_one_never_stands_alone() -> None:
    """With "after" alone the list would begin with the oldest attempts."""
    source, vendor = await asked("svix", EMPTY)
    await list_logs(source, *PLACE, wanted=Criteria(since=SINCE))
    await list_logs(source, *PLACE, wanted=Criteria(since=SINCE), until=Timestamp(UNTIL + 1))
    await list_logs(source, *PLACE, wanted=Criteria(until=UNTIL))
    before, after = "2026-03-04T09%3A10%3A11.120001Z", "2026-03-04T08%3A10%3A11.119999Z"
    assert vendor.asked == [
        LIST,
        f"{LIST}&before={before}&after={after}",
        f"{LIST}&before={before}",
    ]


@pytest.mark.parametrize(
    ("statuses", "sent"),
    [
        ({FAILED}, "&status=2"),
        ({SUCCEEDED}, "&status=0"),
        ({CANCELLED}, "&status=4"),
        ({PENDING}, ""),
        ({FAILED, CANCELLED}, ""),
        ({FAILED, UNKNOWN}, ""),
    ],
)
async def test_one_status_is_sent_at_a_time(statuses: set[WebhookLogStatus], sent: str) -> None:
    source, vendor = await asked("svix", EMPTY)
    await list_logs(source, *PLACE, wanted=Criteria(statuses=frozenset(statuses)))
    assert vendor.asked == [LIST + sent]


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ({"events": ("a.b", "c.d")}, "&event_types=a.b&event_types=c.d"),
        ({"status_codes": (500, 599)}, "&status_code_class=500"),
        ({"status_codes": (404, 404)}, "&status_code_class=400"),
        ({"status_codes": (400, 599)}, ""),
    ],
)
async def test_events_and_classes_of_codes_are_sent(wanted: dict[str, Any], sent: str) -> None:
    source, vendor = await asked("svix", EMPTY)
    await list_logs(source, *PLACE, wanted=Criteria(**wanted))
    assert vendor.asked == [LIST + sent]


async def test_resend_needs_message_and_endpoint() -> None:
    vendor = Vendor(lambda _: answer({}, 202))
    retried = await make("svix", vendor).vendor.retry(CASE.place, Operation(5))
    assert retried == Retried(RetryKind.NEW_LOG)
    (request,) = vendor.requests
    assert (request.method, request.content) == ("POST", b"")
    assert request.url.path == f"/api/v1/app/{APP}/msg/{MESSAGE}/endpoint/{ENDPOINT}/resend"
