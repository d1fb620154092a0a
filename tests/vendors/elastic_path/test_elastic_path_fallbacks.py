"""Fallbacks to the documented form if Elastic Path lacks a path, a list or a parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway import ids
from gateway.errors import ErrorCode, UpstreamError
from gateway.feed import filters
from gateway.sources.source import Source
from gateway.stats import scan
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, StreamsChanged, Window
from tests.feed.test_filters import NOW
from tests.feed.vendor_lists import List, document, newest_first, read_all, respond, said
from tests.vendors.documents import hook_source
from tests.vendors.elastic_path.case import CASE, INTEGRATION
from tests.vendors.fallbacks import read
from tests.vendors.vendors import Vendor, answer, make, sample, token

Route = Callable[[httpx.Request], Any]


def shop(respond: Route, **changes: Any) -> tuple[Source, Vendor]:
    """Create an Elastic Path source; a status in place of a document means a refusal."""

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
    """The published specification has no /v2; every client of the vendor sends it."""
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


async def test_elastic_path_reports_the_refusal_of_the_first_form() -> None:
    source, vendor = shop(
        lambda request: 404 if request.url.path.startswith("/v2/") else 500,
        integrations=[INTEGRATION],
    )
    stream = (await source.find_streams(Operation(5))).streams[0]
    for _ in range(2):
        with pytest.raises(UpstreamError) as failure:
            await read(source, stream)
        assert failure.value.status == 404
        # No form has worked yet, so both are tried again.
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
    assert (await source.find_streams(Operation(5))).streams == [CASE.stream]
    with pytest.raises(StreamsChanged):
        await read(source, CASE.stream)
    (stream,) = (await source.find_streams(Operation(5))).streams
    assert stream.place == (INTEGRATION,)
    (log,) = (await read(source, stream)).logs
    assert (log.hook_id, log.event) == (stream.hook_id, "order.paid")
    assert paths(vendor)[-1] == f"/v2/integrations/{INTEGRATION}/logs"


async def test_elastic_path_keeps_the_list_of_the_store_if_nothing_else_works() -> None:
    source, _ = shop(lambda _: 404)
    with pytest.raises(UpstreamError) as failure:
        await read(source, CASE.stream)
    assert failure.value.code is ErrorCode.UPSTREAM_NOT_FOUND
    assert (await source.find_streams(Operation(5))).streams == [CASE.stream]


async def test_elastic_path_refusal_far_down_is_about_the_offset() -> None:
    source, _ = shop(
        lambda request: 400 if "logs" in request.url.path else sample("elastic-path/integrations")
    )
    with pytest.raises(UpstreamError):
        await read(source, CASE.stream, offset=10_000)
    assert (await source.find_streams(Operation(5))).streams == [CASE.stream]


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
    page = await read(source, CASE.stream)
    assert (page.read, page.more) == (1, False)
    assert len(await source.hooks(Operation(5))) == 1


@pytest.mark.parametrize("refused", [{"page[limit]", "page[offset]"}, {"page[limit]"}])
@pytest.mark.parametrize("first", [100, 25, 10, 3])
async def test_elastic_path_list_is_read_to_its_end_where_paging_is_refused(
    first: int, refused: set[str]
) -> None:
    """A vendor that refuses only the size of a page has more than one."""
    lists = List(rows=newest_first(60), cap=25)
    handle = respond("elastic-path", lists)

    def refuse(request: httpx.Request) -> httpx.Response:
        if refused & set(request.url.params):
            return answer({}, 400)
        if not request.url.params and "logs" in request.url.path:
            rows = lists.rows if "page[offset]" in refused else lists.rows[:25]
            return answer({"data": [document("elastic-path", row) for row in rows]})
        if "logs" in request.url.path:
            request.url = request.url.copy_set_param("page[limit]", "25")
        return handle(request)

    given, pages, _ = await read_all(
        make("elastic-path", Vendor(refuse), integrations=[INTEGRATION]), first
    )
    assert given == list(range(60, 0, -1)), said(pages)


async def test_elastic_path_logs_are_served_where_integrations_are_forbidden() -> None:
    source, _ = shop(
        lambda request: sample("elastic-path/logs") if "logs" in request.url.path else 403
    )
    (log,) = (await read(source, CASE.stream)).logs
    assert (log.event, log.request) == (None, None)
    with pytest.raises(UpstreamError):
        await source.hooks(Operation(5))


async def test_elastic_path_log_without_its_integration_is_not_kept_for_long() -> None:
    """Otherwise it would lack its URL for minutes after an outage, without an error."""
    fails = True

    def respond(request: httpx.Request) -> Any:
        if "logs" in request.url.path:
            return sample("elastic-path/logs")
        return 503 if fails else sample("elastic-path/integrations")

    source, _ = shop(respond, cache={"first_page": 0, "stale_while_revalidate": 0})
    (listed,) = (await read(source, CASE.stream)).logs
    place = ids.decode(listed.id).place
    log = (await source.log(place, Operation(5))).value
    assert log is not None
    assert log.request is None
    fails = False
    log = (await source.log(place, Operation(5))).value
    assert log is not None
    assert log.request is not None


@pytest.mark.parametrize("refusal", [None, 403, 503])
async def test_elastic_path_says_that_events_are_missing(refusal: int | None) -> None:
    """Otherwise a filter by event would leave logs out in silence, and numbers seem complete."""

    handle = respond("elastic-path", List(rows=newest_first(3)))

    def handle_or_refuse(request: httpx.Request) -> httpx.Response:
        if refusal and request.url.path.endswith("/integrations"):
            return answer({}, refusal)
        return handle(request)

    source = make("elastic-path", Vendor(handle_or_refuse))
    wanted = filters.prepare({"event": {"eq": "order.created"}}, NOW, [source.name])
    reading = await scan.read([source], wanted, Operation(5), scan_limit=100, now=NOW)
    (report,) = reading.reports
    assert any("may leave logs out" in note for note in report.notes) == (refusal is not None)
    assert reading.span().is_complete == (refusal is None)


@pytest.mark.parametrize("id", ["../jobs", "a/b", "..", "x" * 65, "é"])
async def test_elastic_path_integration_id_that_alters_the_path_is_not_sent(
    id: str,
) -> None:
    source = hook_source("elastic-path", [{"id": id}])
    with pytest.raises(StreamsChanged):
        await source.vendor.read_page(CASE.stream, Window(limit=1), Criteria(), Operation(5))
    found = await source.find_streams(Operation(5))
    assert found.streams == []
    assert len(found.errors) == 1
