"""Lists of separately cached pages, while some are refreshed and the vendor fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import SecretStr, TypeAdapter

from gateway import ids
from gateway.cache import Cache, Cached, Entry
from gateway.cache.memory import MemoryStore
from gateway.errors import AllSourcesFailedError, ErrorCode, UpstreamError
from gateway.feed import filters
from gateway.feed.feed import Feed
from gateway.model import CacheStatus, Freshness, Timestamp
from gateway.settings import SourceSettings
from gateway.sources.caching import SourceCache
from gateway.sources.source import Source
from gateway.sources.stale_pages import continue_stale
from gateway.upstream.operation import Operation
from gateway.vendors.language_weaver.parsing import LanguageWeaverDetails
from gateway.vendors.language_weaver.vendor import LanguageWeaver
from gateway.vendors.pages import Criteria, Found, Page, PushedOff, Scan, Stream, Window
from tests.support.examples import examples
from tests.support.fake_source import FakeSource, log
from tests.support.virtual_time import VIRTUAL_TIME, Backend

SECOND = 10**9
MILLISECOND = 10**6
PAGE = 5
FRESH, DEEP, BEHIND, BRIDGED = 5, 30, 30, 3600
"""Seconds for which first and other pages are fresh, and how long they are served after that."""
KINDS = ("offset", "page", "window")


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Answer(NamedTuple):
    """The numbers of the logs that a caller gets, and the source's report."""

    numbers: list[int]
    error: ErrorCode | None
    failure: str | None
    status: CacheStatus | None
    since: Timestamp


class Kit(LanguageWeaver):
    """A vendor of one list in memory."""

    def __init__(self, settings: Any, kind: str, listing: Listing) -> None:
        super().__init__(settings, None, None)  # type: ignore[arg-type]  # nothing is sent
        self.list = FakeSource("one", [kind], page_size=PAGE)
        self._stream = Stream(key="0", by_token=kind == "token")
        self._listing = listing

    async def find_streams(self, operation: Operation) -> Found:
        return await self.list.find_streams(operation)

    async def read_page(
        self, stream: Stream, window: Window, wanted: Criteria, operation: Operation
    ) -> Page:
        listing = self._listing
        listing.now += MILLISECOND
        asked = replace(window, limit=min(window.limit, listing.most))
        page = await self.list.read_page(stream, asked, wanted, operation)
        listing.now += MILLISECOND
        if listing.fails():
            raise UpstreamError(listing.code, "It failed.", source="one")
        return page

    def scan_for(self, place: tuple[str, ...]) -> Scan | None:
        return Scan(self._stream, place[0])


