"""Lists by token whose pages are cached, each on its own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from gateway.errors import UpstreamError
from gateway.feed import cursor, filters
from gateway.feed.cursor import Cursor
from gateway.feed.feed import Feed, Slice
from gateway.model import Timestamp, WebhookLog
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Page, Window
from tests.feed.test_stale_pages import PAGE, Listing


async def forward(source: Listing, first: int, after: Cursor | None = None) -> Slice:
    now = Timestamp(source.now)
    ready = filters.prepare(None, now, ["one"])
    if after is not None:
        after = cursor.decode(cursor.encode(after), ready)
    feed = Feed([source], ready, Operation(5), scan_limit=1000, now=now)
    return await feed.forward(first, after)


def numbers(page: Slice) -> list[int]:
    return [int(entry.record.upstream_id) for entry in page.entries]


async def test_cursor_of_another_process_is_followed_past_older_cached_pages() -> None:
    """The log of the cursor is newer than all that is cached here."""
    there, here = Listing("token", 12), Listing("token", 12)
    await here.read(PAGE)
    for listing in (there, here):
        listing.arrive(7)
    page = await forward(there, 1)
    assert numbers(page) == [19]
    page = await forward(here, 7, page.end)
    assert numbers(page) == list(range(18, 11, -1))


async def test_log_is_searched_for_by_token() -> None:
    source = Listing("token", 3 * PAGE)
    found = await source.log(("2",), Operation(5))
    assert found.value is not None
    assert found.value.upstream_id == "2"
    assert source.calls == 3
    assert (await source.log(("99",), Operation(5))).value is None


@pytest.mark.parametrize("gives_empty_pages", [True, False])
async def test_search_goes_on_where_a_cached_page_names_one_that_is_gone(
    *, gives_empty_pages: bool
) -> None:
    source = Listing("token", 3 * PAGE)
    source._vendor.gives_empty_pages = gives_empty_pages
    await source.log((str(3 * PAGE),), Operation(5))
    assert source.calls == 1
    source._vendor.token_version += 1
    found = await source.log(("3",), Operation(5))
    assert found.value is not None
    assert found.value.upstream_id == "3"


async def test_search_by_tokens_that_lead_in_circles_ends() -> None:
    source = Listing("token", 3 * PAGE)
    usual_page = source._vendor._page_of_token

    def answer(rows: Sequence[WebhookLog], window: Window) -> Page:
        page = usual_page(rows, window)
        return page if page.next_token else replace(page, next_token="v1_10")

    source._vendor._page_of_token = answer  # type: ignore[assignment, method-assign]
    with pytest.raises(UpstreamError, match="lead back"):
        await source.log(("99",), Operation(5))
    assert source.calls < 10
