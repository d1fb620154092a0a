"""Odd vendor documents that are accepted."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import ids
from gateway.errors import ErrorCode, UpstreamError
from gateway.model import WebhookLogStatus
from gateway.normalise import timestamps
from gateway.upstream.operation import Operation
from gateway.vendors.calls import result_or_error
from gateway.vendors.pages import Criteria, Page, Window
from tests.vendors.cases import CASES
from tests.vendors.documents import ENVELOPES, PLACES, ROWS, STREAMS, changed, read
from tests.vendors.vendors import PROVIDERS, always, make


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_fields_may_be_absent_or_null_or_more(provider: str) -> None:
    case = CASES[provider]
    id = case.rows[0][case.log_id]
    least = case.identified(id)
    absent, null, more = (
        await read(provider, [least]),
        await read(provider, [dict.fromkeys(ROWS[provider][0]) | least]),
        await read(provider, [changed(provider, brand_new={"x": [1]})]),
    )
    for page in (absent, null, more):
        assert not page.unreadable
        assert page.logs[0].upstream_id == str(id)
    assert absent.logs[0].warnings == null.logs[0].warnings == ()
    expected = CASES[provider].status_without_outcome
    assert absent.logs[0].status is null.logs[0].status is expected
    assert absent.logs[0].triggered_at is None


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_id_may_be_text_or_any_integer(provider: str) -> None:
    rows = [CASES[provider].identified(id) for id in (12, "12", 12.0)]
    page = await read(provider, rows)
    assert [log.id for log in page.logs] == [page.logs[0].id] * 3


MOMENTS = [
    ("2026-03-04T17:10:11.120+08:00", "2026-03-04T09:10:11.120Z"),
    ("2026-03-04T09:10:11.120+0000", "2026-03-04T09:10:11.120Z"),
    ("2026-03-04 09:10:11.120431007Z", "2026-03-04T09:10:11.120431007Z"),
    ("2026-03-04 09:10:11.5Z", "2026-03-04T09:10:11.500Z"),
    ("2026-03-04T09:10:11Z", "2026-03-04T09:10:11Z"),
    ("2026-03-04T09:10:11", "2026-03-04T09:10:11Z"),
    ("2026-11-28 19:07:35 +0200 CEST m=+0.1", "2026-11-28T17:07:35Z"),
    (1795885655123, "2026-11-28T17:07:35.123Z"),
    ("Sat, 28 Nov 2026 17:07:35 GMT", "2026-11-28T17:07:35Z"),
    ("0001-01-01T00:00:00Z", None),
    (0, None),
    ("", None),
    (None, None),
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("text", "moment"), MOMENTS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_form_of_time_is_read(provider: str, text: Any, moment: str | None) -> None:
    row = timed(provider, text)
    (log,) = (await read(provider, [row])).logs
    assert log.triggered_at == (None if moment is None else timestamps.parse(moment))


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "value",
    ["yesterday", "2026-11-28 19:07:35 CST", "2026-11-28", 12345, -1, 1e300, True, [], {"a": 1}],
)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_log_with_an_unreadable_time_keeps_its_position_in_the_list(
    provider: str, value: Any
) -> None:
    """Otherwise callers would miss a delivery because of one malformed field."""
    before, after = (changed(provider, id=id) for id in (2, 1))
    page = await read(
        provider, [before, changed(provider, id=7, **CASES[provider].timed(value)), after]
    )
    assert not page.unreadable
    assert [log.upstream_id for log in page.logs] == ["2", "7", "1"]
    odd = page.logs[1]
    assert odd.triggered_at is None
    assert any("is not a time" in warning for warning in odd.warnings)
    assert page.logs[0].warnings == page.logs[2].warnings == ()


def timed(provider: str, text: Any) -> dict[str, Any]:
    return changed(provider, **CASES[provider].timed(text))


async def test_elastic_path_time_may_be_nested_once_more() -> None:
    row = changed(
        "elastic-path", meta={"timestamps": {"timestamps": {"created_at": MOMENTS[0][0]}}}
    )
    (log,) = (await read("elastic-path", [row])).logs
    assert log.triggered_at == timestamps.parse("2026-03-04T09:10:11.120Z")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_only_rows_without_an_id_are_unreadable(provider: str) -> None:
    rows = [
        {},
        changed(provider, id=None),
        changed(provider, id={"value": 1}),
        changed(provider, id=True),
        changed(provider, id="x" * 101),
        "no row",
        changed(provider, id=10**101),
        changed(provider, id=1.5),
        changed(provider, id=[17]),
        changed(provider, id=""),
        changed(provider, id="a\nb"),
        changed(provider),
    ]
    page = await read(provider, rows)
    assert page.read == len(rows)
    assert len(page.logs) == 1
    reasons = list(page.unreadable)
    assert reasons.pop(5) == "it is not an object"
    id = CASES[provider].log_id
    assert set(reasons) <= {f"{id} is missing or is no id", f"{id} is not a whole number"}


STATUSES: list[tuple[str, dict[str, Any], WebhookLogStatus, int | None, bool]] = [
    ("codearts", {"response_status": 200}, WebhookLogStatus.SUCCEEDED, 200, False),
    ("codearts", {"response_status": "Internal Error"}, WebhookLogStatus.FAILED, None, False),
    ("codearts", {"response_status": "302"}, WebhookLogStatus.FAILED, 302, False),
    ("codearts", {"response_status": "queued"}, WebhookLogStatus.UNKNOWN, None, True),
    ("codearts", {"response_status": "٢٠٠"}, WebhookLogStatus.UNKNOWN, None, True),
    ("codearts", {"response_status": "000"}, WebhookLogStatus.UNKNOWN, None, True),
    ("codearts", {"response_status": ["200"]}, WebhookLogStatus.UNKNOWN, None, True),
    ("yandex-tracker", {"response": {"statusCode": "201"}}, WebhookLogStatus.SUCCEEDED, 201, False),
    ("yandex-tracker", {"response": {"headers": {}}}, WebhookLogStatus.UNKNOWN, None, False),
    ("yandex-tracker", {"response": None}, WebhookLogStatus.FAILED, None, False),
    ("yandex-tracker", {"response": {"statusCode": 70000}}, WebhookLogStatus.UNKNOWN, None, True),
    ("language-weaver", {"errorMessage": ["refused"]}, WebhookLogStatus.UNKNOWN, None, True),
    ("language-weaver", {"errorMessage": ""}, WebhookLogStatus.SUCCEEDED, None, False),
    ("elastic-path", {"succeeded": "perhaps"}, WebhookLogStatus.UNKNOWN, 503, True),
    ("elastic-path", {"succeeded": True}, WebhookLogStatus.SUCCEEDED, 503, True),
    ("elastic-path", {"status_code": 200}, WebhookLogStatus.FAILED, 200, True),
    ("elastic-path", {"status_code": 0}, WebhookLogStatus.FAILED, None, False),
    ("elastic-path", {"status_code": None}, WebhookLogStatus.FAILED, None, False),
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("provider", "members", "status", "code", "warns"), STATUSES)
async def test_outcomes(
    provider: str,
    members: dict[str, Any],
    status: WebhookLogStatus,
    code: int | None,
    *,
    warns: bool,
) -> None:
    (log,) = (await read(provider, [changed(provider, **members)])).logs
    assert log.status is status
    assert (log.failure is not None) == (status is WebhookLogStatus.FAILED)
    assert (log.response and log.response.status_code) == code
    assert bool(log.warnings) == warns


async def test_body_is_read_from_any_type() -> None:
    for body, text in (
        ('{"a":1}', '{"a":1}'),
        ({"a": 1}, '{"a":1}'),
        ([1, None], "[1,null]"),
        (10**30, str(10**30)),
        (False, "false"),
        ("", ""),
        (None, None),
    ):
        (log,) = (await read("codearts", [changed("codearts", response_body=body)])).logs
        assert log.response is not None
        assert log.response.body == text


async def test_headers_are_redacted_by_name_wherever_they_are_shown() -> None:
    """This includes the raw document, where they are ordinary members of an object."""
    given_headers = {"X-Functions-Key": "aB3", "X-Auth": "cD4", "Count": 2, "Cookie": ["eF5"]}
    shown = [("X-Functions-Key", "***"), ("X-Auth", "***"), ("Count", "2"), ("Cookie", "***")]
    for provider, row in (
        ("codearts", changed("codearts", request_headers=given_headers)),
        ("yandex-tracker", changed("yandex-tracker", request={"headers": given_headers})),
    ):
        (log,) = (await read(provider, [row])).logs
        assert log.request is not None
        assert log.request.headers is not None
        assert [(header.name, header.value) for header in log.request.headers] == shown
        raw = (
            log.raw["request_headers"] if provider == "codearts" else log.raw["request"]["headers"]
        )
        assert raw == dict(shown) | {"Count": 2}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_empty_list_may_be_null(provider: str) -> None:
    if provider in ENVELOPES:
        assert (await read(provider, None)).logs == []
    assert (await read(provider, [])).logs == []


@pytest.mark.sampled(5)
@pytest.mark.parametrize("document", [1, "text", [1], {}, {"result": "none"}, True])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_document_of_another_shape_is_refused(provider: str, document: Any) -> None:
    source = make(provider, always(document))

    async def read_page(operation: Operation) -> Page:
        return await source.vendor.read_page(
            STREAMS[provider], Window(limit=5), Criteria(), operation
        )

    for work in (source.hooks, read_page) if CASES[provider].hooks else (read_page,):
        result = await result_or_error(work, Operation(5))
        if isinstance(result, UpstreamError):
            assert result.code is ErrorCode.UPSTREAM_INVALID_RESPONSE
            assert str(result).startswith("Source it answered with a document that is not")
        else:
            # A list whose items are not rows.
            assert document == [1]
            assert not isinstance(result, Page) or result.unreadable == ["it is not an object"]


@pytest.mark.parametrize("related", [{}, {"job": {"data": {"id": "j-1"}}}])
async def test_elastic_path_log_without_an_integration_is_found_again(related: Any) -> None:
    """The documentation excludes such a log; only the store's list can contain it."""
    row = changed("elastic-path", relationships=related)
    source = make("elastic-path", always({"data": [row]}))
    page = await source.vendor.read_page(
        STREAMS["elastic-path"], Window(limit=5), Criteria(), Operation(5)
    )
    (log,) = page.logs
    assert log.hook_id is None
    assert await source.read_log(ids.decode(log.id).place, Operation(5)) == log


@pytest.mark.parametrize("provider", ["codearts", "yandex-tracker", "elastic-path"])
async def test_log_unknown_to_the_vendor_is_none(provider: str) -> None:
    assert await make(provider, always({}, 404)).read_log(PLACES[provider], Operation(5)) is None
    with pytest.raises(UpstreamError):
        await make(provider, always({}, 403)).read_log(PLACES[provider], Operation(5))
