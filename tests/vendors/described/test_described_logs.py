"""Fields, results and attempts of described vendors, and their actions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.model import FailureCategory, WebhookLog, WebhookLogStatus
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Window
from gateway.vendors.retried import Retried, RetryKind
from tests.vendors.described.acme import answer, source_of, written
from tests.vendors.vendors import Vendor

ROW = {"id": "e1", "state": "done", "at": "2026-03-04T09:00:00Z"}


async def page_of(file: Path, rows: list[Any]) -> Page:
    source = source_of(file, Vendor(lambda _: answer({"events": rows})))
    (stream,) = (await source.find_streams(Operation(5))).streams
    return await source.vendor.read_page(stream, Window(limit=50), Criteria(), Operation(5))


async def log_of(folder: Path, fields: str = "", tables: str = "", **members: Any) -> WebhookLog:
    """Return the log of a row, with further fields in the description."""
    file = written(
        folder, tables, replace={'triggered_at = "at"': f'triggered_at = "at"\n{fields}'}
    )
    page = await page_of(file, [ROW | members])
    assert not page.unreadable
    return page.logs[0]


async def test_fields_are_read_by_paths_with_fallbacks(tmp_path: Path) -> None:
    fields = """
    event = ["data.kind", "kind"]
    correlation_id = "refs[?type == 'message'].id | [0]"
    attempt = { path = "tries", plus = 1 }
    duration = { path = "took", unit = "us" }
    url = "to.url"
    request_body = "body"
    response_status = "answer"
    is_redelivery = "again"
    redelivery_of = "first"
    """
    members: dict[str, Any] = {
        "kind": "anvil.dropped",
        "data": {"kind": None},
        "refs": [{"type": "a", "id": "x"}, {"type": "message", "id": "m-1"}],
        "tries": 0,
        "took": 1500,
        "to": {"url": "https://ann:secret@coyote.example/"},
        "body": {"password": "p4ssw0rd", "n": 1},
        "answer": "503 Service Unavailable",
        "again": True,
        "first": "e0",
    }
    log = await log_of(tmp_path, fields, **members)
    assert (log.event, log.correlation_id) == ("anvil.dropped", "m-1")
    assert (log.attempt, log.duration_ms, log.is_redelivery) == (1, 1.5, True)
    assert log.redelivery_of is not None
    assert log.redelivery_of != log.id
    assert log.request is not None
    assert log.request.url == "https://***@coyote.example/"
    assert log.request.body == '{"password":"***","n":1}'
    assert log.response is not None
    assert log.response.status_code == 503
    assert log.warnings == ()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Auth": "aB3", "Via": "a"},
        [["X-Auth", "aB3"], ["Via", "a"]],
        [{"name": "X-Auth", "value": "aB3"}, {"name": "Via", "value": "a"}],
        "X-Auth: aB3\r\nVia: a",
    ],
)
async def test_headers_are_redacted_wherever_they_stand(headers: Any, tmp_path: Path) -> None:
    fields = 'request_headers = "call.sent.head"'
    log = await log_of(tmp_path, fields, call={"sent": {"head": headers}})
    assert log.request is not None
    assert [(it.name, it.value) for it in log.request.headers or ()] == [
        ("X-Auth", "***"),
        ("Via", "a"),
    ]
    assert "aB3" not in repr(msgspec.to_builtins(log))


async def test_named_secrets_are_masked_at_any_depth(tmp_path: Path) -> None:
    tables = '[log.values]\nanvil = { path = "anvil", about = "It fell." }'
    file = written(
        tmp_path,
        tables,
        replace={'title = "Acme Hooks"': 'title = "A"\nsecrets = ["anvil", "Dsn"]'},
    )
    members = {"anvil": "heavy", "deep": [{"dsn": {"host": "h", "x": "y"}, "n": 1}]}
    (log,) = (await page_of(file, [ROW | members])).logs
    assert log.raw["anvil"] == "***"
    assert log.raw["deep"] == [{"dsn": "***", "n": 1}]
    assert msgspec.to_builtins(log.details)["values"] == {"anvil": "***"}


async def test_values_and_warnings_of_the_vendor(tmp_path: Path) -> None:
    tables = """
    [log.values.tags]
    path = "tags[].name"
    about = "The tags."
    [log.warnings]
    cut = "The vendor cut the body."
    "size > `10`" = "It is large."
    """
    log = await log_of(tmp_path, "", tables, tags=[{"name": "a"}], cut=True, size=3)
    assert msgspec.to_builtins(log.details)["values"] == {"tags": ["a"]}
    assert log.warnings == ("The vendor cut the body.",)


STATUS = """
[log.status]
path = "state"
missing = "PENDING"
empty = "SUCCEEDED"
values = { done = "SUCCEEDED", true = "SUCCEEDED", 4 = "CANCELLED" }
codes = { "200-299" = "SUCCEEDED", "100-599" = "FAILED" }
"""
STATUSES: list[tuple[Any, str, bool]] = [
    ("done", "SUCCEEDED", False),
    (" Done ", "SUCCEEDED", False),
    (True, "SUCCEEDED", False),
    (4, "CANCELLED", False),
    (4.0, "CANCELLED", False),
    ("204", "SUCCEEDED", False),
    (404, "FAILED", False),
    ("", "SUCCEEDED", False),
    (None, "PENDING", False),
    ("queued", "UNKNOWN", True),
    (False, "UNKNOWN", True),
    ({"a": 1}, "UNKNOWN", True),
    ("x" * 500, "UNKNOWN", True),
]


@pytest.mark.parametrize(("state", "status", "warns"), STATUSES)
async def test_status_is_told_by_the_first_rule_that_fits(
    state: Any, status: str, warns: bool, tmp_path: Path
) -> None:
    old = '[log.status]\npath = "state"\nvalues = { done = "SUCCEEDED", failed = "FAILED" }'
    (log,) = (
        await page_of(written(tmp_path, replace={old: STATUS}), [ROW | {"state": state}])
    ).logs
    assert log.status is WebhookLogStatus[status]
    assert bool(log.warnings) is warns


FAILURE = """
[log.failure]
message = "why"
code = "code"
categories = { TLS = ["*_CERT", "SSL*"], DNS = ["LOOKUP"] }
"""


@pytest.mark.parametrize(
    ("members", "category", "message"),
    [
        ({"code": "BAD_CERT"}, "TLS", "BAD_CERT"),
        ({"code": "LOOKUP", "why": "no host"}, "DNS", "no host"),
        ({"code": "OTHER", "answer": 503}, "HTTP_SERVER_ERROR", None),
        ({"why": "connect timeout"}, "TIMEOUT", "connect timeout"),
        # Some vendors write the status and the reason into one field.
        (
            {"why": "500", "answer": 500},
            "HTTP_SERVER_ERROR",
            "The receiver answered 500 Internal Server Error.",
        ),
        ({}, "NO_RESPONSE", None),
    ],
)
async def test_failure_is_told_by_code_status_and_message(
    members: dict[str, Any], category: str, message: str | None, tmp_path: Path
) -> None:
    fields = 'response_status = "answer"'
    log = await log_of(tmp_path, fields, FAILURE, state="failed", **members)
    assert log.failure is not None
    assert log.failure.category is FailureCategory[category]
    assert message is None or log.failure.message == message


async def test_document_that_tells_no_response_gives_no_reason(tmp_path: Path) -> None:
    """That nothing came back would be made up where lists only leave it out."""
    log = await log_of(tmp_path, state="failed")
    assert log.failure is not None
    assert log.failure.category is FailureCategory.UNKNOWN


DETAIL = '[detail]\npath = "/events/{id}"\nitem = "event"\n'
ATTEMPTS = """
[attempts]
path = "/events/{id}/attempts"
items = "attempts"
completes = true
at = "at"
response_status = "code"
response_body = "body"
status = { path = "code", codes = { "200-299" = "SUCCEEDED" }, otherwise = "FAILED" }
"""
TRIES = [
    {"at": "2026-03-04T09:02:00Z", "code": 502, "body": "late"},
    {"at": "2026-03-04T09:01:00Z", "code": 500, "body": "early"},
]


def with_attempts(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/attempts"):
        return answer({"attempts": TRIES})
    return answer({"event": ROW | {"state": "failed"}})


async def test_attempts_are_counted_and_complete_a_single_log(tmp_path: Path) -> None:
    vendor = Vendor(with_attempts)
    source = source_of(written(tmp_path, DETAIL, ATTEMPTS), vendor)
    attempts = await source.vendor.read_attempts(("e1",), Operation(5))
    assert attempts is not None
    assert [(it.number, it.status_code, it.response_body) for it in attempts] == [
        (1, 500, "early"),
        (2, 502, "late"),
    ]
    log = await source.read_log(("e1",), Operation(5))
    assert log is not None
    assert log.response is not None
    assert (log.response.status_code, log.response.body) == (502, "late")
    assert log.failure is not None
    assert log.failure.category is FailureCategory.HTTP_SERVER_ERROR
    assert await source.vendor.read_attempts(("../x",), Operation(5)) is None


async def test_attempts_are_not_counted_if_some_may_be_missing(tmp_path: Path) -> None:
    most = ATTEMPTS.replace("completes = true", "most = 2\nnewest_first = false")
    source = source_of(written(tmp_path, DETAIL, most), Vendor(with_attempts))
    attempts = await source.vendor.read_attempts(("e1",), Operation(5))
    assert attempts is not None
    assert [it.number for it in attempts] == [None, None]


RETRIES: list[tuple[str, Any, Retried]] = [
    ("", {}, Retried(RetryKind.NEW_LOG)),
    ('new_id = "event.id"', {"event": {"id": "e2"}}, Retried(RetryKind.NEW_LOG, None, ("e2",))),
    ('new_id = "event.id"', {"event": {"id": "../x"}}, Retried(RetryKind.NEW_LOG)),
    ('makes = "SAME_LOG"', None, Retried(RetryKind.SAME_LOG)),
    ('makes = "MANY_LOGS"', {}, Retried(RetryKind.MANY_LOGS)),
    # What the vendor's documentation leaves open, the answer tells.
    (
        'makes = "SAME_LOG"\nlog = "event"',
        {"event": ROW | {"id": "e2"}},
        Retried(RetryKind.NEW_LOG, None, ("e2",)),
    ),
    ('makes = "SAME_LOG"\nlog = "event"', {"event": "odd"}, Retried(RetryKind.SAME_LOG)),
]


@pytest.mark.parametrize(("keys", "document", "expected"), RETRIES)
async def test_retry_tells_what_it_made(
    keys: str, document: Any, expected: Retried, tmp_path: Path
) -> None:
    table = f'[retry]\nmethod = "POST"\npath = "/events/{{id}}/retry"\n{keys}\n'
    body = b"" if document is None else json.dumps(document).encode()
    vendor = Vendor(lambda _: httpx.Response(202, content=body))
    source = source_of(written(tmp_path, DETAIL, table), vendor)
    assert await source.retry(("e1",), Operation(5)) == expected
    assert [(it.method, it.url.path) for it in vendor.requests] == [("POST", "/events/e1/retry")]


KEPT = """
[log.values]
key = { path = "key", about = "The key of the delivery." }

