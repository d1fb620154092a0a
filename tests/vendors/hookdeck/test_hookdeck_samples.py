"""Events, attempts and connections as Hookdeck documents them become these records."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.model import Attempt, FailureCategory, WebhookLog, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.sources import Source
from gateway.upstream.operation import Operation
from gateway.vendors.described.parsing import DescribedDetails
from tests.vendors.case import sample
from tests.vendors.documents import changed
from tests.vendors.hookdeck.case import CASE
from tests.vendors.samples import hooks_of, log_of, page_of
from tests.vendors.vendors import Vendor, answer, make


def source_of(event: Any, attempts: Any) -> Source:
    """Return a source whose vendor has one event and its attempts."""

    def respond(request: httpx.Request) -> httpx.Response:
        return answer(attempts if request.url.path == "/attempts" else event)

    return make("hookdeck", Vendor(respond))


async def read(event: Any, attempts: Any) -> WebhookLog:
    log = await source_of(event, attempts).vendor.read_log(CASE.place, Operation(5))
    assert log is not None
    return log


async def test_page_of_events() -> None:
    page = await page_of("hookdeck", sample("hookdeck/events"))
    assert (page.more, page.total, page.unreadable) == (True, None, [])
    expired, missing, cancelled = page.logs
    assert expired.upstream_id == "evt_a9s8d7f6g5h4j3k2"
    assert expired.correlation_id == "req_z9x8c7v6b5n4m3l2"
    assert expired.triggered_at == timestamps.parse("2026-03-04T09:10:11.120Z")
    assert expired.last_attempted_at == timestamps.parse("2026-03-04T09:12:40.015Z")
    assert (expired.attempt, expired.event, expired.duration_ms) == (3, None, None)
    assert expired.response is None
    assert expired.details == DescribedDetails(
        values={
            "source_id": "src_mQ4vT8wZ1p",
            "destination_id": "des_kR6yB3xN9s",
            "error_code": "SSL_CERT_EXPIRED",
            "next_attempt_at": "2026-03-04T09:22:40.000Z",
            "successful_at": None,
        }
    )
    assert missing.failure is not None
    assert missing.failure.category is FailureCategory.HTTP_CLIENT_ERROR
    assert missing.response is not None
    assert missing.response.status_code == 404
    assert (cancelled.status, cancelled.failure) == (WebhookLogStatus.CANCELLED, None)
    assert not any(log.complete or log.warnings for log in page.logs)


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("SSL_CERT_EXPIRED", FailureCategory.TLS),
        ("SELF_SIGNED_CERT", FailureCategory.TLS),
        ("ERR_SSL_WRONG_VERSION_NUMBER", FailureCategory.TLS),
        ("UNABLE_TO_GET_ISSUER_CERT", FailureCategory.TLS),
        ("ERR_TLS_CERT_ALTNAME_INVALID", FailureCategory.TLS),
        ("DNS_LOOKUP_FAILED", FailureCategory.DNS),
        ("TIMEOUT", FailureCategory.TIMEOUT),
        ("TOO_MANY_REDIRECTS", FailureCategory.REDIRECT),
        ("CONNECTION_REFUSED", FailureCategory.CONNECTION),
        ("CONNECTION_RESET", FailureCategory.CONNECTION),
        ("SOCKET_CLOSED", FailureCategory.CONNECTION),
        ("HOST_UNREACHABLE", FailureCategory.CONNECTION),
        ("NETWORK_UNREACHABLE", FailureCategory.CONNECTION),
        ("NETWORK_ERROR", FailureCategory.CONNECTION),
    ],
)
async def test_error_codes_have_categories(code: str, category: FailureCategory) -> None:
    log = await log_of("hookdeck", {"models": [changed("hookdeck", error_code=code)]})
    assert log.failure is not None
    assert (log.failure.category, log.failure.message) == (category, code)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("SCHEDULED", WebhookLogStatus.PENDING),
        ("QUEUED", WebhookLogStatus.PENDING),
        ("HOLD", WebhookLogStatus.PENDING),
        ("SUCCESSFUL", WebhookLogStatus.SUCCEEDED),
        ("FAILED", WebhookLogStatus.FAILED),
        ("CANCELLED", WebhookLogStatus.CANCELLED),
        ("LOST", WebhookLogStatus.UNKNOWN),
    ],
)
async def test_every_status_is_known(name: str, status: WebhookLogStatus) -> None:
    log = await log_of("hookdeck", {"models": [changed("hookdeck", status=name)]})
    assert log.status is status
    assert bool(log.warnings) == (status is WebhookLogStatus.UNKNOWN)


async def test_single_event_has_the_request_and_the_newest_attempt() -> None:
    log = await read(sample("hookdeck/event"), sample("hookdeck/attempts"))
    assert log.complete
    assert log.request is not None
    assert log.request.method == "POST"
    assert log.request.headers is not None
    assert {header.name: header.value for header in log.request.headers} == {
        "content-type": "application/json",
        "authorization": "***",
        "x-topic": "order.paid",
    }
    assert log.request.body_json == {"topic": "order.paid", "client_secret": "***"}
    assert log.duration_ms == 285
    assert log.failure is not None
    assert log.failure.category is FailureCategory.TLS
    assert "w9Xc4VbN7mLk" not in repr(log)


@pytest.mark.parametrize(
    ("body", "text"),
    [({"a": 1}, '{"a":1}'), ([1], "[1]"), ("plain", "plain"), (None, None)],
)
async def test_body_is_text_or_any_json(body: Any, text: str | None) -> None:
    event = sample("hookdeck/event")
    event["data"]["body"] = body
    log = await read(event, sample("hookdeck/attempts"))
    assert log.request is not None
    assert log.request.body == text


async def test_headers_may_be_text() -> None:
    event = sample("hookdeck/event")
    event["data"]["headers"] = '{"content-type":"text/plain","authorization":"Bearer g5Hj8KlP2qWe"}'
    log = await read(event, sample("hookdeck/attempts"))
    assert "g5Hj8KlP2qWe" not in repr(log)
    assert log.request is not None
    assert log.request.headers is not None
    assert {header.name: header.value for header in log.request.headers} == {
        "content-type": "text/plain",
        "authorization": "***",
    }


async def test_attempts_from_the_first_on() -> None:
    source = source_of({}, sample("hookdeck/attempts"))
    attempts = await source.vendor.read_attempts(CASE.place, Operation(5))
    assert attempts == [
        Attempt(
            number=1,
            at=timestamps.parse("2026-03-04T09:10:11.200Z"),
            status=WebhookLogStatus.FAILED,
            status_code=503,
            duration_ms=90,
            error="The receiver answered 503 Service Unavailable.",
            response_body="try later",
        ),
        Attempt(
            number=2,
            at=timestamps.parse("2026-03-04T09:11:11Z"),
            status=WebhookLogStatus.FAILED,
            status_code=500,
            duration_ms=612,
            error="The receiver answered 500 Internal Server Error.",
            response_body='{"error":"full","access_token":"***"}',
        ),
        Attempt(
            number=3,
            at=timestamps.parse("2026-03-04T09:12:40.015Z"),
            status=WebhookLogStatus.FAILED,
            status_code=None,
            duration_ms=285,
            error="SSL_CERT_EXPIRED",
            response_body=None,
        ),
    ]


async def test_connections() -> None:
    (hook,) = await hooks_of("hookdeck", sample("hookdeck/connections"))
    assert (hook.upstream_id, hook.name) == ("web_Ue3NBqvX7Kd2", "storefront -> orders-to-erp")
    assert (hook.url, hook.enabled) == ("https://erp.example.test/in?api_key=***", True)
    assert hook.id == (await log_of("hookdeck", sample("hookdeck/events"))).hook_id
    document = sample("hookdeck/connections")
    document["models"][0]["disabled_at"] = "2026-03-01T00:00:00.000Z"
    (hook,) = await hooks_of("hookdeck", document)
    assert hook.enabled is False
