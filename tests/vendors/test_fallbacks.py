"""Where a vendor has only the documented form, it is called in that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.model import Timestamp
from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Page, Stream, StreamsChanged, Wanted, Window
from tests.vendors.vendors import INTEGRATION, PROJECT, Vendor, answer, make, sample, token

UNTIL = Timestamp(1_772_615_411_120_000_000)
HOOK = Stream(key="-", place=("projects", PROJECT, "990412"))
TRIGGER = Stream(key="-", place=("DEV", "41"))
STORE = Stream(key="store")
NEWER = {"codearts": {"created_before", "created_after", "uuid"}, "yandex-tracker": {"limit"}}


def refusing(
    provider: str, refused: set[str], document: Any, status: int = 400
) -> tuple[Source, Vendor]:
    """Make a source of a vendor that does not take some parameters."""

    def respond(request: httpx.Request) -> httpx.Response:
        if refused & set(request.url.params):
            return answer({"error_code": "CH.010001", "error_msg": "No such parameter."}, status)
        return answer(document)

    vendor = Vendor(respond)
    return make(provider, vendor), vendor


async def read(source: Source, stream: Stream, wanted: Wanted | None = None, **window: Any) -> Page:
    return await source.vendor.read_page(
        stream, Window(**{"limit": 2, **window}), wanted or Wanted(), Operation(5)
    )


def names(vendor: Vendor) -> list[list[str]]:
    return [list(request.url.params) for request in vendor.requests]


@pytest.mark.parametrize("status", [400, 422])
async def test_codearts_without_windows(status: int) -> None:
    source, vendor = refusing("codearts", NEWER["codearts"], sample("codearts/logs"), status=status)
    page = await read(source, HOOK, until=UNTIL, offset=50)
    assert (page.offset, page.read, page.more) == (0, 2, True)
    assert names(vendor) == [["offset", "limit", "created_before"], ["offset", "limit"]]
    assert vendor.requests[1].url.params["offset"] == "0"
    page = await read(source, HOOK, until=UNTIL, offset=50)
    assert names(vendor)[2:] == [["offset", "limit"]]
    assert (await read(source, HOOK, offset=50)).offset == 50
    assert not (await source.find_streams(Operation(5))).streams[0].windowed


async def test_tracker_without_parameters() -> None:
    source, vendor = refusing("yandex-tracker", {"limit"}, sample("yandex-tracker/logs"))
    page = await read(source, TRIGGER)
    assert (page.offset, page.read, page.more) == (0, 2, False)
    await read(source, TRIGGER, until=UNTIL)
    assert names(vendor) == [["limit"], [], []]
    log = await source.read_log(("DEV", "41", str(UNTIL), "67c6c20b9a1e4d0c7b5f2a10"), Operation(5))
    assert log is not None
    assert names(vendor)[3:] == [[]]


async def test_tracker_that_passes_over_its_parameters_gives_all_at_once() -> None:
    """As a revision may that knows none; asked again, it would only repeat itself."""
    rows = [{"id": number} for number in range(5)]
    source = make("yandex-tracker", Vendor(lambda _: answer(rows)))
    for until in (None, UNTIL):
        page = await read(source, TRIGGER, limit=3, until=until)
        assert (page.offset, page.read, page.more) == (0, 5, False)
    rows[2:] = rows[:2]
    page = await read(source, TRIGGER, limit=3)
    assert (page.offset, page.read, page.more) == (None, 4, True)


async def test_tracker_without_parameters_and_without_logs() -> None:
    source, _ = refusing("yandex-tracker", {"limit"}, [])
    page = await read(source, TRIGGER)
    assert (page.offset, page.read, page.more) == (0, 0, False)


@pytest.mark.parametrize(
    ("provider", "stream", "refused", "kept"),
    [
        ("codearts", HOOK, "uuid", ["offset", "limit", "created_before"]),
        ("yandex-tracker", TRIGGER, "issueId", ["limit", "to"]),
    ],
)
async def test_callers_value_that_is_refused_costs_the_others_nothing(
    provider: str, stream: Stream, refused: str, kept: list[str]
) -> None:
    source, vendor = refusing(provider, {refused}, sample(f"{provider}/logs"))
    await read(source, stream, Wanted(correlation_id="odd"), until=UNTIL)
    assert names(vendor) == [[*kept, refused], kept]
    await read(source, stream, until=UNTIL)
    assert names(vendor)[2:] == [kept]


async def test_codearts_refusal_of_a_callers_bound_is_not_remembered() -> None:
    source, vendor = refusing("codearts", {"created_after"}, sample("codearts/logs"))
    await read(source, HOOK, Wanted(since=UNTIL))
    await read(source, HOOK, until=UNTIL)
    assert names(vendor)[2:] == [["offset", "limit", "created_before"]]


@pytest.mark.parametrize(("provider", "stream"), [("codearts", HOOK), ("yandex-tracker", TRIGGER)])
async def test_failed_fallback_teaches_nothing(provider: str, stream: Stream) -> None:
    """A vendor that refuses everything for a while has its newer parameters still."""
    down = True
    document = sample(f"{provider}/logs")
    vendor = Vendor(lambda _: answer({}, 400) if down else answer(document))
    source = make(provider, vendor)
    with pytest.raises(UpstreamError) as failure:
        await read(source, stream, until=UNTIL)
    assert failure.value.code is ErrorCode.UPSTREAM_REJECTED
    down = False
    await read(source, stream, until=UNTIL)
    assert names(vendor)[-1] == names(vendor)[0]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
@pytest.mark.parametrize(("provider", "stream"), [("codearts", HOOK), ("yandex-tracker", TRIGGER)])
async def test_other_refusals_are_no_reason_to_ask_again(
    provider: str, stream: Stream, status: int
) -> None:
    vendor = Vendor(lambda _: answer({}, status))
    with pytest.raises(UpstreamError):
        await read(make(provider, vendor), stream, until=UNTIL)
    assert len(set(vendor.asked)) == 1


Route = Callable[[httpx.Request], Any]


def shop(respond: Route, **changes: Any) -> tuple[Source, Vendor]:
    """Make an Elastic Path source; a status in place of a document is a refusal."""

    def route(request: httpx.Request) -> httpx.Response:
        if granted := token(request):
            return granted
        document = respond(request)
        return answer({}, document) if isinstance(document, int) else answer(document)

    vendor = Vendor(route)
    return make("elastic-path", vendor, **changes), vendor


def paths(vendor: Vendor) -> list[str]:
    return [request.url.path for request in vendor.requests if request.method == "GET"]


async def test_elastic_path_without_version() -> None:
    """The published specification has none; every client of the vendor sends it."""
    source, vendor = shop(
        lambda request: 404 if request.url.path.startswith("/v2/") else sample("elastic-path/logs"),
        integrations=[INTEGRATION],
    )
    stream = (await source.find_streams(Operation(5))).streams[0]
    assert (await read(source, stream)).read == 1
    logs = f"/integrations/{INTEGRATION}/logs"
    assert {f"/v2{logs}", logs} <= set(paths(vendor))
    vendor.requests.clear()
    await read(source, stream)
    assert paths(vendor) == [logs]


async def test_elastic_path_keeps_the_version_that_has_worked() -> None:
    known = True
    source, vendor = shop(
        lambda _: sample("elastic-path/logs") if known else 404, integrations=[INTEGRATION]
    )
    stream = (await source.find_streams(Operation(5))).streams[0]
    await read(source, stream)
    known = False
    vendor.requests.clear()
    with pytest.raises(UpstreamError):
        await read(source, stream)
    assert paths(vendor) == [f"/v2/integrations/{INTEGRATION}/logs"]


async def test_elastic_path_says_what_the_first_form_was_refused_for() -> None:
    source, vendor = shop(
        lambda request: 404 if request.url.path.startswith("/v2/") else 500,
        integrations=[INTEGRATION],
    )
    stream = (await source.find_streams(Operation(5))).streams[0]
    for _ in range(2):
        with pytest.raises(UpstreamError) as failure:
            await read(source, stream)
        assert failure.value.status == 404
        # Nothing was learnt, so both are tried again.
        assert {path[:3] for path in paths(vendor)} == {"/v2", "/in"}
        vendor.requests.clear()


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_elastic_path_without_a_list_of_the_store(status: int) -> None:
    def respond(request: httpx.Request) -> Any:
        match request.url.path:
            case "/v2/integrations":
                return sample("elastic-path/integrations")
            case "/v2/integrations/logs" | "/integrations/logs":
                return status
            case _:
                return sample("elastic-path/logs")

    source, vendor = shop(respond)
    assert (await source.find_streams(Operation(5))).streams == [STORE]
    with pytest.raises(StreamsChanged):
        await read(source, STORE)
    (stream,) = (await source.find_streams(Operation(5))).streams
    assert stream.place == (INTEGRATION,)
    (log,) = (await read(source, stream)).logs
    assert (log.hook_id, log.event) == (stream.hook_id, "order.paid")
    assert paths(vendor)[-1] == f"/v2/integrations/{INTEGRATION}/logs"


async def test_elastic_path_keeps_the_list_of_the_store_if_nothing_else_works() -> None:
    source, _ = shop(lambda _: 404)
    with pytest.raises(UpstreamError) as failure:
        await read(source, STORE)
    assert failure.value.code is ErrorCode.UPSTREAM_NOT_FOUND
    assert (await source.find_streams(Operation(5))).streams == [STORE]


async def test_elastic_path_refusal_far_down_is_about_the_offset() -> None:
    source, _ = shop(
        lambda request: 400 if "logs" in request.url.path else sample("elastic-path/integrations")
    )
    with pytest.raises(UpstreamError):
        await read(source, STORE, offset=10_000)
    assert (await source.find_streams(Operation(5))).streams == [STORE]


async def test_elastic_path_without_pages() -> None:
    """The specification has no parameters for the two lists."""
    source, _ = shop(
        lambda request: (
            400
            if request.url.params
            else sample(
                "elastic-path/logs" if "logs" in request.url.path else "elastic-path/integrations"
            )
        )
    )
    page = await read(source, STORE)
    assert (page.read, page.more) == (1, False)
    assert len(await source.hooks(Operation(5))) == 1


async def test_elastic_path_logs_are_served_to_whom_integrations_are_forbidden() -> None:
    source, _ = shop(
        lambda request: sample("elastic-path/logs") if "logs" in request.url.path else 403
    )
    (log,) = (await read(source, STORE)).logs
    assert (log.event, log.request) == (None, None)
    with pytest.raises(UpstreamError):
        await source.hooks(Operation(5))
