"""The documents on GitHub's pages are parsed to the values stated there, and classified."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from gateway.model import FailureCategory as Category
from gateway.model import Header, WebhookLog, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.upstream.operation import Operation
from gateway.vendors.github.parsing import GitHubDetails
from tests.vendors.case import sample
from tests.vendors.github.case import CASE
from tests.vendors.samples import hooks_of, log_of, page_of
from tests.vendors.vendors import always, make

SUCCEEDED, FAILED, UNKNOWN = (WebhookLogStatus[name] for name in ("SUCCEEDED", "FAILED", "UNKNOWN"))


async def delivery(document: Any) -> WebhookLog:
    """Read one delivery with the detail call."""
    source = make("github", always(document))
    log = await source.read_log((*CASE.stream.place, str(document["id"])), Operation(5))
    assert log is not None
    return log


async def test_documented_deliveries() -> None:
    page = await page_of("github", sample("github/documented-deliveries"))
    assert (page.read, page.more, page.offset, page.total) == (2, False, None, None)
    first, second = page.logs
    assert (first.upstream_id, second.upstream_id) == ("12345678", "123456789")
    assert first.correlation_id == second.correlation_id == "0b989ba4-242f-11e5-81e1-c7b6966d2516"
    assert (first.is_redelivery, second.is_redelivery) == (False, True)
    assert first.triggered_at == timestamps.parse("2019-06-03T00:57:16Z")
    assert first.last_attempted_at == first.triggered_at
    assert (first.status, first.failure) == (SUCCEEDED, None)
    assert (first.duration_ms, second.duration_ms) == (270, 280)
    assert first.event == "issues"
    assert first.response is not None
    assert first.response.status_code == 200
    assert (first.request, first.attempt, first.complete) == (None, None, False)
    assert first.details == GitHubDetails(
        guid="0b989ba4-242f-11e5-81e1-c7b6966d2516",
        action="opened",
        status_text="OK",
        installation_id="123",
        event_repository_id="456",
        throttled_at="2019-06-03T00:57:16Z",
    )
    assert first.warnings == ()


async def test_documented_delivery() -> None:
    log = await delivery(sample("github/documented-delivery"))
    assert log.complete
    assert log.request is not None
    assert log.response is not None
    assert log.request.url == "https://www.example.com"
    assert log.request.body_json == {
        "action": "opened",
        "issue": {"body": "foo"},
        "repository": {"id": 123},
    }
    assert log.request.headers is not None
    assert Header("X-GitHub-Hook-ID", "42", redacted=False) in log.request.headers
    assert log.response.headers == (
        Header("Content-Type", "text/html;charset=utf-8", redacted=False),
    )
    assert log.response.body == "ok"


async def test_secrets_of_a_delivery_are_masked() -> None:
    """Signatures too: with one, a secret that is short can be found by trying."""
    log = await delivery(sample("github/delivery"))
    assert "s3cr3t" not in repr(log)
    assert "6dcb09b5" not in repr(log)
    assert log.request is not None
    assert log.request.headers is not None
    assert {header.name: header.redacted for header in log.request.headers} == {
        "X-GitHub-Event": False,
        "X-GitHub-Delivery": False,
        "X-Hub-Signature-256": True,
        "Authorization": True,
    }


async def test_detail_has_the_id_of_the_list_row() -> None:
    listed = (await page_of("github", sample("github/deliveries"))).logs[0]
    log = await delivery(sample("github/delivery"))
    assert (log.id, log.hook_id, log.details) == (listed.id, listed.hook_id, listed.details)


async def test_ids_of_64_bits_are_kept() -> None:
    _, log = (await page_of("github", sample("github/deliveries"))).logs
    assert isinstance(log.details, GitHubDetails)
    assert log.details.installation_id == "9007199254740993"


OUTCOMES: list[tuple[str | None, int | None, WebhookLogStatus, int | None, Category | None]] = [
    ("OK", 200, SUCCEEDED, 200, None),
    ("OK", 204, SUCCEEDED, 204, None),
    ("Accepted", 202, SUCCEEDED, 202, None),
    (None, 200, SUCCEEDED, 200, None),
    ("Invalid HTTP Response: 503", 503, FAILED, 503, Category.HTTP_SERVER_ERROR),
    ("Invalid HTTP Response: 502", 502, FAILED, 502, Category.HTTP_SERVER_ERROR),
    ("Invalid HTTP Response: 404", 404, FAILED, 404, Category.HTTP_CLIENT_ERROR),
    # A success to GitHub, which does not follow it.
    ("Invalid HTTP Response: 302", 302, FAILED, 302, Category.REDIRECT),
    ("Found", 302, FAILED, 302, Category.REDIRECT),
    ("OK", 304, FAILED, 304, Category.REDIRECT),
    (None, 500, FAILED, 500, Category.HTTP_SERVER_ERROR),
    ("OK", 500, FAILED, 500, Category.HTTP_SERVER_ERROR),
    # The code is GitHub's own: the receiver has given none.
    ("failed to connect", 502, FAILED, None, Category.CONNECTION),
    ("Failed to connect to host", 502, FAILED, None, Category.CONNECTION),
    ("timed out", 504, FAILED, None, Category.TIMEOUT),
    ("failed to connect", 0, FAILED, None, Category.CONNECTION),
    ("couldn't resolve host name", 0, FAILED, None, Category.DNS),
    ("peer certificate cannot be authenticated", 0, FAILED, None, Category.TLS),
    ("timed out", None, FAILED, None, Category.TIMEOUT),
    ("failed to connect", 200, FAILED, None, Category.CONNECTION),
    # Nothing is made up.
    (None, None, UNKNOWN, None, None),
    ("", 0, UNKNOWN, None, None),
    ("OK", None, UNKNOWN, None, None),
    ("OK", 0, UNKNOWN, None, None),
    ("pending", 0, UNKNOWN, None, None),
    ("OK", 102, UNKNOWN, 102, None),
]


@pytest.mark.parametrize(("text", "code", "status", "shown", "category"), OUTCOMES)
async def test_words_decide_before_the_code(
    text: str | None,
    code: int | None,
    status: WebhookLogStatus,
    shown: int | None,
    category: Category | None,
) -> None:
    row = sample("github/deliveries")[0] | {"status": text, "status_code": code}
    log = await log_of("github", [row])
    assert log.status is status
    assert (log.response and log.response.status_code) == shown
    assert (log.failure and log.failure.category) == category
    assert bool(log.warnings) == (text == "pending")


async def test_success_has_a_code_that_is_listed_as_one() -> None:
    """The kit relies on it where it asks for successes, which GitHub lists by 200 to 399."""
    codes = [*range(600), 999, -1, None, True, 200.5]
    rows = [
        sample("github/deliveries")[0] | {"id": number, "status": text, "status_code": code}
        for number, (code, text) in enumerate(
            itertools.product(codes, ("OK", None, "odd", "timed out")), start=1
        )
    ]
    page = await page_of("github", rows)
    succeeded = {
        rows[int(log.upstream_id) - 1]["status_code"]
        for log in page.logs
        if log.status is SUCCEEDED
    }
    assert succeeded == set(range(200, 300))


async def test_failed_delivery_without_an_answer_has_no_response() -> None:
    document = sample("github/delivery") | {
        "status": "failed to connect",
        "status_code": 502,
        "response": {"headers": {}, "payload": None},
    }
    log = await delivery(document)
    assert log.response is not None
    assert (log.response.status_code, log.response.body) == (None, None)
    document["response"] = {"headers": None, "payload": None}
    assert (await delivery(document)).response is None


async def test_hook() -> None:
    (hook,) = await hooks_of("github", sample("github/hooks"))
    assert (hook.upstream_id, hook.name) == ("12345678", "acme/shop")
    assert hook.url == "https://example.com/webhook"
    assert hook.events == ("push", "pull_request")
    assert hook.enabled is True
    assert hook.created_at == timestamps.parse("2019-06-03T00:57:16Z")
    assert hook.note == "Last response: 502 failed to connect."


@pytest.mark.parametrize(
    "last", [None, {"code": None, "status": "unused", "message": None}, {}, "odd"]
)
async def test_hook_without_a_response_has_no_note(last: Any) -> None:
    rows = [sample("github/hooks")[0] | {"last_response": last}]
    assert [hook.note for hook in await hooks_of("github", rows)] == [None]
