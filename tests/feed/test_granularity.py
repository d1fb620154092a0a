"""Lists whose upper time bound has whole seconds or more, while their logs may have fractions.

A kit rounds a bound up, so that a page begins with logs that were given already. Each log is given
once, or the report tells that so many share a step that the vendor does not list them all.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.feed import cursor, filters
from gateway.feed.feed import Feed, Slice
from gateway.model import Timestamp
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Found, Page, Stream, Window
from tests.support.examples import examples
from tests.support.fake_source import FakeSource

NOW = Timestamp(10**18)
MILLISECOND = 10**6
SECOND = 10**9
MINUTE = 60 * SECOND
PAGE_SIZE = 8


class CoarseSource(FakeSource):
    """A source whose kit rounds bounds up to whole steps.

    ``excludes`` is whether the vendor's bound is exclusive, and ``is_unsure`` whether the kit asks
    for a step more unless the window is exact.
    """

    def __init__(self, kind: str, step: int, *, excludes: bool, is_unsure: bool) -> None:
        super().__init__("one", [kind], page_size=PAGE_SIZE)
        self.step = step
        self.excludes = excludes
        self.is_unsure = is_unsure
        self.bounds: list[Timestamp] = []

    async def find_streams(self, operation: Operation) -> Found:
        found = await super().find_streams(operation)
        return Found([replace(stream, granularity=self.step) for stream in found.streams])

    async def read_page(
        self, stream: Stream, window: Window, wanted: Criteria, operation: Operation
    ) -> Page:
        assert len(self.calls) < 1000, "reads for ever"
        if window.until is not None:
            self.bounds.append(window.until)
            until = -(-window.until // self.step) * self.step
            until += self.step * (self.is_unsure and not window.exact)
            if self.excludes:
                until += self.step - 1
            window = replace(window, until=Timestamp(until))
        return await super().read_page(stream, window, wanted, operation)


async def read_all(source: FakeSource, first: int) -> tuple[list[str], list[int], list[Slice]]:
    ready = filters.prepare(None, NOW, ["one"])
    given: list[str] = []
    times: list[int] = []
    pages: list[Slice] = []
    while not pages or pages[-1].has_next:
        after = cursor.decode(cursor.encode(pages[-1].end), ready) if pages else None
        feed = Feed([source], ready, Operation(5), scan_limit=10_000, now=NOW)  # type: ignore[list-item]
        page = await feed.forward(first, after)
        pages.append(page)
        given += [entry.record.id for entry in page.entries]
        times += [entry.record.triggered_at or 0 for entry in page.entries]
        assert len(pages) < 1000
    return given, times, pages


STYLES = st.sampled_from(
    [
        {"excludes": False, "is_unsure": False},
        {"excludes": True, "is_unsure": False},
        {"excludes": False, "is_unsure": True},
        {"excludes": True, "is_unsure": True},
    ]
)


@examples(300)
@given(
    kind=st.sampled_from(["window", "moment"]),
    step=st.sampled_from([SECOND, MINUTE]),
    resolution=st.sampled_from([1, MILLISECOND, SECOND, MINUTE]),
    gaps=st.lists(st.sampled_from([0, 1, 1, 2, 7, 40, 900]), max_size=40),
    unit=st.sampled_from([MILLISECOND, 100 * MILLISECOND, SECOND, 20 * SECOND]),
    first=st.sampled_from([1, 3, 8, 40]),
    style=STYLES,
)
async def test_each_log_is_given_once_or_the_crowd_is_told(
    kind: str,
    step: int,
    resolution: int,
    gaps: list[int],
    unit: int,
    first: int,
    style: dict[str, bool],
) -> None:
    source = CoarseSource(kind, step, **style)
    time = 10**17 + 333_333_333
    for gap in gaps:
        time += gap * unit
        source.add(0, time // resolution * resolution)
    given, times, pages = await read_all(source, first)
    assert len(given) == len(set(given))
    assert times == sorted(times, reverse=True)
    errors = [report.error for page in pages for report in page.reports if report.error]
    crowd = Counter(-(-(row.triggered_at or 0) // step) for row in source.logs[0])
    # A page of three may be a full one, where no page was larger.
    is_crowded = len(crowd) == 1 or max(crowd.values(), default=0) >= PAGE_SIZE - 2
    if kind == "window" or not is_crowded:
        assert not errors
    assert set(given) == {row.id for row in source.logs[0]} or errors


@pytest.mark.parametrize("step", [SECOND, MINUTE])
async def test_reader_steps_over_a_full_step_at_once(step: int) -> None:
    """A bound of a millisecond less would be rounded up to the same one again and again."""
    source = CoarseSource("moment", step, excludes=False, is_unsure=False)
    for number in range(10):
        source.add(0, 10**17 + number + 1)
    for number in range(3):
        source.add(0, 10**17 - 5 * step - number * step)
    given, _, pages = await read_all(source, 100)
    assert len(given) == PAGE_SIZE + 3
    assert len(source.calls) < 9
    assert pages[-1].reports[0].error is not None
    assert f"logs share {'one second' if step == SECOND else '60 seconds'}" in str(
        pages[-1].reports[0].error
    )


async def test_bounds_are_whole_steps() -> None:
    """So that callers share cached pages, whatever the fractions of their cursors."""
    source = CoarseSource("window", SECOND, excludes=False, is_unsure=False)
    for number in range(40):
        source.add(0, 10**17 + number * 777 * MILLISECOND)
    given, _, _ = await read_all(source, 3)
    assert len(given) == 40
    assert source.bounds
    assert all(until % SECOND == 0 for until in source.bounds)


async def test_logs_of_one_step_are_read_by_offset_at_once() -> None:
    """No time leads from the first page to the next."""
    source = CoarseSource("window", SECOND, excludes=False, is_unsure=False)
    for number in range(5 * PAGE_SIZE):
        source.add(0, 10**17 + number + 1)
    given, _, pages = await read_all(source, 100)
    assert len(given) == 5 * PAGE_SIZE
    assert len(source.calls) <= 6
    assert pages[-1].reports[0].error is None
