"""The documents on the vendor's pages are parsed to the values stated there."""

from __future__ import annotations

from gateway.model import FailureCategory, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.vendors.language_weaver.parsing import LanguageWeaverDetails
from tests.vendors.case import sample
from tests.vendors.samples import hooks_of, log_of, page_of


async def test_language_weaver_page_of_entries() -> None:
    page = await page_of("language-weaver", sample("language-weaver/seed-entries"))
    # The reader of the list decides whether a short page is the last one.
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


async def test_data_may_be_text() -> None:
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
