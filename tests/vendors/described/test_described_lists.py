"""Lists of described vendors: every kind of paging, time bounds and filters as they are sent."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from gateway.errors import UpstreamError
from gateway.model import Timestamp, WebhookLogStatus
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Stream, Window
from tests.vendors.described.acme import answer, source_of, written
from tests.vendors.vendors import Vendor

FAILED, SUCCEEDED = WebhookLogStatus.FAILED, WebhookLogStatus.SUCCEEDED
PENDING, UNKNOWN = WebhookLogStatus.PENDING, WebhookLogStatus.UNKNOWN
MOMENT = Timestamp(1_772_615_411_123_456_789)
"""2026-03-04T09:10:11.123456789Z."""
IDS = [f"e{number}" for number in range(7, 0, -1)]
SIZE = 'size = { param = "n", max = 3 }\n'
CURSOR = 'paging = { kind = "cursor", param = "c", next = "meta.next" }'


def rows(ids: list[str]) -> list[dict[str, Any]]:
    return [{"id": id, "state": "done", "at": f"2026-03-04T09:00:0{id[1]}Z"} for id in ids]


def params_of(request: httpx.Request) -> dict[str, str]:
    return dict(parse_qsl(request.url.query.decode()))


def by_page(request: httpx.Request) -> httpx.Response:
    params = params_of(request)
    begin = int(params["p"]) * int(params["n"])
    return answer({"events": rows(IDS[begin : begin + int(params["n"])]), "all": len(IDS)})


def by_offset(request: httpx.Request) -> httpx.Response:
    params = params_of(request)
    begin = int(params["skip"])
    return answer({"events": rows(IDS[begin : begin + int(params["n"])])})


def following(request: httpx.Request) -> tuple[list[str], str | None]:
    """Return the ids of a page and the one that the next begins with."""
    params = params_of(request)
    begin = IDS.index(params["c"]) if "c" in params else 0
    end = begin + int(params["n"])
    return IDS[begin:end], IDS[end] if end < len(IDS) else None


def by_cursor(request: httpx.Request) -> httpx.Response:
    ids, token = following(request)
    return answer({"events": rows(ids), "meta": {"next": token}})


def by_address(request: httpx.Request) -> httpx.Response:
    ids, token = following(request)
    address = f"https://elsewhere.example/?n=1&c={token}" if token else None
    return answer({"events": rows(ids), "meta": {"next": address}})


def by_link(request: httpx.Request) -> httpx.Response:
    ids, token = following(request)
    links = '<https://elsewhere.example/?c=e7>; rel="first"'
    if token:
        links += f', <https://elsewhere.example/?n=1&c={token}>; rel="next"'
    return answer({"events": rows(ids)}, Link=links)


def by_last_id(request: httpx.Request) -> httpx.Response:
    params = params_of(request)
    begin = IDS.index(params["after"]) + 1 if "after" in params else 0
    end = begin + int(params["n"])
    return answer({"events": rows(IDS[begin:end]), "has_more": end < len(IDS)})


PAGINGS: list[tuple[str, Any]] = [
    ('paging = { kind = "page", param = "p", first = 0 }\ntotal = "all"', by_page),
    ('paging = { kind = "offset", param = "skip" }', by_offset),
    ('paging = { kind = "cursor", param = "c", next = "meta.next" }', by_cursor),
    ('paging = { kind = "cursor", param = "c", next = "meta.next" }', by_address),
    ('paging = { kind = "link", param = "c" }', by_link),
    ('paging = { kind = "last-id", param = "after" }\nmore = "has_more"', by_last_id),
]


async def all_pages(source: Any, stream: Stream) -> list[Page]:
    pages: list[Page] = []
    window = Window(limit=50)
    while True:
        page = await source.vendor.read_page(stream, window, Criteria(), Operation(5))
        pages.append(page)
        if stream.by_token:
            if page.next_token is None:
                return pages
            window = Window(limit=50, token=page.next_token)
        else:
            if not page.read:
                return pages
            window = Window(limit=50, offset=(page.offset or 0) + page.read)


@pytest.mark.parametrize(("paging", "vendor"), PAGINGS, ids=lambda it: getattr(it, "__name__", ""))
async def test_every_kind_of_paging_leads_to_the_end(
    paging: str, vendor: Any, tmp_path: Path
) -> None:
    file = written(tmp_path, replace={'items = "events"': f'items = "events"\n{SIZE}{paging}'})
    source = source_of(file, Vendor(vendor))
    (stream,) = (await source.find_streams(Operation(5))).streams
    pages = await all_pages(source, stream)
    assert [log.upstream_id for page in pages for log in page.logs] == IDS
    assert pages[0].read == 3
    assert source.page_size == 3
    if "total" in paging:
        assert {page.total for page in pages} == {7}


@pytest.mark.parametrize(
    ("paging", "vendor"), PAGINGS[2:], ids=lambda it: getattr(it, "__name__", "")
)
async def test_rows_of_a_window_are_counted_from_its_top(
    paging: str, vendor: Any, tmp_path: Path
) -> None:
    """A crowded moment is read by offset, which these vendors do not know."""
    until = '\n[list.until]\nparam = "to"'
    file = written(
        tmp_path, replace={'items = "events"': f'items = "events"\n{SIZE}{paging}{until}'}
    )
    source = source_of(file, Vendor(vendor))
    (stream,) = (await source.find_streams(Operation(5))).streams
    assert stream.windowed
    assert not stream.by_token
    window = Window(limit=50, offset=4, until=MOMENT)
    page = await source.vendor.read_page(stream, window, Criteria(), Operation(5))
    assert [log.upstream_id for log in page.logs] == IDS[3:6]
    assert page.offset is None


@pytest.mark.parametrize("token", [None, "e7"])
async def test_empty_pages_do_not_end_a_list(token: str | None, tmp_path: Path) -> None:
    """Some vendors filter the rows of a page after they have read it."""

    def vendor(request: httpx.Request) -> httpx.Response:
        ids, after = following(request)
        return answer({"events": rows([id for id in ids if id < "e4"]), "meta": {"next": after}})

    file = written(tmp_path, replace={'items = "events"': f'items = "events"\n{SIZE}{CURSOR}'})
    source = source_of(file, Vendor(vendor))
    (stream,) = (await source.find_streams(Operation(5))).streams
    found = []
    for size in (2, 1):
        window = Window(limit=2, token=token)
        page = await source.vendor.read_page(stream, window, Criteria(), Operation(5))
        assert page.read == size
        found += [log.upstream_id for log in page.logs]
        token = page.next_token
    assert found == ["e3", "e2", "e1"][: len(found)]


async def test_repeated_token_of_an_empty_page_ends_a_list(tmp_path: Path) -> None:
    file = written(tmp_path, replace={'items = "events"': f'items = "events"\n{CURSOR}'})
    vendor = Vendor(lambda _: answer({"events": [], "meta": {"next": "same"}}))
    source = source_of(file, vendor)
    (stream,) = (await source.find_streams(Operation(5))).streams
    page = await source.vendor.read_page(stream, Window(limit=2), Criteria(), Operation(5))
    assert page.read == 0
    assert len(vendor.requests) == 2


@pytest.mark.parametrize("size", [1, 7, 10, 20, 30, 50, 80, 100, 150])
async def test_pages_of_a_size_that_is_not_told_are_found_whatever_is_wanted(
    size: int, tmp_path: Path
) -> None:
    """A count asks for one row, and must not change what the numbers of pages mean."""
    ids = [f"e{number}" for number in range(200)]

    def fixed(request: httpx.Request) -> httpx.Response:
        begin = (int(params_of(request)["p"]) - 1) * size
        found = [{"id": id, "at": "2026-03-04T09:00:00Z"} for id in ids[begin : begin + size]]
        return answer({"events": found})

    paging = 'items = "events"\npaging = { kind = "page", param = "p" }'
    file = written(tmp_path, replace={'items = "events"': paging})
    source = source_of(file, Vendor(fixed))
    stream = (await source.find_streams(Operation(5))).streams[0]
    read, limits = 0, itertools.cycle([50, 1, 50, 50, 1])
    while read < len(ids):
        window = Window(limit=next(limits), offset=read)
        page = await source.vendor.read_page(stream, window, Criteria(), Operation(5))
        begin = page.offset or 0
        assert begin <= read < begin + page.read
        assert [log.upstream_id for log in page.logs] == ids[begin : begin + page.read]
        read = begin + page.read


async def test_list_without_paging_has_one_page(tmp_path: Path) -> None:
    source = source_of(written(tmp_path), Vendor(lambda _: answer({"events": rows(IDS)})))
    (stream,) = (await source.find_streams(Operation(5))).streams
    page = await source.vendor.read_page(stream, Window(limit=50), Criteria(), Operation(5))
    assert (page.read, page.more, page.offset) == (7, False, 0)


async def sent(
    folder: Path, tables: str, window: Window | None = None, **criteria: Any
) -> list[tuple[str, str]]:
    """Return the parameters of a page."""
    vendor = Vendor(lambda _: answer({"events": []}))
    source = source_of(written(folder, tables), vendor)
    (stream,) = (await source.find_streams(Operation(5))).streams
    await source.vendor.read_page(
        stream, window or Window(limit=50), Criteria(**criteria), Operation(5)
    )
    return parse_qsl(vendor.requests[-1].url.query.decode())


BOUNDS = [
    ("", "2026-03-04T09:10:11.124Z"),
    ("inclusive = true", "2026-03-04T09:10:11.124Z"),
    ('granularity = "second"', "2026-03-04T09:10:12Z"),
    ('granularity = "second"\nformat = "no-zone"', "2026-03-04T09:10:12"),
    ('granularity = "second"\nformat = "epoch-s"', "1772615412"),
    ('format = "epoch-ms"', "1772615411124"),
    ('granularity = "microsecond"', "2026-03-04T09:10:11.123457Z"),
    ('granularity = "nanosecond"', "2026-03-04T09:10:11.123456790Z"),
    ('granularity = "nanosecond"\ninclusive = true', "2026-03-04T09:10:11.123456789Z"),
]


@pytest.mark.parametrize(("keys", "text"), BOUNDS)
async def test_upper_bound_is_rounded_up(keys: str, text: str, tmp_path: Path) -> None:
    """So that rows of the moment itself are listed, however the vendor reads its bound."""
    tables = f'[list.until]\nparam = "to"\n{keys}'
    window = Window(limit=50, until=MOMENT)
    assert await sent(tmp_path, tables, window) == [("to", text)]
    assert await sent(tmp_path, tables, until=MOMENT) == [("to", text)]


async def test_bound_on_a_whole_step_is_one_step_more_unless_inclusive(tmp_path: Path) -> None:
    moment = Timestamp(1_772_615_411_000_000_000)
    for inclusive, second in ((False, 12), (True, 11)):
        tables = (
            '[list.until]\nparam = "to"\ngranularity = "second"\n'
            f"inclusive = {str(inclusive).lower()}"
        )
        assert await sent(tmp_path, tables, until=moment) == [("to", f"2026-03-04T09:10:{second}Z")]


async def test_lower_bound_is_rounded_down(tmp_path: Path) -> None:
    for keys, text in (
        ("", "2026-03-04T09:10:11.123Z"),
        ('granularity = "second"', "2026-03-04T09:10:11Z"),
        ('granularity = "second"\ninclusive = true', "2026-03-04T09:10:11Z"),
    ):
        tables = f'[list.since]\nparam = "from"\n{keys}'
        assert await sent(tmp_path, tables, since=MOMENT) == [("from", text)]
    whole = Timestamp(1_772_615_411_000_000_000)
    tables = '[list.since]\nparam = "from"\ngranularity = "second"'
    assert await sent(tmp_path, tables, since=whole) == [("from", "2026-03-04T09:10:10Z")]


async def test_bound_replaces_the_usual_parameter(tmp_path: Path) -> None:
    """Sent twice, a parameter means something else to every server."""
    tables = '[list.params]\nfrom = "2020"\nall = true\n[list.since]\nparam = "from"'
    assert await sent(tmp_path, tables) == [("from", "2020"), ("all", "true")]
    assert await sent(tmp_path, tables, since=MOMENT) == [
        ("all", "true"),
        ("from", "2026-03-04T09:10:11.123Z"),
    ]


STATUS = """
[list.filters.status]
param = "s"
values = { SUCCEEDED = ["done"], FAILED = ["failed", "gone"] }
"""


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({FAILED}, [("s", "failed,gone")]),
        ({SUCCEEDED}, [("s", "done")]),
        ({FAILED, SUCCEEDED}, [("s", "done,failed,gone")]),
        # No row is pending, as the rule for the status shows.
        ({FAILED, PENDING}, [("s", "failed,gone")]),
        # A row with any other value is of no status that the filter has.
        ({FAILED, UNKNOWN}, []),
        ({PENDING}, []),
    ],
)
async def test_statuses_are_filtered_if_no_row_can_be_missed(
    statuses: set[WebhookLogStatus], expected: Any, tmp_path: Path
) -> None:
    assert await sent(tmp_path, STATUS, statuses=frozenset(statuses)) == expected


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("comma", [("s", "failed,gone")]),
        ("repeat", [("s", "failed"), ("s", "gone")]),
        ("brackets", [("s[]", "failed"), ("s[]", "gone")]),
        ("index", [("s[0]", "failed"), ("s[1]", "gone")]),
        ("single", []),
    ],
)
async def test_lists_are_sent_in_the_style_of_the_vendor(
    style: str, expected: Any, tmp_path: Path
) -> None:
    tables = f'{STATUS}\n[request]\nlists = "{style}"'
    assert await sent(tmp_path, tables, statuses=frozenset({FAILED})) == expected


OTHERS = """
[list.filters]
events = { param = "e", max = 2 }
codes = { param = "c", max = 5 }
correlation_id = { param = "m" }
"""


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"events": ("a", "b")}, [("e", "a,b")]),
        ({"events": ("a", "b", "c")}, []),
        ({"events": ("a,b",)}, []),
        ({"events": ("a\nb",)}, []),
        ({"status_codes": (500, 503)}, [("c", "500,501,502,503")]),
        ({"status_codes": (500, 599)}, []),
        ({"correlation_id": "m-1"}, [("m", "m-1")]),
        ({"hooks": ("h",)}, []),
    ],
)
async def test_filters_are_sent_if_the_vendor_takes_them(
    criteria: dict[str, Any], expected: Any, tmp_path: Path
) -> None:
    assert await sent(tmp_path, OTHERS, **criteria) == expected


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((204, 204), [("c", "fine")]),
        ((404, 503), [("c", "client,server")]),
        ((500, 700), [("c", "server")]),
        ((301, 404), []),
        ((100, 599), []),
    ],
)
async def test_ranges_of_codes_are_asked_for_if_they_have_values(
    codes: tuple[int, int], expected: Any, tmp_path: Path
) -> None:
    ranges = '{ 200-299 = "fine", 400-499 = "client", 500-599 = "server" }'
    table = f'[list.filters]\ncodes = {{ param = "c", ranges = {ranges} }}\n'
    assert await sent(tmp_path, table, status_codes=codes) == expected


async def test_pages_are_shared_by_filters_that_the_vendor_can_not_apply(tmp_path: Path) -> None:
    source = source_of(written(tmp_path, OTHERS), Vendor(lambda _: answer({"events": []})))
    criteria = Criteria(
        statuses=frozenset({FAILED}), events=("a", "b", "c"), since=MOMENT, correlation_id="m"
    )
    assert source.vendor.applicable(criteria) == Criteria(correlation_id="m")


async def test_refused_filter_is_left_out(tmp_path: Path) -> None:
    """Callers choose the values of filters, and a vendor may not know one."""

    def respond(request: httpx.Request) -> httpx.Response:
        refused = "e" in params_of(request)
        return answer({}, 422) if refused else answer({"events": rows(IDS)})

    source = source_of(written(tmp_path, OTHERS), Vendor(respond))
    (stream,) = (await source.find_streams(Operation(5))).streams
    page = await source.vendor.read_page(
        stream, Window(limit=50), Criteria(events=("a",)), Operation(5)
    )
    assert page.read == 7


async def test_list_by_post_sends_its_parameters_in_a_body(tmp_path: Path) -> None:
    vendor = Vendor(lambda _: answer({"events": rows(IDS)}))
    file = written(
        tmp_path,
        STATUS,
        replace={
            'items = "events"': 'items = "events"\nmethod = "POST"\n'
            'body = { search = { order = "desc" } }\nsize = { param = "search.limit" }\n'
            'paging = { kind = "offset", param = "search.begin" }'
        },
    )
    source = source_of(file, vendor)
    (stream,) = (await source.find_streams(Operation(5))).streams
    page = await source.vendor.read_page(
        stream,
        Window(limit=50, offset=3),
        Criteria(statuses=frozenset({FAILED})),
        Operation(5),
    )
    (request,) = vendor.requests
    assert page.offset == 3
    assert (request.method, request.url.query) == ("POST", b"")
    assert json.loads(request.content) == {
        "search": {"order": "desc", "limit": 50, "begin": 3},
        "s": "failed,gone",
    }


@pytest.mark.parametrize("document", [{}, [], {"events": {}}, {"events": "none"}, "text"])
async def test_document_without_the_list_is_refused(document: Any, tmp_path: Path) -> None:
    source = source_of(written(tmp_path), Vendor(lambda _: answer(document)))
    (stream,) = (await source.find_streams(Operation(5))).streams
    with pytest.raises(UpstreamError, match="not an object with events"):
        await source.vendor.read_page(stream, Window(limit=50), Criteria(), Operation(5))
