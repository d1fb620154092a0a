from __future__ import annotations

import asyncio

import pytest

from gateway.cache import Cache, Cached, FreshnessRequirement, Lifetime, Store
from gateway.cache.cache import FALLBACK_CODES
from gateway.cache.entry import enclose
from gateway.errors import ErrorCode, UpstreamError
from gateway.model import CacheStatus, Timestamp
from tests.cache.vendor import Clock, Vendor, settle

HIT, MISS, STALE, REVALIDATED = (
    CacheStatus.HIT,
    CacheStatus.MISS,
    CacheStatus.STALE,
    CacheStatus.REVALIDATED,
)


async def ask(cache: Cache, vendor: Vendor, **demand: float | None) -> tuple[int, CacheStatus]:
    kept = await get(cache, vendor, **demand)
    return kept.value, kept.freshness.status


async def get(cache: Cache, vendor: Vendor, **demand: float | None) -> Cached[int]:
    return await cache.get("key", int, vendor, FreshnessRequirement(**demand))  # type: ignore[arg-type]


async def until_behind(vendor: Vendor, count: int) -> None:
    """Let what goes on behind an answer come to its end."""
    async with asyncio.timeout(30):
        while vendor.behind < count:
            await settle()
    await settle()


async def test_fresh_then_stale_and_renewed_behind_then_asked_anew(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    assert await ask(cache, vendor) == (1, MISS)
    clock.seconds = 9.9
    assert await ask(cache, vendor) == (1, HIT)
    clock.seconds = 10
    assert await ask(cache, vendor) == (1, STALE)
    assert (await ask(cache, vendor))[0] in {1, 2}
    await until_behind(vendor, 1)
    assert await ask(cache, vendor) == (2, HIT)
    assert vendor.asked == 2
    clock.seconds += 10 + 20
    assert await ask(cache, vendor) == (3, MISS)


async def test_freshness_tells_when_it_was_said(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    vendor.seconds = 3
    freshness = (await get(cache, vendor)).freshness
    assert freshness.fetched_at == pytest.approx(clock(), abs=1000)
    assert freshness.fresh_until == freshness.fetched_at + 10 * 10**9
    clock.seconds += 5
    assert (await get(cache, vendor)).freshness.fetched_at == freshness.fetched_at


async def test_nothing_is_kept_that_is_good_for_nothing(cache: Cache, vendor: Vendor) -> None:
    vendor.lifetime = Lifetime(0)
    assert [await ask(cache, vendor) for _ in range(2)] == [(1, MISS), (2, MISS)]


async def test_what_is_never_fresh_is_kept_for_the_case_of_failure(
    cache: Cache, vendor: Vendor
) -> None:
    vendor.lifetime = Lifetime(0, 20, 100)
    assert [await ask(cache, vendor) for _ in range(2)] == [(1, MISS), (2, MISS)]
    vendor.code = ErrorCode.UPSTREAM_ERROR
    assert await ask(cache, vendor) == (2, STALE)


@pytest.mark.parametrize("code", sorted(ErrorCode, key=str))
async def test_failures_are_bridged_and_refusals_are_not(
    cache: Cache, vendor: Vendor, clock: Clock[int], code: ErrorCode
) -> None:
    await ask(cache, vendor)
    clock.seconds = 50
    vendor.code = code
    if code not in FALLBACK_CODES:
        with pytest.raises(UpstreamError):
            await ask(cache, vendor)
        return
    kept = await get(cache, vendor)
    assert (kept.value, kept.freshness.status) == (1, STALE)
    assert kept.freshness.failure == code.name


async def test_a_failing_vendor_is_asked_behind_and_a_recovered_one_is_fresh_after_that(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    vendor.code = ErrorCode.UPSTREAM_ERROR
    clock.seconds = 50
    assert await ask(cache, vendor) == (1, STALE)
    assert (vendor.asked, vendor.behind) == (2, 0)
    clock.seconds = 51
    # It is left alone for a while.
    assert await ask(cache, vendor) == (1, STALE)
    await settle()
    assert vendor.asked == 2
    clock.seconds = 53
    assert await ask(cache, vendor) == (1, STALE)
    await until_behind(vendor, 1)
    vendor.code = None
    clock.seconds = 56
    assert await ask(cache, vendor) == (1, STALE)
    await until_behind(vendor, 2)
    assert await ask(cache, vendor) == (4, HIT)


async def test_nothing_is_older_than_the_longest_time(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    vendor.code = ErrorCode.UPSTREAM_ERROR
    clock.seconds = 109
    assert await ask(cache, vendor) == (1, STALE)
    clock.seconds = 110
    with pytest.raises(UpstreamError):
        await ask(cache, vendor)


async def test_a_slow_vendor_is_not_waited_for_where_something_stale_will_do(
    cache: Cache, vendor: Vendor, clock: Clock[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cache.cache.STALE_FALLBACK_TIMEOUT", 0.01)
    await ask(cache, vendor)
    clock.seconds = 50
    vendor.answers.clear()
    assert await ask(cache, vendor) == (1, STALE)
    vendor.answers.set()
    await settle()
    assert await ask(cache, vendor) == (2, HIT)
    assert vendor.cancelled == 0


async def test_a_caller_may_ask_for_something_younger(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    clock.seconds = 5
    assert await ask(cache, vendor, max_age=6) == (1, HIT)
    assert await ask(cache, vendor, max_age=5) == (2, MISS)
    assert await ask(cache, vendor, max_age=0) == (3, MISS)
    vendor.code = ErrorCode.UPSTREAM_TIMEOUT
    assert await ask(cache, vendor, max_age=0) == (3, STALE)


async def test_a_caller_may_not_be_given_what_was_asked_for_before(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    demand = FreshnessRequirement(not_before=Timestamp(clock()))
    await ask(cache, vendor)
    clock.seconds = 1
    moment = Timestamp(clock())
    assert (await cache.get("key", int, vendor, demand)).value == 1
    demand = FreshnessRequirement(not_before=moment)
    assert (await cache.get("key", int, vendor, demand)).value == 2
    clock.seconds = 2
    vendor.code = ErrorCode.UPSTREAM_ERROR
    with pytest.raises(UpstreamError):
        await cache.get("key", int, vendor, FreshnessRequirement(not_before=Timestamp(clock())))


async def test_not_before_does_not_join_a_call_from_before(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    vendor.answers.clear()
    early = asyncio.create_task(get(cache, vendor))
    await settle()
    clock.seconds = 1
    demand = FreshnessRequirement(not_before=Timestamp(clock()))
    late = asyncio.create_task(cache.get("key", int, vendor, demand))
    await settle()
    vendor.answers.set()
    assert [(await early).value, (await late).value] == [1, 2]


async def test_a_clock_that_was_ahead_makes_nobody_ask_again_and_again(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    """Another replica's may be, and this one's until it is set back."""
    vendor.answers.clear()
    early = asyncio.create_task(get(cache, vendor))
    await settle()
    demand = FreshnessRequirement(not_before=Timestamp(clock() + 3600 * 10**9))
    late = [asyncio.create_task(cache.get("key", int, vendor, demand)) for _ in range(20)]
    await settle()
    vendor.answers.set()
    assert (await early).value == 1
    assert {kept.value for kept in await asyncio.gather(*late)} == {2}


async def test_a_clock_that_was_set_back_keeps_nothing_fresh_for_longer(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    clock.seconds = 3600
    await ask(cache, vendor)
    clock.seconds -= 1
    assert await ask(cache, vendor) == (1, HIT)
    clock.seconds = 0
    # Nobody asks again and again, either.
    assert [await ask(cache, vendor) for _ in range(3)] == [(2, MISS), (2, HIT), (2, HIT)]
    clock.seconds = 10
    assert await ask(cache, vendor) == (2, STALE)
    await until_behind(vendor, 1)
    assert await ask(cache, vendor) == (3, HIT)


async def test_a_clock_that_was_set_back_does_not_put_off_what_is_tried_again(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    vendor.lifetime = Lifetime(fresh=10, revalidate=20, error=4000)
    await ask(cache, vendor)
    clock.seconds = 3600
    vendor.code = ErrorCode.UPSTREAM_ERROR
    assert await ask(cache, vendor) == (1, STALE)
    vendor.code = None
    clock.seconds = 40
    assert await ask(cache, vendor) == (1, STALE)
    await until_behind(vendor, 1)
    assert await ask(cache, vendor) == (3, HIT)


async def test_any_number_of_equal_reads_make_one_call(cache: Cache, vendor: Vendor) -> None:
    vendor.answers.clear()
    callers = [asyncio.create_task(get(cache, vendor)) for _ in range(200)]
    await settle()
    vendor.answers.set()
    results = await asyncio.gather(*callers)
    assert {kept.value for kept in results} == {1}
    assert sorted(kept.freshness.collapsed for kept in results) == [False] + [True] * 199
    assert cache.counts["loads"] == 1


async def test_a_failing_call_fails_those_who_wait_and_is_not_repeated_for_each(
    cache: Cache, vendor: Vendor
) -> None:
    vendor.answers.clear()
    vendor.code = ErrorCode.UPSTREAM_ERROR
    callers = [asyncio.create_task(get(cache, vendor)) for _ in range(200)]
    await settle()
    vendor.answers.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(result) for result in results} == {UpstreamError}
    assert vendor.asked == 1
    vendor.code = None
    assert await ask(cache, vendor) == (2, MISS)


async def test_a_caller_who_leaves_cancels_nobody_and_the_last_one_the_call(
    cache: Cache, vendor: Vendor
) -> None:
    vendor.answers.clear()
    callers = [asyncio.create_task(get(cache, vendor)) for _ in range(3)]
    await settle()
    for caller in callers[:2]:
        caller.cancel()
    await settle()
    assert vendor.cancelled == 0
    callers[2].cancel()
    await settle()
    assert vendor.cancelled == 1
    vendor.answers.set()
    assert await ask(cache, vendor) == (2, MISS)


async def test_the_deadline_of_one_caller_is_no_others(cache: Cache, vendor: Vendor) -> None:
    vendor.answers.clear()
    now = asyncio.get_running_loop().time()
    hasty = asyncio.create_task(get(cache, vendor, deadline=now))
    patient = asyncio.create_task(get(cache, vendor, deadline=now + 60))
    with pytest.raises(TimeoutError):
        await hasty
    vendor.answers.set()
    assert (await patient).value in {1, 2}


async def test_unchanged_is_fresh_again(cache: Cache, vendor: Vendor, clock: Clock[int]) -> None:
    await ask(cache, vendor)
    clock.seconds = 50
    vendor.unchanged = True
    assert await ask(cache, vendor) == (1, REVALIDATED)
    assert vendor.known == [{}, {"/path": '"1"'}]
    clock.seconds = 59
    assert await ask(cache, vendor) == (1, HIT)
    clock.seconds = 60 + 19
    assert await ask(cache, vendor) == (1, STALE)
    await until_behind(vendor, 1)
    assert vendor.known[-1] == {"/path": '"1"'}


async def test_what_is_dropped_is_asked_for_anew(cache: Cache, vendor: Vendor) -> None:
    await ask(cache, vendor)
    assert await cache.evict(["source:other"]) == 0
    assert await ask(cache, vendor) == (1, HIT)
    assert await cache.evict(["source:other", "source:it"]) == 1
    assert await ask(cache, vendor) == (2, MISS)
    vendor.code = ErrorCode.UPSTREAM_ERROR
    await cache.evict(["source:it"])
    with pytest.raises(UpstreamError):
        await ask(cache, vendor)


async def test_a_drop_takes_what_has_the_tag_and_nothing_else(cache: Cache, vendor: Vendor) -> None:
    for number in range(9):
        vendor.tags = (f"hook:{number % 3}", "source:it")
        await cache.get(f"key {number}", int, vendor)
    assert await cache.evict(["hook:1", "hook:2"]) == 6
    assert await cache.evict(["hook:1"]) == 0
    assert await cache.evict(["source:it"]) == 3


async def test_a_read_from_before_a_drop_is_neither_kept_nor_joined(
    cache: Cache, vendor: Vendor
) -> None:
    vendor.answers.clear()
    early = asyncio.create_task(get(cache, vendor))
    await settle()
    await cache.evict(["source:it"])
    late = asyncio.create_task(get(cache, vendor))
    await settle()
    vendor.answers.set()
    assert (await early).value == 1
    assert (await late).value == 2
    assert await ask(cache, vendor) == (2, HIT)


async def test_a_refresh_from_before_a_drop_is_not_kept(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    clock.seconds = 10
    vendor.answers.clear()
    assert await ask(cache, vendor) == (1, STALE)
    await settle()
    await cache.evict(["source:it"])
    vendor.answers.set()
    await until_behind(vendor, 1)
    assert await ask(cache, vendor) == (3, MISS)


async def test_a_failure_from_before_a_drop_does_not_bring_the_old_back(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    clock.seconds = 10
    vendor.answers.clear()
    vendor.code = ErrorCode.UPSTREAM_ERROR
    assert await ask(cache, vendor) == (1, STALE)
    await settle()
    await cache.evict(["source:it"])
    vendor.answers.set()
    await until_behind(vendor, 1)
    with pytest.raises(UpstreamError):
        await ask(cache, vendor)


async def test_an_answer_that_was_asked_for_earlier_does_not_replace_a_later(
    store: Store, clock: Clock[int], vendor: Vendor
) -> None:
    one, other = Cache(store, clock), Cache(store, clock)
    vendor.answers.clear()
    slow = asyncio.create_task(get(one, vendor))
    await settle()
    entry, era = await store.read("key", int)
    assert entry is None
    clock.seconds = 1
    quick = Vendor(clock)
    quick.asked = 100
    # As if the first had taken longer than its lease.
    loaded = await quick(None, behind=False)
    assert loaded is not None
    later = enclose(
        loaded.value,
        loaded.lifetime,
        asked_at=Timestamp(clock()),
        stored_at=Timestamp(clock()),
        tags=loaded.tags,
        etags={},
    )
    await store.write("key", later, era)
    vendor.answers.set()
    assert (await slow).value == 1
    assert (await ask(other, vendor))[0] == 101
    await one.close()


async def test_counts_tell_what_happened(cache: Cache, vendor: Vendor, clock: Clock[int]) -> None:
    await ask(cache, vendor)
    await ask(cache, vendor)
    clock.seconds = 10
    await ask(cache, vendor)
    await until_behind(vendor, 1)
    vendor.code = ErrorCode.UPSTREAM_ERROR
    clock.seconds = 60
    await ask(cache, vendor)
    await cache.evict(["source:it"])
    assert cache.counts == {
        "hits": 1,
        "misses": 1,
        "stale": 2,
        "loads": 3,
        "failures": 1,
        "evicted": 1,
    }


async def test_close_ends_what_is_under_way(cache: Cache, vendor: Vendor) -> None:
    vendor.answers.clear()
    caller = asyncio.create_task(get(cache, vendor))
    await settle()
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert vendor.cancelled == 1
