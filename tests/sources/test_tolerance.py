"""What a vendor's documents may be without harm, and what happens when they are anything at all."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import ids, timestamps
from gateway.errors import ErrorCode, UpstreamError
from gateway.model import WebhookLog, WebhookLogStatus
from gateway.sources.base import Page, Source, Stream, StreamsChanged, Wanted, Window, outcome
from gateway.upstream.operation import Operation
from tests.sources.vendors import PROJECT, PROVIDERS, Vendor, always, answer, make, sample, token

STREAMS = {
    "codearts": Stream(key="-", place=("projects", PROJECT, "990412")),
    "yandex-tracker": Stream(key="-", place=("DEV", "41")),
    "language-weaver": Stream(key="audit"),
    "elastic-path": Stream(key="store"),
}
ENVELOPES = {"language-weaver": ("entries", "webhooks"), "elastic-path": ("data", "data")}
ROWS = {
    "codearts": [*sample("codearts/logs"), sample("codearts/log")],
    "yandex-tracker": sample("yandex-tracker/logs"),
    "language-weaver": sample("language-weaver/entries")["entries"],
    "elastic-path": sample("elastic-path/logs")["data"],
}
HOOKS = {
    "codearts": sample("codearts/hooks"),
    "yandex-tracker": sample("yandex-tracker/triggers"),
    "language-weaver": sample("language-weaver/webhooks")["webhooks"],
    "elastic-path": sample("elastic-path/integrations")["data"],
}
TIME = {
    "codearts": "created_at",
    "yandex-tracker": "startTime",
    "language-weaver": "timeTriggered",
}


def listing(provider: str, rows: Any, which: int = 0) -> Any:
    """Put rows into the vendor's envelope: of logs, or of hooks."""
    return {ENVELOPES[provider][which]: rows} if provider in ENVELOPES else rows


async def read(provider: str, rows: Any) -> Page:
    source = make(provider, always(listing(provider, rows)))
    return await source.read_page(STREAMS[provider], Window(limit=50), Wanted(), Operation(5))


def changed(provider: str, **members: Any) -> dict[str, Any]:
    row: dict[str, Any] = copy.deepcopy(ROWS[provider][0])
    return row | members


def hook_source(provider: str, rows: Any) -> Source:
    """Make a source whose streams are found by its hooks."""

    def respond(request: httpx.Request) -> httpx.Response:
        if granted := token(request):
            return granted
        if provider == "elastic-path" and request.url.path.endswith("/logs"):
            return answer({}, 404)
        return answer(listing(provider, rows, which=1))

    return make(provider, Vendor(respond))


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_fields_may_be_absent_or_null_or_more(provider: str) -> None:
    id = ROWS[provider][0]["id"]
    absent, null, more = (
        await read(provider, [{"id": id}]),
        await read(provider, [dict.fromkeys(ROWS[provider][0]) | {"id": id}]),
        await read(provider, [changed(provider, brand_new={"x": [1]})]),
    )
    for page in (absent, null, more):
        assert not page.unreadable
        assert page.logs[0].upstream_id == str(id)
    assert absent.logs[0].warnings == null.logs[0].warnings == ()
    expected = WebhookLogStatus.FAILED if provider == "yandex-tracker" else WebhookLogStatus.UNKNOWN
    assert absent.logs[0].status is null.logs[0].status is expected
    assert absent.logs[0].triggered_at is None


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_id_may_be_a_text_or_a_number(provider: str) -> None:
    page = await read(provider, [{"id": 12}, {"id": "12"}])
    assert [log.id for log in page.logs] == [page.logs[0].id] * 2


MOMENTS = [
    ("2026-03-04T17:10:11.120+08:00", "2026-03-04T09:10:11.120Z"),
    ("2026-03-04T09:10:11.120+0000", "2026-03-04T09:10:11.120Z"),
    ("2026-03-04 09:10:11.120431007Z", "2026-03-04T09:10:11.120431007Z"),
    ("2026-03-04 09:10:11.5Z", "2026-03-04T09:10:11.500Z"),
    ("2026-03-04T09:10:11Z", "2026-03-04T09:10:11Z"),
    ("2026-03-04T09:10:11", "2026-03-04T09:10:11Z"),
    ("0001-01-01T00:00:00Z", None),
    ("", None),
    (None, None),
]