class Listing(Source):
    """A source of one list in memory, whose pages are cached as those of any source.

    ``fails`` decides for each call whether it fails with ``code``; ``most`` is the maximum number
    of logs on a page. ``states`` are all states of the list: since when, and its logs' numbers.
    """

    def __init__(self, kind: str, count: int) -> None:
        auth = {"type": "api-key", "key": SecretStr("key")}
        document = {
            "name": "one",
            "provider": "language-weaver",
            "base_url": "https://vendor.example",
            "auth": auth,
        }
        self.now = 10**18
        self.most = PAGE
        self.fails: Callable[[], bool] = lambda: False
        self.code = ErrorCode.UPSTREAM_ERROR
        self.states: list[tuple[int, tuple[int, ...]]] = []
        settings = TypeAdapter(SourceSettings).validate_python(document)
        kit = Kit(settings, kind, self)
        kit.page_size = PAGE
        self._vendor = kit.list
        store = MemoryStore(max_entries=1000, max_bytes=2**26)
        self.cache = Cache(store, lambda: self.now)
        client: Any = None
        super().__init__("one", kit, client, SourceCache(settings, client, self.cache))
        self.arrive(count)

    @property
    def calls(self) -> int:
        return len(self._vendor.calls)

    def arrive(self, count: int) -> None:
        for _ in range(count):
            self.now += MILLISECOND
            self._vendor.add(0, self.now)
        self._changed()

    def lose(self, place: int) -> None:
        """Delete the log at an index, without the gateway."""
        if place < len(self._vendor.logs[0]):
            del self._vendor.logs[0][place]
            self._changed()

    def _changed(self) -> None:
        self.now += MILLISECOND
        numbers = tuple(int(log.upstream_id) for log in self._vendor.logs[0])
        self.states.append((self.now, numbers))

    def since(self, moment: int) -> list[set[int]]:
        """Return all states of the list since a time."""
        times = [time for time, _ in self.states]
        begin = max(index for index, time in enumerate(times) if time <= moment)
        return [set(numbers) for _, numbers in self.states[begin:]]

    async def read_one(self, number: int) -> None:
        """Read only the page with an index, from 0."""
        window = Window(limit=PAGE, offset=number * PAGE)
        await self.page(Stream(key="0"), window, Criteria(), Operation(5))

    async def renew(self) -> None:
        """Read the first page again once it is stale."""
        self.now += (FRESH + BEHIND) * SECOND
        await self.read(PAGE)

    async def read(self, first: int) -> Answer:
        """Read a first page of the merged list, and wait for background work to end."""
        self.now += MILLISECOND
        ready = filters.prepare(None, Timestamp(self.now), ["one"])
        feed = Feed([self], ready, Operation(5), scan_limit=1000, now=Timestamp(self.now))
        try:
            page = await feed.forward(first, None)
        except AllSourcesFailedError as error:
            return Answer([], error.errors[0].code, None, None, Timestamp(self.now))
        finally:
            while tasks := self.cache._flights._tasks:
                await asyncio.wait(tasks)
                await asyncio.sleep(0)
        (report,) = page.reports
        freshness = report.freshness
        assert freshness is not None
        return Answer(
            [int(entry.log.upstream_id) for entry in page.entries],
            report.error.code if report.error else None,
            freshness.failure,
            freshness.status,
            freshness.fetched_at,
        )


def often(chance: random.Random, share: float) -> bool:
    return chance.random() < share


def check(source: Listing, answer: Answer, first: int) -> None:
    """Check for gaps, duplicates and disorder: logs are numbered as they arrive."""
    numbers = answer.numbers
    assert len(numbers) == len(set(numbers))
    states = source.since(answer.since)
    arrived = len(set.union(*states)) - len(states[0])
    # Many arrivals together with deletions may look like few arrivals.
    if arrived < PAGE:
        assert numbers == sorted(numbers, reverse=True)
    assert set(numbers) <= set.union(*states), "a log that was gone by then"
    end = numbers[-1] if numbers else 10**9
    if len(numbers) < first and answer.error is None:
        end = 0
    missing = {number for number in set.intersection(*states) if number > end} - set(numbers)
    assert not missing, "logs that are skipped"


@pytest.mark.parametrize("kind", [*KINDS, "token"])
async def test_cached_next_page_follows_a_page_with_an_unchanged_end(kind: str) -> None:
    source = Listing(kind, 40)
    before = await source.read(4 * PAGE)
    await source.renew()
    source.fails = lambda: True
    after = await source.read(4 * PAGE)
    assert (after.numbers, after.error) == (before.numbers, None)
    assert after.status is CacheStatus.STALE
    check(source, after, 4 * PAGE)


@pytest.mark.parametrize("kind", [*KINDS, "token"])
async def test_refreshed_first_page_costs_no_calls_for_later_pages(kind: str) -> None:
    source = Listing(kind, 40)
    await source.read(3 * PAGE)
    calls = source.calls
    for _ in range(4):
        source.now += FRESH * SECOND
        await source.read(PAGE)
    await source.read(3 * PAGE)
    assert source.calls == calls + 4


@pytest.mark.parametrize("kind", KINDS)
async def test_logs_pushed_off_a_refreshed_page_are_returned_during_an_outage(kind: str) -> None:
    source = Listing(kind, 40)
    before = await source.read(4 * PAGE)
    for count in (1, 0, 2, 1):
        source.arrive(count)
        source.now += (FRESH + BEHIND) * SECOND
        assert (await source.read(PAGE)).numbers == [*range(source.states[-1][1][0], 0, -1)][:PAGE]
    source.fails = lambda: True
    after = await source.read(PAGE + 1)
    assert (len(after.numbers), after.failure) == (PAGE + 1, "UPSTREAM_ERROR")
    after = await source.read(4 * PAGE)
    assert after.numbers == [44, 43, 42, 41, *before.numbers[: 4 * PAGE - 4]]
    assert (after.error, after.failure) == (None, "UPSTREAM_ERROR")
    assert (after.status, after.since) == (CacheStatus.STALE, before.since)
    # Logs pushed off by more than a page are forgotten, and so is everything that followed them.
    source.fails = lambda: False
    source.arrive(2)
    await source.renew()
    source.fails = lambda: True
    after = await source.read(4 * PAGE)
    assert after.numbers == list(range(46, 36, -1))
    assert (after.error, after.failure) == (ErrorCode.UPSTREAM_ERROR, "UPSTREAM_ERROR")