[retry]
method = "POST"
path = "/events/{id}/retry"
keeps = ["key"]
"""


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"event": "v1", "key": "k1"}, {"v1", "k1"}),
        ({"event": "v1"}, {"v1"}),
        ({"key": 7}, {"7"}),
        ({}, set()),
    ],
)
async def test_new_log_is_recognised_by_all_that_a_retry_keeps(
    row: dict[str, Any], expected: set[str], tmp_path: Path
) -> None:
    file = written(tmp_path, KEPT, replace={'id = "id"': 'id = "id"\ncorrelation_id = "event"'})
    source = source_of(file, Vendor(lambda _: answer({})))
    (log,) = (await page_of(file, [ROW | row])).logs
    assert source.vendor.retry_keys(log) == expected


async def test_same_log_is_returned_as_the_answer_has_it(tmp_path: Path) -> None:
    table = '[retry]\nmethod = "PUT"\npath = "/events/{id}"\nmakes = "SAME_LOG"\nlog = "event"\n'
    vendor = Vendor(lambda _: answer({"event": ROW | {"state": "failed"}}))
    source = source_of(written(tmp_path, table), vendor)
    retried = await source.retry(("e1",), Operation(5))
    assert retried.kind is RetryKind.SAME_LOG
    assert retried.log is not None
    assert retried.log.status is WebhookLogStatus.FAILED


async def test_action_sends_body_headers_and_parameters(tmp_path: Path) -> None:
    table = """
    [retry]
    method = "POST"
    path = "/retry"
    params = { force = true }
    headers = { Idempotency-Key = "retry-{id}" }
    body = { event = "{id}", options = { times = 1, to = ["{id}"] } }
    """
    vendor = Vendor(lambda _: answer({}))
    source = source_of(written(tmp_path, table), vendor)
    await source.retry(("e1",), Operation(5))
    (request,) = vendor.requests
    assert str(request.url).endswith("/retry?force=true")
    assert request.headers["Idempotency-Key"] == "retry-e1"
    assert json.loads(request.content) == {"event": "e1", "options": {"times": 1, "to": ["e1"]}}


async def test_deleted_log_is_returned(tmp_path: Path) -> None:
    table = '[delete]\nmethod = "DELETE"\npath = "/events/{id}"\nlog = ""\n'
    vendor = Vendor(lambda _: answer(ROW))
    source = source_of(written(tmp_path, table), vendor)
    log = await source.delete(("e1",), Operation(5))
    assert log is not None
    assert log.upstream_id == "e1"
    assert vendor.requests[0].method == "DELETE"
