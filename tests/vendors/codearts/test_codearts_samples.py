"""The documents on the vendor's pages are parsed to the values stated there."""

from __future__ import annotations

from typing import Any

from gateway.model import FailureCategory, Header, WebhookLog, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.upstream.operation import Operation
from gateway.vendors.codearts.parsing import CodeArtsDetails
from tests.vendors.case import sample
from tests.vendors.codearts.case import CASE, PROJECT
from tests.vendors.samples import hooks_of, page_of
from tests.vendors.vendors import always, make


async def codearts_log(document: Any) -> WebhookLog:
    """Read one log with the detail call."""
    source = make("codearts", always(document))
    log = await source.read_log((*CASE.stream.place, str(document["id"])), Operation(5))
    assert log is not None
    return log


async def test_codearts_page_of_one_log() -> None:
    """The example of ShowProjectWebhookLog."""
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