@pytest.mark.parametrize("kind", KINDS)
async def test_logs_pushed_off_a_page_are_returned_without_a_next_page(kind: str) -> None:
    source = Listing(kind, 40)
    before = await source.read(PAGE)
    for _ in range(2):
        source.arrive(1)
        await source.renew()
    source.fails = lambda: True
    after = await source.read(PAGE + 2)
    assert (after.numbers, after.error) == ([42, 41, *before.numbers], None)
    assert (after.status, after.failure) == (CacheStatus.STALE, "UPSTREAM_ERROR")
    assert after.since == before.since
    further = await source.read(PAGE + 3)
    assert (further.numbers, further.error) == (after.numbers, ErrorCode.UPSTREAM_ERROR)


@pytest.mark.parametrize("kind", KINDS)
async def test_logs_pushed_off_before_a_page_was_read_are_not_repeated(kind: str) -> None:
    source = Listing(kind, 40)
    healthy = await source.read(2 * PAGE)
    for _ in range(4):
        source.arrive(2)
        await source.renew()
        source.now += DEEP * SECOND
        healthy = await source.read(2 * PAGE)
    source.arrive(2)
    await source.renew()
    source.fails = lambda: True
    after = await source.read(2 * PAGE)
    assert (after.numbers, after.error) == ([50, 49, *healthy.numbers[:-2]], None)
    assert source.now - after.since < (2 * FRESH + 2 * BEHIND + DEEP) * SECOND


@pytest.mark.parametrize("kind", KINDS)
async def test_logs_pushed_off_a_page_expire_with_other_pages(kind: str) -> None:
    source = Listing(kind, 40)
    await source.read(PAGE)
    source.fails = lambda: True
    source.now += (FRESH + BRIDGED - 100) * SECOND
    assert (await source.read(PAGE)).failure == "UPSTREAM_ERROR"
    # The page that followed the first page as it was an hour ago.
    source.now += 3 * SECOND
    calls = iter([False, True])
    source.fails = lambda: next(calls, True)
    assert (await source.read(8)).error is None
    source.fails = lambda: False
    source.arrive(1)
    source.now += 3 * SECOND
    await source.read(PAGE)
    source.fails = lambda: True
    source.now += 50 * SECOND
    assert (await source.read(8)).error is None
    source.now += 50 * SECOND
    assert (await source.read(8)).error is ErrorCode.UPSTREAM_ERROR


@pytest.mark.sampled(5)
@pytest.mark.parametrize("kind", KINDS)
async def test_page_that_is_too_old_follows_no_other(kind: str) -> None:
    source = Listing(kind, 40)
    await source.read(8)
    for _ in range(104):
        await source.renew()
    source.arrive(1)
    await source.renew()
    assert source.now - source.states[0][0] > (DEEP + BRIDGED) * SECOND
    source.fails = lambda: True
    assert (await source.read(8)).error is ErrorCode.UPSTREAM_ERROR


@pytest.mark.parametrize("kind", [*KINDS, "token"])
async def test_refusal_is_not_replaced_by_stale_pages(kind: str) -> None:
    source = Listing(kind, 40)
    await source.read(4 * PAGE)
    source.arrive(1)
    await source.renew()
    source.code, source.fails = ErrorCode.UPSTREAM_FORBIDDEN, lambda: True
    after = await source.read(4 * PAGE)
    assert (after.numbers, after.error) == ([41, 40, 39, 38, 37], source.code)


