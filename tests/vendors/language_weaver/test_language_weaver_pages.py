"""Language Weaver's page numbers, which are poorly documented."""

from __future__ import annotations

import httpx

from gateway.model import WebhookLog
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Window
from tests.vendors.documents import changed, read
from tests.vendors.language_weaver.case import CASE
from tests.vendors.vendors import Vendor, always, answer, make


async def test_vendor_with_another_page_size_is_followed() -> None:
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
            page = await source.vendor.read_page(CASE.stream, window, Criteria(), Operation(5))
            assert page.offset is not None
            assert page.offset <= begin
            seen += page.logs[begin - page.offset :]
        assert [log.upstream_id for log in seen] == [str(number) for number in range(100, 0, -1)]
        assert source.page_size == min(own, asked)


async def test_per_page_may_be_the_number_of_rows_on_the_page() -> None:
    entries = [changed("language-weaver", id=number) for number in range(7)]
    document = {"entries": entries, "page": 3, "perPage": 7, "totalItems": 107}
    source = make("language-weaver", always(document))
    window = Window(limit=50, offset=100)
    page = await source.vendor.read_page(CASE.stream, window, Criteria(), Operation(5))
    assert (page.offset, page.more, source.page_size) == (100, True, 50)


async def test_impossible_page_number_is_ignored() -> None:
    page = await read("language-weaver", CASE.rows)
    document = {"entries": CASE.rows, "page": 99, "perPage": -4, "totalItems": -1}
    source = make("language-weaver", always(document))
    odd = await source.vendor.read_page(CASE.stream, Window(limit=50), Criteria(), Operation(5))
    assert (odd.offset, odd.total, odd.logs) == (0, None, page.logs)


async def test_log_is_found_in_a_list_in_another_order() -> None:
    entries = [changed("language-weaver", id=number) for number in range(1, 101)]

    def respond(request: httpx.Request) -> httpx.Response:
        begin = (int(request.url.params["page"]) - 1) * 50
        rows = entries[begin : begin + 50]
        return answer({"entries": rows, "page": begin // 50 + 1, "perPage": 50, "totalItems": 100})

    log = await make("language-weaver", Vendor(respond)).read_log(("75",), Operation(5))
    assert log is not None
    assert log.upstream_id == "75"


async def test_search_for_a_log_ends_at_its_expected_position() -> None:
    entries = [changed("language-weaver", id=number) for number in range(900, 850, -1)]
    for id, calls in (("875", 1), ("901", 1), ("7", 2)):
        vendor = always({"entries": entries, "page": 1, "perPage": 50, "totalItems": 5000})
        source = make("language-weaver", vendor)
        log = await source.read_log((id,), Operation(5))
        assert (log is not None) == (id == "875")
        # A vendor that repeats its page is not followed.
        assert len(vendor.requests) == calls
