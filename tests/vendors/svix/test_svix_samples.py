"""Attempts and endpoints as Svix documents them become these records."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import ids
from gateway.model import FailureCategory, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.upstream.operation import Operation
from gateway.vendors.described.parsing import DescribedDetails
from tests.vendors.case import sample
from tests.vendors.documents import changed
from tests.vendors.samples import hooks_of, log_of, page_of
from tests.vendors.svix.case import APP, ATTEMPT, ENDPOINT, MESSAGE
from tests.vendors.vendors import always, make


async def test_page_of_attempts() -> None:
    page = await page_of("svix", sample("svix/attempts"))
    assert (page.more, page.total, page.unreadable) == (True, None, [])
    failed, unanswered, succeeded = page.logs
    assert ids.decode(failed.id).place == ("apps", APP, ENDPOINT, MESSAGE, ATTEMPT)
    assert failed.upstream_id == ATTEMPT
    assert failed.event == "invoice.paid"
    assert failed.correlation_id == MESSAGE
    assert failed.triggered_at == timestamps.parse("2026-03-04T09:10:11.120431Z")
    assert (failed.duration_ms, failed.attempt) == (187, None)
    assert failed.failure is not None
    assert failed.failure.category is FailureCategory.HTTP_SERVER_ERROR
    assert failed.request is not None
    assert failed.request.url == "https://rx.example.test/svix?token=***"
    assert failed.response is not None
    assert (failed.response.status_code, failed.response.body) == (503, '{"error":"busy"}')
    assert failed.details == DescribedDetails(
        values={
            "event_id": "evt-7731",
            "tags": ["import"],
            "channels": ["eu"],
            "trigger_type": 0,
        }
    )
    assert [log.is_redelivery for log in page.logs] == [False, True, False]
    assert succeeded.status is WebhookLogStatus.SUCCEEDED
    assert succeeded.failure is None
    assert all(log.complete and not log.warnings for log in page.logs)
    assert unanswered.event is None


async def test_response_without_a_status_is_the_senders_error() -> None:
    _, unanswered, _ = (await page_of("svix", sample("svix/attempts"))).logs
    assert unanswered.response is None
    assert unanswered.failure is not None
    assert unanswered.failure.category is FailureCategory.CONNECTION
    assert unanswered.failure.message == "error sending request: connection refused"


async def test_failure_without_any_text_has_no_response() -> None:
    row = changed("svix", responseStatusCode=0, response="")
    log = await log_of("svix", {"data": [row], "done": True})
    assert log.failure is not None
    assert log.failure.category is FailureCategory.NO_RESPONSE


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (0, WebhookLogStatus.SUCCEEDED),
        (1, WebhookLogStatus.PENDING),
        (2, WebhookLogStatus.FAILED),
        (3, WebhookLogStatus.PENDING),
        (4, WebhookLogStatus.CANCELLED),
        (5, WebhookLogStatus.UNKNOWN),
    ],
)
async def test_every_status_is_known(number: int, status: WebhookLogStatus) -> None:
    log = await log_of("svix", {"data": [changed("svix", status=number)], "done": True})
    assert log.status is status
    assert bool(log.warnings) == (status is WebhookLogStatus.UNKNOWN)


@pytest.mark.parametrize("more", [{"done": False}, {}])
async def test_done_ends_a_list(more: dict[str, Any]) -> None:
    document = sample("svix/attempts")
    assert not (await page_of("svix", document | {"done": True})).more
    del document["done"]
    assert (await page_of("svix", document | more)).more


async def test_endpoints() -> None:
    (hook,) = await hooks_of("svix", sample("svix/endpoints"))
    assert (hook.upstream_id, hook.name, hook.enabled) == (ENDPOINT, "Billing", True)
    assert hook.url == "https://rx.example.test/svix?token=***"
    assert hook.events == ("invoice.paid", "invoice.overdue")
    assert hook.created_at == timestamps.parse("2026-01-05T08:00:00Z")
    assert hook.id == (await log_of("svix", sample("svix/attempts"))).hook_id


async def test_single_attempt_is_found_among_those_of_its_message() -> None:
    source = make("svix", always(sample("svix/attempts")))
    place = ("apps", APP, ENDPOINT, MESSAGE)
    log = await source.vendor.read_log((*place, ATTEMPT), Operation(5))
    assert log == await log_of("svix", sample("svix/attempts"))
    unknown = (*place, "atmpt_2tQvZ7cWkZ0nq1mX4yB8rL5sDfG")
    assert await source.vendor.read_log(unknown, Operation(5)) is None
