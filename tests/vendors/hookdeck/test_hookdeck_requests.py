"""Requests to Hookdeck have exactly the documented method, path, headers and parameters."""

from __future__ import annotations

import pytest

from gateway.model import Timestamp, WebhookLogStatus
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria
from gateway.vendors.retried import Retried, RetryKind
from tests.vendors.case import sample
from tests.vendors.hookdeck.case import CASE
from tests.vendors.requests import PLAIN, SINCE, UNTIL, asked, list_logs
from tests.vendors.vendors import Vendor, answer, make

LIST = "GET /events?order_by=created_at&dir=desc&limit=50"
EVENT = CASE.place[0]
EMPTY = {"pagination": {}, "count": 0, "models": []}
FAILED, SUCCEEDED, PENDING, CANCELLED, UNKNOWN = (
    WebhookLogStatus[name] for name in ("FAILED", "SUCCEEDED", "PENDING", "CANCELLED", "UNKNOWN")
)


async def test_connections_events_and_one_event() -> None:
    source, vendor = await asked("hookdeck", EMPTY)
    await source.hooks(Operation(5))
    await list_logs(source)
    assert vendor.asked == [
        "GET /connections?disabled=true&order_by=created_at&dir=asc&limit=100",
        LIST,
    ]
    assert dict(vendor.requests[0].headers) == {
        **PLAIN,
        "host": "vendor.example",
        "authorization": "Bearer hk_1",
    }


async def test_single_event_and_its_attempts_are_two_calls() -> None:
    source, vendor = await asked("hookdeck", sample("hookdeck/event"))
    await source.read_log(CASE.place, Operation(5))
    assert sorted(vendor.asked) == [
        f"GET /attempts?event_id={EVENT}&order_by=created_at&dir=desc&limit=100",
        f"GET /events/{EVENT}",
    ]


async def test_bounds_are_inclusive_by_the_millisecond() -> None:
    source, vendor = await asked("hookdeck", EMPTY)
    await list_logs(source, wanted=Criteria(since=Timestamp(SINCE + 1)), until=Timestamp(UNTIL + 1))
    assert vendor.asked == [
        f"{LIST}&created_at%5Blte%5D=2026-03-04T09%3A10%3A11.121Z"
        "&created_at%5Bgte%5D=2026-03-04T08%3A10%3A11.120Z"
    ]


@pytest.mark.parametrize(
    ("statuses", "sent"),
    [
        ({FAILED}, "&status=FAILED"),
        ({PENDING}, "&status=SCHEDULED&status=QUEUED&status=HOLD"),
        ({SUCCEEDED, CANCELLED}, "&status=SUCCESSFUL&status=CANCELLED"),
        ({FAILED, UNKNOWN}, ""),
    ],
)
async def test_values_of_a_filter_are_repeated(statuses: set[WebhookLogStatus], sent: str) -> None:
    source, vendor = await asked("hookdeck", EMPTY)
    await list_logs(source, wanted=Criteria(statuses=frozenset(statuses)))
    assert vendor.asked == [LIST + sent]


async def test_hooks_and_a_range_of_codes_are_sent() -> None:
    source, vendor = await asked("hookdeck", EMPTY)
    await list_logs(source, wanted=Criteria(hooks=("web_1", "web_2")))
    await list_logs(source, wanted=Criteria(status_codes=(400, 599)))
    assert vendor.asked == [
        f"{LIST}&webhook_id=web_1&webhook_id=web_2",
        f"{LIST}&response_status%5Bgte%5D=400&response_status%5Blte%5D=599",
    ]


async def test_retry_has_no_body_and_names_the_same_event() -> None:
    vendor = Vendor(lambda _: answer(sample("hookdeck/events")["models"][0]))
    retried = await make("hookdeck", vendor).vendor.retry(CASE.place, Operation(5))
    assert retried == Retried(RetryKind.SAME_LOG)
    (request,) = vendor.requests
    assert (request.method, request.content) == ("POST", b"")
    assert request.url.path == f"/events/{EVENT}/retry"
