"""The merge returns every log once, newest first, however the lists change meanwhile."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.errors import AllSourcesFailedError, ErrorCode, RequestError, UpstreamError
from gateway.feed import cursor, filters
from gateway.feed.cursor import UNDATED
from gateway.feed.feed import Feed, Slice
from gateway.model import Timestamp, WebhookLogStatus
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Page, StreamsChanged
from tests.support.examples import examples
from tests.support.fake_source import FakeSource

NOW = Timestamp(10**18)
MILLISECOND = 10**6


def down(name: str) -> UpstreamError:
    return UpstreamError(ErrorCode.UPSTREAM_ERROR, f"Source {name} is down.", source=name)


def feed(
    sources: list[FakeSource],
    wanted: dict[str, Any] | None = None,
    *,
    scan_limit: int = 10_000,
    seconds: float = 5,
) -> Feed:
    ready = filters.prepare(wanted, NOW, [source.name for source in sources])
    operation = Operation(seconds)
    return Feed(sources, ready, operation, scan_limit=scan_limit, now=NOW)  # type: ignore[arg-type]


async def forward(
    sources: list[FakeSource],
    first: int,
    after: str | None = None,
    wanted: dict[str, Any] | None = None,
    **options: Any,
) -> Slice:
    ready = filters.prepare(wanted, NOW, [source.name for source in sources])
    start = None if after is None else cursor.decode(after, ready)
    return await feed(sources, wanted, **options).forward(first, start)


def end(page: Slice) -> str:
    assert page.end is not None
    return cursor.encode(page.end)


def given_ids(page: Slice) -> list[str]:
    return [entry.log.id for entry in page.entries]


@pytest.mark.slow
@examples(300)
@given(
    kinds=st.lists(
        st.lists(
            st.sampled_from(["window", "moment", "offset", "page", "token"]), min_size=1, max_size=3
        ),
        min_size=1,
        max_size=3,
    ),
    page_size=st.integers(5, 12),
    first=st.integers(1, 20),
    seed=st.integers(0, 2**32),
    spread=st.sampled_from([3, 50, 5000]),
    restless=st.booleans(),
)
@example([["page", "page", "page"], ["offset", "window"]], 7, 17, 796705531, 5000, True)
async def test_every_log_is_returned_once_newest_first(
    kinds: list[list[str]], page_size: int, first: int, seed: int, spread: int, restless: bool
) -> None:
    chance = random.Random(seed)
    clock = [10**15]
    sources: list[FakeSource] = []
    deleted: set[str] = set()

    def happens(source: FakeSource, stream: int, time: int) -> None:
        """Add a delivery, but no more with one time than a list without offsets can show."""
        logs = source.logs[stream]
        ties = page_size - 2 if source.kinds[stream] == "moment" else 10**6
        if sum(row.triggered_at == time for row in logs) < ties:
            source.add(stream, time)

    def unrest() -> None:
        """Add deliveries, and delete entries of the lists with offsets."""
        if not restless or chance.random() < 0.5:
            return
        source = chance.choice(sources)
        stream = chance.randrange(len(source.kinds))
        clock[0] += chance.randrange(3) * MILLISECOND
        happens(source, stream, clock[0])
        logs = source.logs[stream]
        if source.kinds[stream] in {"offset", "page", "token"}:
            for _ in range(chance.randrange(4)):
                if logs:
                    deleted.add(logs.pop(chance.randrange(len(logs))).id)

    for number, streams in enumerate(kinds):
        sources.append(FakeSource(f"s{number}", streams, page_size=page_size, before_call=unrest))
    for source in sources:
        for stream in range(len(source.kinds)):
            for _ in range(chance.randrange(40)):
                happens(source, stream, 10**15 - chance.randrange(spread) * MILLISECOND)
    existing = {row.id for source in sources for logs in source.logs for row in logs}

    seen: list[str] = []
    times: list[int] = []
    after = None
    while True:
        page = await forward(sources, first, after)
        seen += given_ids(page)
        times += [entry.log.triggered_at or 0 for entry in page.entries]
        if not page.has_next:
            break
        after = end(page)

    assert len(seen) == len(set(seen))
    assert existing - deleted <= set(seen)
    assert times == sorted(times, reverse=True)


async def test_log_without_a_time_follows_the_log_before_it() -> None:
    dated = FakeSource("dated", ["window"])
    partly = FakeSource("partly", ["offset"], page_size=5)
    never = FakeSource("never", ["offset"], page_size=5)
    for time in (90, 70, 50):
        dated.add(0, time)
    for number, moment in enumerate([80, None, None, 60, None, 40]):
        row = partly.add(0, moment)
        partly.logs[0].remove(row)
        partly.logs[0].insert(number, row)
    for _ in range(7):
        never.add(0, None)
    sources = [dated, partly, never]

    seen: list[tuple[str, int | None]] = []
    after = None
    while True:
        page = await forward(sources, 2, after)
        seen += [(entry.log.source, entry.log.triggered_at) for entry in page.entries]
        if not page.has_next:
            break
        after = end(page)
    assert seen == [
        ("dated", 90),
        ("partly", 80),
        ("partly", None),
        ("partly", None),
        ("dated", 70),
        ("partly", 60),
        ("partly", None),
        ("dated", 50),
        ("partly", 40),
        *[("never", None)] * 7,
    ]
    assert page.end is not None
    assert page.end.time == UNDATED


async def test_log_out_of_order_moves_no_other_log() -> None:
    crooked, other = FakeSource("crooked", ["offset"]), FakeSource("other", ["window"])
    for number, time in enumerate([90, 5, 70, 60]):
        row = crooked.add(0, time)
        crooked.logs[0].remove(row)
        crooked.logs[0].insert(number, row)
    for time in (80, 65, 10):
        other.add(0, time)
    page = await forward([crooked, other], 10)
    assert [entry.log.triggered_at for entry in page.entries] == [90, 5, 80, 70, 65, 60, 10]


async def test_first_page_costs_one_call_per_stream_and_the_next_only_where_needed() -> None:
    busy = FakeSource("busy", ["window", "offset"], page_size=10)
    quiet = FakeSource("quiet", ["window", "page", "moment"], page_size=10)
    for number in range(100):
        busy.add(number % 2, 10**15 - number * MILLISECOND)
    for stream in range(3):
        quiet.add(stream, 10**9)
    sources = [busy, quiet]

    page = await forward(sources, 5)
    assert [len(source.calls) for source in sources] == [2, 3]
    for source in sources:
        source.calls.clear()

    for _ in range(8):
        page = await forward(sources, 5, end(page))
    assert [report.upstream_calls for report in page.reports] == [2, 0]
    assert quiet.calls == []


@pytest.mark.sampled(5)
@pytest.mark.parametrize("kind", ["window", "moment", "offset"])
async def test_deep_pages_cost_as_much_as_the_second(kind: str) -> None:
    source = FakeSource("deep", [kind], page_size=10)
    for number in range(1000):
        source.add(0, 10**15 - number * MILLISECOND)
    costs = []
    page = await forward([source], 5)
    while page.has_next:
        page = await forward([source], 5, end(page))
        costs.append(page.reports[0].upstream_calls)
    # The last page may be empty, since a short page does not mean that none follows.
    assert len(costs) in {199, 200}
    assert max(costs) == costs[0] == 1


async def test_full_page_of_logs_with_one_time_is_read_to_its_end() -> None:
    source = FakeSource("burst", ["window"], page_size=5)
    for _ in range(23):
        source.add(0, 10**15)
    page = await forward([source], 100)
    assert len(set(given_ids(page))) == 23
    assert page.reports[0].notes == []


async def test_more_logs_with_one_time_than_a_vendor_lists_are_reported() -> None:
    source = FakeSource("burst", ["moment"], page_size=5)
    for _ in range(9):
        source.add(0, 10**15)
    source.add(0, 10**15 - MILLISECOND)
    page = await forward([source], 100)
    assert len(set(given_ids(page))) == 6
    assert page.reports[0].notes == [
        "More than 5 logs share one millisecond; the vendor does not list the others."
    ]


async def test_list_that_ignores_paging_ends() -> None:
    class Stubborn(FakeSource):
        async def read_page(self, stream: Any, window: Any, wanted: Any, operation: Any) -> Any:
            page = await super().read_page(stream, replace(window, offset=0), wanted, operation)
            return replace(page, more=True, offset=window.offset)

    source = Stubborn("stubborn", ["offset"], page_size=5)
    for number in range(5):
        source.add(0, 10**15 - number)
    page = await forward([source], 50)
    assert len(given_ids(page)) == 5
    assert not page.has_next


@pytest.mark.parametrize("kind", ["window", "offset", "page"])
async def test_duplicate_rows_hide_no_later_rows(kind: str) -> None:
    class Stuttering(FakeSource):
        async def read_page(self, *asked: Any) -> Page:
            page = await super().read_page(*asked)
            rows = [row for row in page.logs for _ in range(2)]
            return replace(page, logs=rows, read=len(rows), more=page.more and len(rows) < 40)

    source = Stuttering("one", [kind])
    for time in range(65):
        source.add(0, time)
    given, after = [], None
    for _ in range(5):
        page = await forward([source], 20, after)
        given += given_ids(page)
        after = end(page)
    assert given == [row.id for row in source.logs[0]]


async def test_failing_source_is_reported_and_affects_no_other() -> None:
    good, bad, half = (
        FakeSource("good", ["window"]),
        FakeSource("bad", ["offset"]),
        FakeSource("half", ["offset", "offset"]),
    )
    for source in (good, bad, half):
        for stream in range(len(source.kinds)):
            source.add(stream, 50 + stream)
    bad.errors["find"] = down("bad")
    half.errors["1"] = down("half")
    page = await forward([good, bad, half], 10)
    assert [entry.log.source for entry in page.entries] == ["good", "half"]
    assert [(report.failed, report.error is None) for report in page.reports] == [
        (False, True),
        (True, False),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("where", "what"),
    [("find", "Finding the streams of source bad"), ("0", "Reading source bad")],
)
async def test_defect_in_one_source_affects_no_other(
    caplog: pytest.LogCaptureFixture, where: str, what: str
) -> None:
    good, bad = FakeSource("good", ["window"]), FakeSource("bad", ["window"])
    good.add(0, 50)
    bad.errors[where] = ZeroDivisionError("secret")
    page = await forward([good, bad], 10)
    assert len(page.entries) == 1
    error = page.reports[1].error
    assert error is not None
    assert error.code is ErrorCode.INTERNAL_ERROR
    assert "secret" not in str(error)
    assert page.reports[1].failed
    assert f"{what} failed." in caplog.text
    assert "ZeroDivisionError: secret" in caplog.text


async def test_source_that_lacks_the_filtered_field_is_not_read() -> None:
    full, bare = FakeSource("full", ["window"]), FakeSource("bare", ["offset"])
    bare.lacks = frozenset({"event"})
    for source in (full, bare):
        source.add(0, 50)
    page = await forward([full, bare], 10, wanted={"event": {"eq": "push"}})
    assert [(report.source, report.scanned, report.upstream_calls) for report in page.reports] == [
        ("full", 1, 2),
        ("bare", 0, 0),
    ]
    assert page.reports[1].notes == [
        "It was not read: no log of its vendor has what the filter asks for."
    ]
    assert (page.reports[1].error, page.reports[1].failed) == (None, False)
    assert (bare.calls, page.has_next) == ([], False)

    wanted = {"event": {"neq": "push"}, "source": {"eq": "bare"}}
    for number in range(30):
        bare.add(0, 40 - number)
    asked = feed([full, bare], wanted)
    page = await asked.forward(5, None)
    assert [entry.log.source for entry in page.entries] == ["bare"] * 5
    assert [(report.source, report.notes) for report in page.reports] == [("bare", [])]
    # All events are push, so the vendor's own count is right.
    assert await asked.count(page) == 31


async def test_streams_that_are_never_found_affect_no_other_source() -> None:
    good, bad = FakeSource("good", ["window"]), FakeSource("bad", ["window"])
    good.add(0, 50)
    refusal = down("bad")
    bad.errors["0"] = StreamsChanged(refusal)
    page = await forward([good, bad], 10)
    assert [entry.log.source for entry in page.entries] == ["good"]
    assert (page.reports[1].error, page.reports[1].failed) == (refusal, True)


async def test_streams_that_change_during_the_merge_affect_no_other_source() -> None:
    good, bad = FakeSource("good", ["window"]), FakeSource("bad", ["offset"], page_size=5)
    for number in range(6):
        bad.add(0, 10**15 - number * MILLISECOND)
    for number in range(10):
        good.add(0, 10**14 - number * MILLISECOND)
    refusal = down("bad")

    def change() -> None:
        if len(bad.calls) == 1:
            bad.errors["0"] = StreamsChanged(refusal)

    bad._before_call = change
    page = await forward([good, bad], 8)
    assert [entry.log.source for entry in page.entries] == ["bad"] * 5 + ["good"] * 3
    assert (page.reports[1].error, page.reports[1].failed) == (refusal, False)


async def test_logs_of_a_recovered_source_do_not_appear_out_of_order() -> None:
    steady, shaky = FakeSource("steady", ["window"]), FakeSource("shaky", ["page"], page_size=5)
    for number in range(20):
        (steady if number % 2 else shaky).add(0, 10**15 - number * MILLISECOND)
    first = await forward([steady, shaky], 6)
    shaky.errors["0"] = down("shaky")
    second = await forward([steady, shaky], 3, end(first))
    del shaky.errors["0"]
    third = await forward([steady, shaky], 10, end(second))
    times = [row.log.triggered_at for row in (*first.entries, *second.entries, *third.entries)]
    assert times == sorted(times, key=lambda time: -(time or 0))
    assert len(times) == len(set(times))
    again = await forward([steady, shaky], 3, end(first))
    assert {entry.log.source for entry in again.entries} == {"steady", "shaky"}


async def test_list_is_an_error_only_if_all_sources_fail() -> None:
    one, two = FakeSource("one", ["window"]), FakeSource("two", ["window"])
    for source in (one, two):
        source.errors["0"] = down(source.name)
    with pytest.raises(AllSourcesFailedError) as caught:
        await forward([one, two], 10)
    assert [error.source for error in caught.value.errors] == ["one", "two"]


async def test_search_for_a_rare_match_stops_at_the_scan_limit_and_resumes() -> None:
    source = FakeSource("rare", ["window"], page_size=10)
    for number in range(100):
        source.add(0, 10**15 - number * MILLISECOND, "FAILED" if number == 77 else "SUCCEEDED")
    wanted = {"status": {"eq": WebhookLogStatus.FAILED}}
    found, empty = [], 0
    after = None
    while True:
        page = await forward([source], 5, after, wanted, scan_limit=30)
        found += given_ids(page)
        empty += not page.entries
        assert sum(report.scanned for report in page.reports) <= 30
        if not page.has_next:
            break
        after = end(page)
    assert len(found) == 1
    assert empty == 3


OVER = -1.0
"""Time limit of an operation whose deadline has passed, in seconds."""


async def test_search_for_a_rare_match_stops_at_the_deadline_and_resumes() -> None:
    source = FakeSource("rare", ["window"], page_size=70)
    for number in range(350):
        source.add(0, 10**15 - number * MILLISECOND, "FAILED" if number == 177 else "SUCCEEDED")
    wanted = {"status": {"eq": WebhookLogStatus.FAILED}}
    pages = [await forward([source], 5, None, wanted, seconds=OVER)]
    while pages[-1].has_next:
        pages.append(await forward([source], 5, end(pages[-1]), wanted, seconds=OVER))
    assert [len(page.entries) for page in pages] == [0, 1, 0, 0]
    assert [page.reports[0].scanned for page in pages] == [100, 100, 100, 50]
    # A page that needs no search is complete even after the deadline.
    assert len((await forward([source], 100, seconds=OVER)).entries) == 100


async def test_scan_of_a_list_does_not_block_other_tasks() -> None:
    source = FakeSource("rare", ["window"], page_size=500)
    for number in range(500):
        source.add(0, 10**15 - number)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await forward([source], 5, None, {"status": {"eq": WebhookLogStatus.FAILED}})
    task.cancel()
    assert turns >= 500 // filters.MAX_ROWS


async def test_logs_newer_than_a_cursor() -> None:
    source, other = FakeSource("one", ["window"]), FakeSource("two", ["page"])
    for number in range(20):
        source.add(0, 10**15 - number)
        other.add(0, 10**15 - number)
    page = await forward([source, other], 10)
    start = page.entries[0].cursor()

    nothing = await feed([source, other]).backward(10, start)
    assert (list(nothing.entries), nothing.has_previous, nothing.has_next) == ([], False, True)

    # At the cursor's own time, and later.
    arrived = [other.add(0, 10**15), source.add(0, 10**15 + 5), other.add(0, 10**15 + 7)]
    new = await feed([source, other]).backward(10, start)
    assert set(given_ids(new)) == {row.id for row in arrived}
    assert [entry.log.triggered_at for entry in new.entries] == [10**15 + 7, 10**15 + 5, 10**15]

    nearest = await feed([source, other]).backward(1, start)
    assert [entry.log.triggered_at for entry in nearest.entries] == [10**15]
    assert nearest.has_previous

    last = page.entries[-1].cursor()
    between = await feed([source, other]).backward(100, last)
    assert set(given_ids(between)) == {*given_ids(page)[:-1], *(row.id for row in arrived)}


async def test_counting_back_too_far_is_refused() -> None:
    source = FakeSource("one", ["window"], page_size=10)
    for number in range(50):
        source.add(0, 10**15 - number)
    page = await forward([source], 40)
    with pytest.raises(RequestError) as caught:
        await feed([source], scan_limit=20).backward(5, page.entries[-1].cursor())
    assert caught.value.code is ErrorCode.CURSOR_TOO_OLD


async def test_counting_back_ends_at_the_deadline() -> None:
    source = FakeSource("one", ["window"], page_size=10)
    for number in range(150):
        source.add(0, 10**15 - number)
    page = await forward([source], 150)
    for place, count in ((90, 5), (140, None)):
        late = feed([source], seconds=OVER).backward(5, page.entries[place].cursor())
        if count:
            assert len((await late).entries) == count
        else:
            with pytest.raises(RequestError, match="There was no time to look at all") as caught:
                await late
            assert caught.value.code is ErrorCode.CURSOR_TOO_OLD


async def test_total_is_exact_or_none() -> None:
    one, two = FakeSource("one", ["window", "offset"]), FakeSource("two", ["page"])
    for source in (one, two):
        for stream in range(len(source.kinds)):
            for number in range(30):
                source.add(stream, 10**15 - number)

    async def total(wanted: dict[str, Any] | None, after: str | None = None) -> int | None:
        made = feed([one, two], wanted)
        ready = filters.prepare(wanted, NOW, ["one", "two"])
        page = await made.forward(5, None if after is None else cursor.decode(after, ready))
        return await made.count(page)

    assert await total(None) == 90
    assert await total(None, end(await forward([one, two], 5))) == 90
    assert await total({"source": {"eq": "two"}}) == 30
    assert await total({"source": {"neq": "two"}}) == 60
    assert await total({"status": {"eq": WebhookLogStatus.SUCCEEDED}}) is None
    two.errors["0"] = down("two")
    assert await total(None) is None


async def test_deleted_list_has_no_total() -> None:
    source = FakeSource("one", ["moment"], page_size=5)
    for number in range(20):
        source.add(0, 10**15 - number * MILLISECOND)
    asked = feed([source])
    page = await asked.forward(3, None)
    source.errors["0"] = StreamsChanged(down("one"))
    assert await asked.count(page) is None


async def test_empty_page_still_shows_whether_there_are_logs() -> None:
    source = FakeSource("one", ["window"])
    page = await forward([source], 0)
    assert (list(page.entries), page.has_next, page.end.is_top) == ([], False, True)
    source.add(0, 5)
    page = await forward([source], 0)
    assert (list(page.entries), page.has_next) == ([], True)
