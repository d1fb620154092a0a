"""The documents that the vendors' pages show come out with the values that the pages give."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.model import FailureCategory, Header, Hook, WebhookLog, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.upstream.operation import Operation
from gateway.vendors.codearts.parsing import CodeArtsDetails
from gateway.vendors.elastic_path.parsing import ElasticPathDetails
from gateway.vendors.language_weaver.parsing import LanguageWeaverDetails
from gateway.vendors.pages import Page, Stream, Wanted, Window
from gateway.vendors.yandex_tracker.parsing import YandexTrackerDetails
from tests.vendors.vendors import (
    INTEGRATION,
    JOB,
    PROJECT,
    Vendor,
    always,
    answer,
    make,
    sample,
    token,
)

HOOK = ("projects", PROJECT, "990412")
STREAMS = {
    "codearts": Stream(key="-", place=HOOK),
    "yandex-tracker": Stream(key="-", place=("DEV", "41"), windowed=True),
    "language-weaver": Stream(key="audit"),
    "elastic-path": Stream(key="store"),
}
TELEGRAM = "https://api.telegram.org/bot123*******:"


async def page_of(provider: str, document: Any, **headers: Any) -> Page:
    source = make(provider, always(document, **headers))
    return await source.vendor.read_page(
        STREAMS[provider], Window(limit=25), Wanted(), Operation(5)
    )


async def log_of(provider: str, document: Any) -> WebhookLog:
    page = await page_of(provider, document)
    assert not page.unreadable
    return page.logs[0]


async def hooks_of(provider: str, document: Any) -> list[Hook]:
    return list(await make(provider, always(document)).hooks(Operation(5)))


async def codearts_log(document: Any) -> WebhookLog:
    source = make("codearts", always(document))
    log = await source.read_log((*HOOK, str(document["id"])), Operation(5))
    assert log is not None
    return log


async def test_codearts_page_of_one_log() -> None:
    """ShowProjectWebhookLog."""
    log = await codearts_log(sample("codearts/seed-log"))
    assert log.upstream_id == "664135687"
    assert log.event == "push_hooks"
    assert (log.status, log.failure) == (WebhookLogStatus.SUCCEEDED, None)
    assert log.duration_ms == 10
    assert log.triggered_at == timestamps.parse("2025-05-23T06:54:37.780Z")
    assert log.last_attempted_at == log.triggered_at
    assert log.correlation_id == "161f36e5-fe6c-428d-9c17-1ce833f810e6"
    assert log.request is not None
    assert log.request.url == "http://demo.com"
    assert log.request.method is None
    assert log.request.headers == (Header("Content-Type", "application/json", redacted=False),)
    assert log.request.body == '{"object_kind":"push"}'
    assert log.response is not None
    assert log.response.status_code == 200
    assert log.response.headers == (Header("Content-Length", "0", redacted=False),)
    assert log.response.body == '{"result": "success"}'
    assert log.response.body_json == {"result": "success"}
    assert log.details == CodeArtsDetails(
        scope="project", scope_id=PROJECT, uuid="161f36e5-fe6c-428d-9c17-1ce833f810e6"
    )
    assert log.raw == sample("codearts/seed-log")
    assert log.attempt is None
    assert log.warnings == ()
    assert log.complete


async def test_codearts_list() -> None:
    page = await page_of("codearts", sample("codearts/logs"), X_Total="137")
    assert (page.total, page.read, page.more, page.offset) == (137, 2, True, 0)
    refused, unanswered = page.logs
    assert not refused.complete
    assert refused.failure is not None
    assert refused.failure.category is FailureCategory.HTTP_SERVER_ERROR
    assert refused.duration_ms == 1274
    assert refused.triggered_at == timestamps.parse("2026-03-04T09:10:11.120Z")
    assert refused.last_attempted_at == timestamps.parse("2026-03-04T09:10:12.399Z")
    assert refused.correlation_id == "7f0c2c4e-31f6-4a0a-9a77-5f2d2b1f9b10_17"
    assert isinstance(refused.details, CodeArtsDetails)
    assert refused.details.repository_id == 2111884
    assert refused.details.repository == "harbour/payments"
    assert unanswered.status is WebhookLogStatus.FAILED
    assert unanswered.failure is not None
    assert unanswered.failure.category is FailureCategory.NO_RESPONSE
    assert unanswered.response is None
    assert unanswered.duration_ms == 10_003
    assert unanswered.triggered_at == timestamps.parse("2026-03-04T08:58:40.002Z")


async def test_codearts_detail_has_the_id_of_the_list_row() -> None:
    listed = (await page_of("codearts", sample("codearts/logs"))).logs[0]
    log = await codearts_log(sample("codearts/log"))
    assert (log.id, log.hook_id) == (listed.id, listed.hook_id)
    assert log.request is not None
    assert log.response is not None
    assert log.request.headers == (
        Header("Content-Type", "application/json", redacted=False),
        Header("X-Repo-Token", "******", redacted=True),
    )
    assert log.request.body_json == {"object_kind": "merge_request", "user": {"email": "******"}}
    assert log.response.headers is not None
    assert log.response.headers[1] == Header("Content-Length", "157", redacted=False)
    assert log.response.body == "<html>bad gateway</html>"
    assert log.response.body_json is None


async def test_codearts_hooks() -> None:
    (hook,) = await hooks_of("codearts", sample("codearts/hooks"))
    assert (hook.upstream_id, hook.name) == ("990412", "ci")
    assert hook.url == "https://ci.harbour.example/hook"
    assert hook.events == ("push_hooks", "merge_request_hooks")
    assert hook.enabled is None
    assert hook.created_at == timestamps.parse("2025-11-02T01:00:00Z")


async def test_tracker_page_of_logs() -> None:
    """The revision in Russian, whose example is masked; 123*** stands there without quotes."""
    document = sample("yandex-tracker/seed-logs")
    log = await log_of("yandex-tracker", document)
    assert log.upstream_id == "67bdd20b604a9c**********"
    assert (log.status, log.failure) == (WebhookLogStatus.SUCCEEDED, None)
    assert log.triggered_at == timestamps.parse("2025-02-25T14:22:03.596Z")
    assert log.last_attempted_at == timestamps.parse("2025-02-25T14:22:03.831Z")
    assert log.duration_ms == 235
    assert log.correlation_id == "66f682f13f442b**********"
    assert (log.event, log.attempt) == (None, None)
    assert log.request is not None
    assert log.request.method == "POST"
    assert log.request.url is not None
    assert log.request.url.startswith(TELEGRAM)
    assert log.request.url.endswith("/sendMessage")
    assert "AAHCATQsN" not in log.request.url
    assert log.request.headers is not None
    assert [header.name for header in log.request.headers] == [
        "X-Startrek-Transport",
        "Content-Type",
    ]
    assert log.request.body == document[0]["request"]["body"]
    assert log.request.body_json == {
        "chat_id": "-4116*****",
        "parse_mode": "markdown",
        "text": "Привет!",
    }
    assert log.response is not None
    assert (log.response.status_code, log.response.body) == (200, None)
    assert log.response.headers is not None
    assert len(log.response.headers) == 10
    assert {(header.value, header.redacted) for header in log.response.headers} == {("XXX", True)}
    assert log.details == YandexTrackerDetails(
        queue="DEV",
        trigger_id="123***",
        action_id="1",
        issue_id="66f682f13f442b**********",
        auth_type="noauth",
    )
    assert log.raw["response"] == document[0]["response"]
    assert log.warnings == ()


async def test_tracker_numbers_may_be_texts_and_the_response_absent() -> None:
    page = await page_of("yandex-tracker", sample("yandex-tracker/logs"))
    refused, unanswered = page.logs
    assert refused.duration_ms == 362
    assert refused.failure is not None
    assert refused.failure.category is FailureCategory.HTTP_SERVER_ERROR
    assert refused.request is not None
    assert refused.request.url == "https://desk.harbour.example/incoming?token=***"
    assert refused.details == YandexTrackerDetails(
        queue="DEV",
        trigger_id="41",
        action_id="2",
        issue_id="67c6c1f2a1b2c3d4e5f60718",
        auth_type="basic",
    )
    assert unanswered.response is None
    assert unanswered.status is WebhookLogStatus.FAILED
    assert unanswered.failure is not None
    assert unanswered.failure.category is FailureCategory.NO_RESPONSE
    assert unanswered.request is not None
    assert unanswered.request.headers == ()


async def test_tracker_hooks_are_the_triggers_with_a_webhook() -> None:
    (hook,) = await hooks_of("yandex-tracker", sample("yandex-tracker/triggers"))
    assert (hook.upstream_id, hook.name, hook.enabled) == ("41", "Tell the desk", True)
    assert hook.url == "https://desk.harbour.example/incoming?token=***"


async def test_language_weaver_page_of_entries() -> None:
    page = await page_of("language-weaver", sample("language-weaver/seed-entries"))
    # That a page is short, and the total reached, is judged by who reads the list.
    assert (page.total, page.more, page.offset) == (1, True, 0)
    (log,) = page.logs
    assert log.upstream_id == "1"
    assert log.event == "translation.created"
    assert (log.status, log.failure) == (WebhookLogStatus.SUCCEEDED, None)
    assert log.triggered_at == 1_529_607_811_799_810_031
    assert log.last_attempted_at == log.triggered_at
    assert log.attempt == 1
    assert (log.duration_ms, log.correlation_id, log.response) == (None, None, None)
    assert log.request is not None
    assert log.request.url == "https://my-webhook-server:8443"
    assert log.request.body_json == {"translationId": "acaa78f3-d739-4002-b1f6-b5027244f6e9"}
    assert log.details == LanguageWeaverDetails(
        webhook_uuid="febdcc87-3454-467c-82b3-cfee4c4524c0", retry_attempts=0
    )
    assert log.raw == sample("language-weaver/seed-entries")["entries"][0]
    assert log.warnings == ()


async def test_language_weaver_data_may_be_a_text() -> None:
    page = await page_of("language-weaver", sample("language-weaver/entries"))
    assert (page.total, page.more) == (81, True)
    (log,) = page.logs
    assert log.failure is not None
    assert log.failure.category is FailureCategory.CONNECTION
    assert log.failure.message == "dial tcp 10.0.0.9:8443: connect: connection refused"
    assert log.attempt == 3
    assert log.last_attempted_at == timestamps.parse("2026-03-04T09:14:55.500Z")
    assert log.request is not None
    assert log.request.body_json == {"translationId": "b0b7b0a2-2a44-4a0e-9a55-0f5d4f6f1b77"}


async def test_language_weaver_hooks() -> None:
    (hook,) = await hooks_of("language-weaver", sample("language-weaver/webhooks"))
    assert hook.upstream_id == "4f5b0c0e-95a9-4b28-9d3e-0a7d5fb8c1aa"
    assert hook.name == "status feed"
    assert hook.url == "https://cb.harbour.example:8443/lw"
    assert hook.events == ("translation.created", "translation.statusChanged")
    log = await log_of("language-weaver", sample("language-weaver/entries"))
    assert log.hook_id == hook.id


async def test_elastic_path_page_of_logs() -> None:
    """The example of the specification calls a 404 a success; the vendor's word stands."""
    log = await log_of("elastic-path", sample("elastic-path/seed-logs"))
    assert log.upstream_id == "ac8bb58e-2b9b-4ccf-9dd2-ecdf50417849"
    assert (log.status, log.failure) == (WebhookLogStatus.SUCCEEDED, None)
    assert log.warnings == ("The vendor says it succeeded, but the receiver answered 404.",)
    assert log.attempt == 1
    assert log.response is not None
    assert (log.response.status_code, log.response.body) == (404, "Not Found")
    assert log.response.headers is None
    assert log.correlation_id == "ff8634a8-a89e-4eac-baab-9b7b8c4f8720"
    assert log.details == ElasticPathDetails(
        integration_id="ff8634a8-a89e-4eac-baab-9b7b8c4f8720",
        job_id="ff8634a8-a89e-4eac-baab-9b7b8c4f8720",
    )
    assert (log.triggered_at, log.last_attempted_at, log.duration_ms) == (None, None, None)
    assert (log.event, log.request) == (None, None)
    assert log.raw == sample("elastic-path/seed-logs")["data"][0]


