"""Polling with ``before`` returns each new log once.

A dashboard polls with the startCursor of the last response. It must not miss a log because the
vendor recorded it late, because its source was down, or because a clock is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ErrorCode, UpstreamError
from gateway.feed import cursor, filters
from gateway.feed.feed import Feed, Slice
from gateway.feed.new_rows import LATENESS
from gateway.model import Timestamp, WebhookLogStatus
from gateway.upstream.operation import Operation
from tests.support.examples import examples
from tests.support.fake_source import FakeSource

SECOND = 10**9
MINUTE = 60 * SECOND
START = 10**18


def down(name: str) -> UpstreamError:
    return UpstreamError(ErrorCode.UPSTREAM_ERROR, f"Source {name} is down.", source=name)


class Poller:
    """A client that polls for new logs and keeps them."""

    def __init__(
        self, sources: Sequence[FakeSource], *, last: int = 100, wanted: Any = None
    ) -> None:
        self.sources = sources
        self.now = START
        self.given: list[str] = []
        self.last = last
        self._wanted = wanted
        self._filter = filters.prepare(
            wanted, Timestamp(START), [source.name for source in sources]
        )
        self.place = ""

    def feed(self) -> Feed:
        for source in self.sources:
            source.now = self.now
        return Feed(
            self.sources,  # type: ignore[arg-type]
            self._filter,
            Operation(5),
            scan_limit=10_000,
            now=Timestamp(self.now),
        )

    def _take(self, page: Slice) -> list[str]:
        text = cursor.encode(page.start)
        # What was seen before a failure is remembered beside what was seen since.
        assert len(text) < 2000
        self.place = text
        given = [entry.log.id for entry in page.entries]
        self.given += given
        return given

    async def begin(self, first: int = 25) -> list[str]:
        return self._take(await self.feed().forward(first, None))

    async def poll(self) -> list[str]:
        """Request pages until there are no new logs."""
        given: list[str] = []
        while True:
            before = cursor.decode(self.place, self._filter)
            page = await self.feed().backward(self.last, before)
            found = self._take(page)
            given += found
            if not found:
                assert page.start == page.end == before
                return given


def source(name: str, kind: str, count: int, step: int = MINUTE, page_size: int = 50) -> FakeSource:
    made = FakeSource(name, [kind], page_size=page_size)
    for number in range(count, 0, -1):
        made.add(0, START - number * step)
    return made


KINDS = ["window", "offset", "page", "moment", "token"]


@pytest.mark.parametrize("kind", KINDS)
async def test_late_log_is_returned_once(kind: str) -> None:
    """A log recorded five minutes late belongs below logs that were already returned."""
    one, two = source("one", kind, 60), source("two", "window", 60)
    poller = Poller([one, two])
    await poller.begin()
    assert len(poller.place) < 2000
    late = one.add(0, START - 5 * MINUTE + 1)
    new = two.add(0, START + 1)
    poller.now += MINUTE
    assert sorted(await poller.poll()) == sorted([late.id, new.id])
    assert await poller.poll() == []


async def test_late_log_of_a_quiet_list_is_returned_at_any_age() -> None:
    one = source("one", "offset", 3)
    poller = Poller([one])
    await poller.begin()
    late = one.add(0, START - 1000 * MINUTE)
    assert await poller.poll() == [late.id]
    assert await poller.poll() == []


@pytest.mark.parametrize("kind", KINDS)
async def test_log_an_hour_ahead_hides_nothing(kind: str) -> None:
    """All logs of the next hour are older than the newest one."""
    one = source("one", kind, 60)
    one.add(0, START + 60 * MINUTE)
    poller = Poller([one])
    await poller.begin()
    for minutes in range(1, 5):
        poller.now = START + minutes * MINUTE
        new = one.add(0, START + minutes * MINUTE - 1)
        assert await poller.poll() == [new.id]
        assert await poller.poll() == []


@pytest.mark.sampled(7)
@pytest.mark.parametrize("kind", KINDS)
async def test_logs_recorded_during_an_outage_are_returned_after_it(
    kind: str,
) -> None:
    one, two = source("one", kind, 60), source("two", "window", 60)
    poller = Poller([one, two])
    await poller.begin()
    missed = []
    for where in ("0", "find"):
        one.errors[where] = down("one")
        for _ in range(60):
            poller.now += MINUTE
            missed.append(one.add(0, poller.now - 30 * SECOND).id)
            new = two.add(0, poller.now - 20 * SECOND)
            assert await poller.poll() == [new.id]
        del one.errors[where]
    poller.now += MINUTE
    assert sorted(await poller.poll()) == sorted(missed)
    assert await poller.poll() == []


async def test_logs_recorded_since_a_failed_first_page_are_returned() -> None:
    one, two = source("one", "offset", 60), source("two", "window", 60)
    one.errors["0"] = down("one")
    poller = Poller([one, two])
    await poller.begin()
    missed = []
    for _ in range(30):
        poller.now += MINUTE
        missed.append(one.add(0, poller.now - 30 * SECOND).id)
        two.add(0, poller.now - 20 * SECOND)
        await poller.poll()
    one.errors.clear()
    assert set(missed) <= set(await poller.poll())
    assert await poller.poll() == []


async def test_logs_recorded_while_stale_pages_were_served_are_returned() -> None:
    """A stale page shows the list from before the outage, without an error."""
    one, two = source("one", "offset", 60), source("two", "window", 60)
    poller = Poller([one, two])
    await poller.begin()
    one.freeze()
    missed = []
    for _ in range(40):
        poller.now += MINUTE
        missed.append(one.add(0, poller.now - 30 * SECOND).id)
        new = two.add(0, poller.now - 20 * SECOND)
        assert await poller.poll() == [new.id]
    one.frozen_at = None
    poller.now += MINUTE
    assert sorted(await poller.poll()) == sorted(missed)
    assert await poller.poll() == []


async def test_poller_of_an_empty_list_keeps_its_position() -> None:
    one = source("one", "window", 0)
    poller = Poller([one])
    assert await poller.begin() == []
    assert await poller.poll() == []
    new = [one.add(0, START + number).id for number in range(3)]
    assert sorted(await poller.poll()) == sorted(new)
    assert await poller.poll() == []


async def test_poller_that_starts_with_an_empty_page_gets_only_later_logs() -> None:
    one = source("one", "offset", 40)
    poller = Poller([one])
    assert await poller.begin(0) == []
    assert await poller.poll() == []
    new = one.add(0, START + 5)
    assert await poller.poll() == [new.id]


async def test_undated_logs_are_returned_once() -> None:
    one, two = FakeSource("one", ["offset"]), source("two", "window", 60)
    for _ in range(30):
        one.add(0, None)
    poller = Poller([one, two])
    await poller.begin()
    for _ in range(3):
        new = [one.add(0, None).id, one.add(0, None).id, two.add(0, poller.now).id]
        poller.now += MINUTE
        assert sorted(await poller.poll()) == sorted(new)
        assert await poller.poll() == []


async def test_filtered_poll_returns_only_matching_logs() -> None:
    one = source("one", "offset", 40)
    poller = Poller([one], wanted={"status": {"eq": WebhookLogStatus.FAILED}})
    assert await poller.begin() == []
    one.add(0, START + 1)
    failed = one.add(0, START + 2, "FAILED")
    assert await poller.poll() == [failed.id]
    assert await poller.poll() == []


@pytest.mark.slow
async def test_cursor_stays_small_with_many_lists() -> None:
    sources = [FakeSource(f"s{number}", ["window"] * 20, page_size=50) for number in range(10)]
    for each in sources:
        for stream in range(20):
            for number in range(5):
                each.add(stream, START - (number + 1) * MINUTE - stream)
    poller = Poller(sources)
    await poller.begin()
    page = await poller.feed().forward(25, None)
    for _ in range(3):
        assert len(cursor.encode(page.end)) < 2000
        page = await poller.feed().forward(25, page.end)
    sources[3].add(7, START)
    assert len(await poller.poll()) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "last"), [(3, 2), (9, 1), (9, 4), (40, 9), (150, 100)])
async def test_logs_of_one_moment_are_given_by_several_polls(
    kind: str, count: int, last: int
) -> None:
    # Of a list that is read by time alone, no more than a page can be of one moment.
    one, two = source("one", kind, 20, page_size=200), source("two", "window", 20)
    poller = Poller([one, two], last=last)
    await poller.begin()
    for minute in range(1, 4):
        poller.now = START + minute * MINUTE
        added = [each.add(0, poller.now).id for each in (one, two) for _ in range(count)]
        given = await poller.poll()
        assert len(given) == len(added)
        assert set(given) == set(added)
        # Of more logs than are remembered, those below the cursor can't be told apart.
        if count < 100:
            late = [each.add(0, poller.now).id for each in (one, two)]
            assert sorted(await poller.poll()) == sorted(late)
        assert await poller.poll() == []


@examples(120)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
    last=st.sampled_from([1, 3, 100]),
    first=st.sampled_from([0, 1, 25]),
    count=st.sampled_from([0, 5, 40, 200]),
    grain=st.sampled_from([1, SECOND, MINUTE]),
)
async def test_poller_gets_each_log_once(
    kinds: list[str], seed: int, last: int, first: int, count: int, grain: int
) -> None:
    chance = random.Random(seed)
    sources = [source(f"s{number}", kind, count, 7 * SECOND) for number, kind in enumerate(kinds)]
    poller = Poller(sources, last=last)
    seen = await poller.begin(first)
    before = {row.id for each in sources for row in each.logs[0]}
    times: set[int] = set()
    for _ in range(12):
        poller.now += chance.randrange(1, 90) * SECOND
        for each in sources:
            for _ in range(chance.choice([0, 0, 1, 2, 5])):
                # Not later than the feed allows for, and rarely ahead of time.
                age = chance.choice([0, 1, 60, LATENESS // SECOND - 100])
                time = poller.now - age * SECOND + chance.choice([0] * 9 + [3600]) * SECOND
                time += -time % grain
                while grain == 1 and time in times:
                    time += 1
                times.add(time)
                each.add(0, time)
            if each is sources[0] and chance.random() < 0.2:
                where = chance.choice(["0", "find"])
                each.errors[where] = down(each.name)
            elif chance.random() < 0.6:
                each.errors.clear()
        if not all(each.errors for each in sources):
            await poller.poll()
    for each in sources:
        each.errors.clear()
    await poller.poll()
    arrived = {
        row.id
        for each in sources
        for row in each.logs[0]
        # Earlier logs may lie below everything that the first page read.
        if row.id not in before and (row.triggered_at or 0) > START
    }
    polled = poller.given[len(seen) :]
    assert len(polled) == len(set(polled))
    assert arrived <= set(polled)
    assert not set(seen) & set(polled)