@pytest.mark.parametrize(("text", "moment"), MOMENTS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_times_of_every_form(provider: str, text: str | None, moment: str | None) -> None:
    row = timed(provider, text)
    (log,) = (await read(provider, [row])).logs
    assert log.triggered_at == (None if moment is None else timestamps.parse(moment))


def timed(provider: str, text: Any) -> dict[str, Any]:
    if provider == "elastic-path":
        return changed(provider, meta={"timestamps": {"created_at": text}})
    return changed(provider, **{TIME[provider]: text})


async def test_elastic_path_time_may_be_nested_once_more() -> None:
    row = changed(
        "elastic-path", meta={"timestamps": {"timestamps": {"created_at": MOMENTS[0][0]}}}
    )
    (log,) = (await read("elastic-path", [row])).logs
    assert log.triggered_at == timestamps.parse("2026-03-04T09:10:11.120Z")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_rows_that_cannot_be_placed_are_told_apart(provider: str) -> None:
    rows = [
        {},
        changed(provider, id=None),
        changed(provider, id={"value": 1}),
        changed(provider, id=True),
        changed(provider, id="x" * 101),
        "no row",
        timed(provider, "yesterday"),
        timed(provider, 1772615411),
        changed(provider),
    ]
    page = await read(provider, rows)
    assert page.read == len(rows)
    assert len(page.logs) == 1
    assert page.unreadable[0] == "id is missing or is no id"
    assert page.unreadable[5] == "it is not an object"
    assert all(reason.endswith(" is not a time") for reason in page.unreadable[6:])
    assert "yesterday" not in "".join(page.unreadable)


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
    """In the raw document too, though there they are but members of an object."""
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


@pytest.mark.parametrize("provider", ["codearts", "yandex-tracker", "elastic-path"])
async def test_hook_that_cannot_be_read_is_told_and_the_others_are_served(provider: str) -> None:
    source = hook_source(provider, [{"name": "no id"}, "no hook", *HOOKS[provider]])
    if provider == "elastic-path":
        with pytest.raises(StreamsChanged):
            await source.read_page(STREAMS[provider], Window(limit=1), Wanted(), Operation(5))
    found = await source.find_streams(Operation(5))
    assert len(found.streams) == 1
    (error,) = found.errors
    assert error.code is ErrorCode.UPSTREAM_INVALID_RESPONSE
    assert str(error).startswith("Source it has hooks that can't be read")
    assert len(await source.hooks(Operation(5))) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_list_of_hooks_that_ignores_its_paging_has_an_end(provider: str) -> None:
    """Even where the vendor gives no total, and a full page that could have a successor."""
    id = "uuid" if provider == "language-weaver" else "id"
    rows = [HOOKS[provider][0] | {id: 1000 + number} for number in range(100)]
    source = hook_source(provider, rows)
    assert len(await source.hooks(Operation(5))) == 100


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_list_of_nothing_may_be_null(provider: str) -> None:
    if provider in ENVELOPES:
        assert (await read(provider, None)).logs == []
    assert (await read(provider, [])).logs == []


@pytest.mark.parametrize("document", [None, 1, "text", [1], {}, {"result": "none"}, True])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_document_of_another_shape_is_refused(provider: str, document: Any) -> None:
    source = make(provider, always(document))

    async def read_page(operation: Operation) -> Page:
        return await source.read_page(STREAMS[provider], Window(limit=5), Wanted(), operation)

    for work in (source.hooks, read_page):
        result = await outcome(work(Operation(5)))
        if isinstance(result, UpstreamError):
            assert result.code is ErrorCode.UPSTREAM_INVALID_RESPONSE
            assert str(result).startswith("Source it answered with a document that is not")
        else:
            # A list of what is no rows.
            assert document == [1]
            assert not isinstance(result, Page) or result.unreadable == ["it is not an object"]


async def test_vendor_with_pages_of_its_own_size_is_followed() -> None:
    """``perPage`` is documented with a default but no bounds."""
    entries = [changed("language-weaver", id=number) for number in range(100, 0, -1)]
    for own, asked in ((7, 50), (20, 50), (60, 50), (30, 10)):

        def respond(request: httpx.Request, own: int = own) -> httpx.Response:
            begin = (int(request.url.params["page"]) - 1) * own
            return answer(
                {
                    "entries": entries[begin : begin + own],
                    "page": int(request.url.params["page"]),
                    "perPage": own,
                    "totalItems": 100,
                }
            )

        source = make("language-weaver", Vendor(respond), page_size=asked)
        seen: list[WebhookLog] = []
        page = Page(logs=[], more=True, offset=0)
        while page.more and len(seen) < len(entries):
            begin = (page.offset or 0) + page.read
            window = Window(limit=source.page_size, offset=begin)
            page = await source.read_page(
                STREAMS["language-weaver"], window, Wanted(), Operation(5)
            )
            assert page.offset is not None
            assert page.offset <= begin
            seen += page.logs[begin - page.offset :]
        assert [log.upstream_id for log in seen] == [str(number) for number in range(100, 0, -1)]
        assert source.page_size == min(own, asked)


async def test_per_page_may_count_what_the_page_holds() -> None:
    entries = [changed("language-weaver", id=number) for number in range(7)]
    document = {"entries": entries, "page": 3, "perPage": 7, "totalItems": 107}
    source = make("language-weaver", always(document))
    window = Window(limit=50, offset=100)
    page = await source.read_page(STREAMS["language-weaver"], window, Wanted(), Operation(5))
    assert (page.offset, page.more, source.page_size) == (100, False, 50)


async def test_page_number_of_nowhere_is_not_believed() -> None:
    page = await read("language-weaver", ROWS["language-weaver"])
    document = {"entries": ROWS["language-weaver"], "page": 99, "perPage": -4, "totalItems": -1}
    source = make("language-weaver", always(document))
    odd = await source.read_page(
        STREAMS["language-weaver"], Window(limit=50), Wanted(), Operation(5)
    )
    assert (odd.offset, odd.total, odd.logs) == (0, None, page.logs)


async def test_language_weaver_list_in_another_order_is_gone_through() -> None:
    entries = [changed("language-weaver", id=number) for number in range(1, 101)]

    def respond(request: httpx.Request) -> httpx.Response:
        begin = (int(request.url.params["page"]) - 1) * 50
        rows = entries[begin : begin + 50]
        return answer({"entries": rows, "page": begin // 50 + 1, "perPage": 50, "totalItems": 100})

    log = await make("language-weaver", Vendor(respond)).read_log(("75",), Operation(5))
    assert log is not None
    assert log.upstream_id == "75"


async def test_language_weaver_does_not_look_further_than_an_entry_can_be() -> None:
    entries = [changed("language-weaver", id=number) for number in range(900, 850, -1)]
    vendor = always({"entries": entries, "page": 1, "perPage": 50, "totalItems": 5000})
    source = make("language-weaver", vendor)
    for id, calls in (("875", 1), ("901", 1), ("7", 2)):
        vendor.requests.clear()
        log = await source.read_log((id,), Operation(5))
        assert (log is not None) == (id == "875")
        # The same page again and again is no list to go through.
        assert len(vendor.requests) == calls


@pytest.mark.parametrize("related", [{}, {"job": {"data": {"id": "j-1"}}}])
async def test_elastic_path_log_without_an_integration_is_found_again(related: Any) -> None:
    """None should be such; there is no list to find it in but that of the store."""
    row = changed("elastic-path", relationships=related)
    source = make("elastic-path", always({"data": [row]}))
    page = await source.read_page(STREAMS["elastic-path"], Window(limit=5), Wanted(), Operation(5))
    (log,) = page.logs
    assert log.hook_id is None
    assert await source.read_log(ids.decode(log.id).place, Operation(5)) == log


@pytest.mark.parametrize("id", ["../jobs", "a/b", "..", "x" * 65, "é"])
async def test_elastic_path_integration_that_would_lead_elsewhere_is_not_asked_for(id: str) -> None:
    source = hook_source("elastic-path", [{"id": id}])
    with pytest.raises(StreamsChanged):
        await source.read_page(STREAMS["elastic-path"], Window(limit=1), Wanted(), Operation(5))
    found = await source.find_streams(Operation(5))
    assert found.streams == []
    assert len(found.errors) == 1


@pytest.mark.parametrize("provider", ["codearts", "yandex-tracker", "elastic-path"])
async def test_log_that_the_vendor_does_not_know_is_none(provider: str) -> None:
    assert await make(provider, always({}, 404)).read_log(PLACES[provider], Operation(5)) is None
    with pytest.raises(UpstreamError):
        await make(provider, always({}, 403)).read_log(PLACES[provider], Operation(5))


async def test_scope_that_fails_leaves_the_others() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if "/groups/" in request.url.path:
            return answer({}, 403)
        return answer(HOOKS["codearts"])

    source = make("codearts", Vendor(respond), groups=[41207])
    found = await source.find_streams(Operation(5))
    assert [stream.place for stream in found.streams] == [("projects", PROJECT, "990412")]
    assert [error.code for error in found.errors] == [ErrorCode.UPSTREAM_FORBIDDEN]
    with pytest.raises(UpstreamError):
        await make("codearts", Vendor(respond), projects=[], groups=[41207]).find_streams(
            Operation(5)
        )


async def test_chosen_hook_that_no_scope_has_is_told() -> None:
    source = make("codearts", always(HOOKS["codearts"]), groups=[1], hooks=[990412, 7])
    found = await source.find_streams(Operation(5))
    assert len(found.streams) == 2
    (error,) = found.errors
    assert str(error).startswith("Source it has no hook 7 in any of its scopes. Check hooks")


PLACES = {
    "codearts": ("projects", PROJECT, "1", "1"),
    "yandex-tracker": ("DEV", "41", "1772615411120000000", "a"),
    "language-weaver": ("1",),
    "elastic-path": ("a", "b", "c"),
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "200", "internal error", "2026-03-04T09:10:11Z", "../x", "\ufffd"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.just("id"), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = sorted({key for rows in (*ROWS.values(), *HOOKS.values()) for row in rows for key in row})


@st.composite
def spoiled(draw: st.DrawFn, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Put anything in place of some members of a document, at some depth."""
    row: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(rows)))
    for _ in range(draw(st.integers(1, 3))):
        target = row
        name = draw(st.sampled_from([*row, *KEYS]))
        while isinstance(target.get(name), dict) and target[name] and draw(st.booleans()):
            target = target[name]
            name = draw(st.sampled_from(list(target)))
        target[name] = draw(JSON)
    return row


def cases(documents: dict[str, list[dict[str, Any]]]) -> st.SearchStrategy[tuple[str, list[Any]]]:
    """Make up a vendor and some of its rows, whole, spoiled or no rows at all."""

    def rows(provider: str) -> st.SearchStrategy[tuple[str, list[Any]]]:
        each = JSON | spoiled(documents[provider])
        return st.tuples(st.just(provider), st.lists(each, max_size=4))

    return st.sampled_from(PROVIDERS).flatmap(rows)


thoroughly = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@thoroughly
@given(case=cases(ROWS))
async def test_anything_at_all_is_a_log_or_a_reason(case: tuple[str, list[Any]]) -> None:
    provider, rows = case
    page = await read(provider, [*rows, ROWS[provider][0]])
    assert len(page.logs) + len(page.unreadable) == page.read == len(rows) + 1
    for log in page.logs:
        msgspec.json.encode(log)
        assert len(log.id) <= 1024
    assert page.logs[-1].upstream_id == str(ROWS[provider][0]["id"])


@thoroughly
@given(case=cases(HOOKS))
async def test_any_hooks_at_all_leave_the_good_ones(case: tuple[str, list[Any]]) -> None:
    provider, rows = case
    source = hook_source(provider, [*rows, HOOKS[provider][0]])
    hooks = await source.hooks(Operation(5))
    known = str(HOOKS[provider][0].get("id") or HOOKS[provider][0]["uuid"])
    assert known in [hook.upstream_id for hook in hooks]
    msgspec.json.encode(hooks)


@thoroughly
@given(
    provider=st.sampled_from(PROVIDERS),
    document=JSON,
    status=st.sampled_from([200, 200, 201, 302, 400, 403, 404, 422, 500]),
)
async def test_any_document_at_all_is_read_or_refused(
    provider: str, document: Any, status: int
) -> None:
    source = make(provider, always(document, status))
    for work in (
        source.find_streams,
        source.hooks,
        lambda operation: source.read_page(STREAMS[provider], Window(limit=5), Wanted(), operation),
        lambda operation: source.read_log(PLACES[provider], operation),
    ):
        with contextlib.suppress(StreamsChanged):
            result = await outcome(work(Operation(5)))
            if isinstance(result, UpstreamError):
                assert str(result).startswith("Source it ")