async def test_elastic_path_log_gets_event_and_address_from_its_integration() -> None:
    def vendor(request: httpx.Request) -> httpx.Response:
        name = "logs" if request.url.path.endswith("/logs") else "integrations"
        return token(request) or answer(sample(f"elastic-path/{name}"))

    source = make("elastic-path", Vendor(vendor))
    page = await source.vendor.read_page(
        STREAMS["elastic-path"], Window(limit=25), Wanted(), Operation(5)
    )
    assert (page.total, page.more) == (61, True)
    (log,) = page.logs
    assert log.event == "order.paid"
    assert log.request is not None
    assert log.request.url == "https://erp.harbour.example/hook"
    assert log.failure is not None
    assert log.failure.category is FailureCategory.HTTP_SERVER_ERROR
    assert log.failure.message == "Received a status code outside of 2xx range"
    assert log.duration_ms == pytest.approx(812.1)
    assert log.attempt == 2
    assert log.triggered_at == 1_772_615_411_120_431_007
    assert log.details == ElasticPathDetails(integration_id=INTEGRATION, job_id=JOB)
    (hook,) = await source.hooks(Operation(5))
    assert (log.hook_id, hook.name, hook.enabled) == (hook.id, "Orders to ERP", True)
    assert hook.created_at == timestamps.parse("2025-01-02T03:04:05Z")
    assert "pW4nR8sT2v" not in repr(hook)
