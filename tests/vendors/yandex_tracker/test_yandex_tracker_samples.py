"""The documents on the vendor's pages are parsed to the values stated there."""

from __future__ import annotations

from gateway.model import FailureCategory, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.vendors.yandex_tracker.parsing import YandexTrackerDetails
from tests.vendors.case import sample
from tests.vendors.samples import hooks_of, log_of, page_of

TELEGRAM = "https://api.telegram.org/bot123*******:"


async def test_tracker_page_of_logs() -> None:
    """The Russian revision has a masked example, with 123*** without quotes."""
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