async def test_end_of_a_page_can_be_stored_in_any_store() -> None:
    source = Listing("page", 40)
    await source.read(PAGE)
    for _ in range(2):
        source.arrive(1)
        await source.renew()
    (kept,) = source.cache._store._entries._cache.values()  # type: ignore[attr-defined]
    pushed_off = kept.value.pushed_off
    assert [[log.upstream_id for log in each.logs] for each in pushed_off] == [["37"], ["36"]]
    again = msgspec.json.decode(msgspec.json.encode(kept), type=Entry[Page[LanguageWeaverDetails]])
    assert again.value.pushed_off == list(pushed_off)


@pytest.mark.parametrize("kind", ["offset", "page"])
@pytest.mark.parametrize(
    ("arrived", "lost", "pushed"),
    [(1, 0, 0), (1, 1, 0), (2, 0, 1)],
    ids=["with the same end", "with the same end of a shorter list", "with another end"],
)
async def test_page_that_may_lack_a_log_is_not_returned(
    kind: str, arrived: int, lost: int, pushed: int
) -> None:
    source = Listing(kind, 40)
    await source.read(PAGE)
    source.lose(2)
    # The first log of the second page is now on the first page, but not on the cached one.
    await source.read_one(1)
    source.arrive(arrived)
    for _ in range(lost):
        source.lose(-1)
    await source.renew()
    source.fails = lambda: True
    after = await source.read(2 * PAGE)
    assert (len(after.numbers), after.error) == (PAGE + pushed, ErrorCode.UPSTREAM_ERROR)


@pytest.mark.parametrize("kind", ["offset", "page"])
@pytest.mark.parametrize("bridged", [1, 2], ids=["behind the first", "behind one that was bridged"])
async def test_page_from_before_an_event_does_not_follow_one_from_after_it(
    kind: str, bridged: int
) -> None:
    source = Listing(kind, 40)
    if bridged > 1:
        await source.read(PAGE)
    await source.read_one(bridged)
    # As many logs are deleted at the end as arrive, so the total does not change.
    source.arrive(2)
    source.lose(-1)
    source.lose(-1)
    await (source.read(PAGE) if bridged == 1 else source.read_one(1))
    source.arrive(1)
    await source.renew()
    source.fails = lambda: True
    after = await source.read(4 * PAGE)
    assert after.error is ErrorCode.UPSTREAM_ERROR
    check(source, after, 4 * PAGE)


@pytest.mark.parametrize("kind", ["offset", "page"])
async def test_page_that_grew_does_not_connect_to_the_old_next_page(kind: str) -> None:
    source = Listing(kind, 40)
    source.most = 3
    await source.read(3)
    source.most = PAGE
    await source.read_one(1)
    source.arrive(2)
    await source.renew()
    source.fails = lambda: True
    after = await source.read(2 * PAGE)
    assert (after.numbers, after.error) == ([42, 41, 40, 39, 38], ErrorCode.UPSTREAM_ERROR)


@pytest.mark.parametrize("kind", ["offset", "page"])
@pytest.mark.parametrize("pushed", [0, 1], ids=["with the same end", "with another end"])
async def test_deleted_log_does_not_reappear_elsewhere(kind: str, pushed: int) -> None:
    source = Listing(kind, 40)
    await source.read(PAGE)
    source.arrive(3)
    await source.read_one(1)
    # It had been pushed off the first page along with later logs, which then came back.
    for place in (5, 1, 0):
        source.lose(place)
    source.arrive(pushed)
    await source.renew()
    source.fails = lambda: True
    after = await source.read(7)
    assert after.numbers == [44, 41, 40, 39, 37, 36, 35, 34][1 - pushed :][:7]
    assert after.error is None


async def test_pages_that_lead_to_each_other_are_not_followed_forever() -> None:
    """A vendor that ignores fractions of a second in a window would return such pages."""
    freshness = Freshness(status=CacheStatus.HIT, fetched_at=Timestamp(1), fresh_until=Timestamp(2))
    pushed_off = PushedOff(
        since=Timestamp(1), total=None, logs=(), read_at=Timestamp(1), good_until=Timestamp(9)
    )
    asked: list[Timestamp | None] = []

    async def recall(window: Window, since: Timestamp) -> Cached[Page] | None:
        del since
        asked.append(window.until)
        assert len(asked) < 10, asked
        return Cached(Page(logs=[log("one", 1, 30 + len(asked) % 2)], more=True), freshness)

    page = Page(logs=[log("one", 2, 20)], more=True, pushed_off=[pushed_off])
    window = Window(limit=PAGE, until=Timestamp(20))
    failure, seen = ErrorCode.UPSTREAM_ERROR, {ids.mark(log("one", 1, 0).id)}
    found = await continue_stale(
        [page], window, recall, seen=seen, now=Timestamp(3), failure=failure
    )
    assert found is None


@pytest.mark.parametrize("kind", ["offset", "page"])
async def test_log_on_no_cached_page_is_not_reported_as_missing(
    kind: str,
) -> None:
    source = Listing(kind, 3 * PAGE)
    await source.read(4 * PAGE)
    source.arrive(1)
    await source.renew()
    source.fails = lambda: True
    found = await source.log(("3",), Operation(5))
    assert found.value is not None
    assert (found.freshness.status, found.freshness.failure) == (
        CacheStatus.STALE,
        "UPSTREAM_ERROR",
    )
    with pytest.raises(UpstreamError):
        await source.log(("99",), Operation(5))
    source.fails = lambda: False
    assert (await source.log(("99",), Operation(5))).value is None


@pytest.mark.parametrize("kind", ["offset", "page"])
async def test_log_is_not_reported_as_missing_even_if_all_pages_are_cached(kind: str) -> None:
    source = Listing(kind, 2 * PAGE)
    await source.read(3 * PAGE)
    source.arrive(1)
    source.now += (DEEP + BEHIND) * SECOND
    source.fails = lambda: True
    assert (await source.read(3 * PAGE)).failure == "UPSTREAM_ERROR"
    with pytest.raises(UpstreamError) as raised:
        await source.log((str(2 * PAGE + 1),), Operation(5))
    assert raised.value.code is ErrorCode.UPSTREAM_ERROR
    source.fails = lambda: False
    found = await source.log((str(2 * PAGE + 1),), Operation(5))
    assert found.value is not None
    assert found.freshness.status is CacheStatus.MISS


@pytest.mark.slow
@examples(300)
@given(
    kind=st.sampled_from([*KINDS, "token"]),
    count=st.integers(0, 25),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("arrive"), st.integers(1, 7)),
            st.tuples(st.just("delete"), st.integers(0, 12)),
            st.tuples(st.just("wait"), st.sampled_from([1, 6, 36, 70, 700])),
            st.tuples(st.just("read"), st.sampled_from([3, PAGE, 8, 12, 20])),
            st.tuples(st.just("fails"), st.sampled_from([0.0, 0.3, 0.6, 1.0])),
        ),
        max_size=25,
    ),
    seed=st.integers(0, 2**32),
)
async def test_list_has_no_gaps_however_its_pages_were_refreshed(
    kind: str, count: int, steps: list[tuple[str, Any]], seed: int
) -> None:
    chance = random.Random(seed)
    source = Listing(kind, count)
    for step, much in steps:
        match step:
            case "arrive":
                source.arrive(much)
            case "delete":
                source.lose(much)
            case "wait":
                source.now += much * SECOND
            case "fails":
                source.fails = partial(often, chance, much)
            case "read":
                check(source, await source.read(much), much)


@pytest.mark.slow
@examples(300)
@given(
    kind=st.sampled_from(KINDS),
    rounds=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([1, 6, 36, 70]),
            st.sampled_from([3, PAGE, 8, 2 * PAGE]),
            st.sampled_from([0.0, 0.3, 0.6]),
        ),
        max_size=12,
    ),
    seed=st.integers(0, 2**32),
)
async def test_cached_logs_are_returned_whatever_fails(
    kind: str, rounds: list[tuple[int, int, int, float]], seed: int
) -> None:
    chance = random.Random(seed)
    source = Listing(kind, 40)
    await source.read(4 * PAGE)
    room = PAGE - 1
    for arrived, seconds, first, share in rounds:
        room -= arrived
        if room >= 0:
            source.arrive(arrived)
        source.now += seconds * SECOND
        source.fails = partial(often, chance, share)
        answer = await source.read(first)
        assert (len(answer.numbers), answer.error) == (first, None)
        check(source, answer, first)
    source.fails = lambda: True
    answer = await source.read(4 * PAGE)
    assert answer.error is None
    check(source, answer, 4 * PAGE)
