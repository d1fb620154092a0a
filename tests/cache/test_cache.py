from __future__ import annotations

import asyncio

import pytest

from gateway.cache import Cache, Cached, FreshnessRequirement, Lifetime, Store
from gateway.cache.cache import FALLBACK_CODES
from gateway.cache.entry import new_entry
from gateway.errors import ErrorCode, UpstreamError
from gateway.model import CacheStatus, Timestamp
from tests.cache.vendor import Clock, Vendor, settle

pytestmark = pytest.mark.sampled(2)

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


async def background_refreshes(vendor: Vendor, count: int) -> None:
    """Wait until this many background refreshes have ended."""
    async with asyncio.timeout(30):
        while vendor.background < count:
            await settle()
    await settle()


async def test_fresh_entry_turns_stale_then_expires(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    assert await ask(cache, vendor) == (1, MISS)
    clock.seconds = 9.9
    assert await ask(cache, vendor) == (1, HIT)
    clock.seconds = 10
    assert await ask(cache, vendor) == (1, STALE)
    assert (await ask(cache, vendor))[0] in {1, 2}
    await background_refreshes(vendor, 1)
    assert await ask(cache, vendor) == (2, HIT)
    assert vendor.asked == 2
    clock.seconds += 10 + 20
    assert await ask(cache, vendor) == (3, MISS)


async def test_freshness_counts_from_the_response(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    vendor.seconds = 3
    freshness = (await get(cache, vendor)).freshness
    assert freshness.fetched_at == pytest.approx(clock(), abs=1000)
    assert freshness.fresh_until == freshness.fetched_at + 10 * 10**9
    clock.seconds += 5
    assert (await get(cache, vendor)).freshness.fetched_at == freshness.fetched_at


async def test_value_with_no_lifetime_is_not_stored(cache: Cache, vendor: Vendor) -> None:
    vendor.lifetime = Lifetime(0)
    assert [await ask(cache, vendor) for _ in range(2)] == [(1, MISS), (2, MISS)]


async def test_value_that_is_never_fresh_is_a_fallback(cache: Cache, vendor: Vendor) -> None:
    vendor.lifetime = Lifetime(0, 20, 100)
    assert [await ask(cache, vendor) for _ in range(2)] == [(1, MISS), (2, MISS)]
    vendor.code = ErrorCode.UPSTREAM_ERROR
    assert await ask(cache, vendor) == (2, STALE)


@pytest.mark.sampled(11)
@pytest.mark.parametrize("code", sorted(ErrorCode, key=str))
async def test_stale_entry_replaces_failures_but_not_refusals(
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


@pytest.mark.sampled(2)
async def test_background_retries_detect_recovery_of_the_vendor(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    vendor.code = ErrorCode.UPSTREAM_ERROR
    clock.seconds = 50
    assert await ask(cache, vendor) == (1, STALE)
    assert (vendor.asked, vendor.background) == (2, 0)
    clock.seconds = 51
    # No retry starts before the retry delay.
    assert await ask(cache, vendor) == (1, STALE)
    await settle()
    assert vendor.asked == 2
    clock.seconds = 53
    assert await ask(cache, vendor) == (1, STALE)
    await background_refreshes(vendor, 1)
    vendor.code = None
    clock.seconds = 56
    assert await ask(cache, vendor) == (1, STALE)
    await background_refreshes(vendor, 2)
    assert await ask(cache, vendor) == (4, HIT)


async def test_stale_fallback_ends_with_the_error_lifetime(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    vendor.code = ErrorCode.UPSTREAM_ERROR
    clock.seconds = 109
    assert await ask(cache, vendor) == (1, STALE)
    clock.seconds = 110
    with pytest.raises(UpstreamError):
        await ask(cache, vendor)


async def test_slow_vendor_is_replaced_by_a_stale_entry(
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


async def test_max_age_limits_the_age_of_an_entry(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    clock.seconds = 5
    assert await ask(cache, vendor, max_age=6) == (1, HIT)
    assert await ask(cache, vendor, max_age=5) == (2, MISS)
    assert await ask(cache, vendor, max_age=0) == (3, MISS)
    vendor.code = ErrorCode.UPSTREAM_TIMEOUT
    assert await ask(cache, vendor, max_age=0) == (3, STALE)


async def test_not_before_excludes_earlier_entries(
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


async def test_not_before_does_not_join_an_earlier_load(
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


async def test_clock_that_was_ahead_causes_no_endless_loads(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    """The clock of another replica may be ahead, or this one's until it is set back."""
    vendor.answers.clear()
    early = asyncio.create_task(get(cache, vendor))
    await settle()
    demand = FreshnessRequirement(not_before=Timestamp(clock() + 3600 * 10**9))
    late = [asyncio.create_task(cache.get("key", int, vendor, demand)) for _ in range(20)]
    await settle()
    vendor.answers.set()
    assert (await early).value == 1
    assert {kept.value for kept in await asyncio.gather(*late)} == {2}


async def test_clock_set_back_does_not_extend_freshness(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    clock.seconds = 3600
    await ask(cache, vendor)
    clock.seconds -= 1
    assert await ask(cache, vendor) == (1, HIT)
    clock.seconds = 0
    # Nor does it cause repeated loads.
    assert [await ask(cache, vendor) for _ in range(3)] == [(2, MISS), (2, HIT), (2, HIT)]
    clock.seconds = 10
    assert await ask(cache, vendor) == (2, STALE)
    await background_refreshes(vendor, 1)
    assert await ask(cache, vendor) == (3, HIT)


@pytest.mark.parametrize(("seconds", "expected"), [(51, (1, STALE)), (54, (3, MISS))])
async def test_failure_is_believed_for_as_long_as_a_stale_value(
    cache: Cache, vendor: Vendor, clock: Clock[int], seconds: float, expected: object
) -> None:
    await ask(cache, vendor)
    clock.seconds = 31
    vendor.code = ErrorCode.UPSTREAM_ERROR
    assert await ask(cache, vendor) == (1, STALE)
    vendor.code = None
    clock.seconds = seconds
    assert await ask(cache, vendor) == expected


async def test_clock_set_back_does_not_postpone_retries(
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
    await background_refreshes(vendor, 1)
    assert await ask(cache, vendor) == (3, HIT)


async def test_concurrent_equal_reads_share_one_call(cache: Cache, vendor: Vendor) -> None:
    vendor.answers.clear()
    callers = [asyncio.create_task(get(cache, vendor)) for _ in range(200)]
    await settle()
    vendor.answers.set()
    results = await asyncio.gather(*callers)
    assert {kept.value for kept in results} == {1}
    assert sorted(kept.freshness.collapsed for kept in results) == [False] + [True] * 199
    assert cache.counts["loads"] == 1


async def test_failed_call_fails_all_waiters_without_repeats(cache: Cache, vendor: Vendor) -> None:
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


@pytest.mark.sampled(2)
async def test_only_the_last_cancelled_caller_cancels_the_call(
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


async def test_callers_have_separate_deadlines(cache: Cache, vendor: Vendor) -> None:
    vendor.answers.clear()
    now = asyncio.get_running_loop().time()
    hasty = asyncio.create_task(get(cache, vendor, deadline=now))
    patient = asyncio.create_task(get(cache, vendor, deadline=now + 60))
    with pytest.raises(TimeoutError):
        await hasty
    vendor.answers.set()
    assert (await patient).value in {1, 2}


async def test_unchanged_entry_is_fresh_again(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    clock.seconds = 50
    vendor.unchanged = True
    assert await ask(cache, vendor) == (1, REVALIDATED)
    assert vendor.known == [{}, {"/path": '"1"'}]
    clock.seconds = 59
    assert await ask(cache, vendor) == (1, HIT)
    clock.seconds = 60 + 19
    assert await ask(cache, vendor) == (1, STALE)
    await background_refreshes(vendor, 1)
    assert vendor.known[-1] == {"/path": '"1"'}


async def test_evicted_entry_is_loaded_again(cache: Cache, vendor: Vendor) -> None:
    await ask(cache, vendor)
    assert await cache.evict(["source:other"]) == 0
    assert await ask(cache, vendor) == (1, HIT)
    assert await cache.evict(["source:other", "source:it"]) == 1
    assert await ask(cache, vendor) == (2, MISS)
    vendor.code = ErrorCode.UPSTREAM_ERROR
    await cache.evict(["source:it"])
    with pytest.raises(UpstreamError):
        await ask(cache, vendor)


async def test_eviction_affects_only_entries_with_the_tag(cache: Cache, vendor: Vendor) -> None:
    for number in range(9):
        vendor.tags = (f"hook:{number % 3}", "source:it")
        await cache.get(f"key {number}", int, vendor)
    assert await cache.evict(["hook:1", "hook:2"]) == 6
    assert await cache.evict(["hook:1"]) == 0
    assert await cache.evict(["source:it"]) == 3


async def test_load_from_before_an_eviction_is_neither_stored_nor_joined(
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


async def test_refresh_from_before_an_eviction_is_not_stored(
    cache: Cache, vendor: Vendor, clock: Clock[int]
) -> None:
    await ask(cache, vendor)
    clock.seconds = 10
    vendor.answers.clear()
    assert await ask(cache, vendor) == (1, STALE)
    await settle()
    await cache.evict(["source:it"])
    vendor.answers.set()
    await background_refreshes(vendor, 1)
    assert await ask(cache, vendor) == (3, MISS)


async def test_failed_refresh_does_not_restore_an_evicted_entry(
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
    await background_refreshes(vendor, 1)
    with pytest.raises(UpstreamError):
        await ask(cache, vendor)


async def test_earlier_request_does_not_replace_a_later_one(
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
    # As if the first load had outlasted its lease.
    loaded = await quick(None, background=False)
    assert loaded is not None
    later = new_entry(
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


async def test_events_are_counted(cache: Cache, vendor: Vendor, clock: Clock[int]) -> None:
    await ask(cache, vendor)
    await ask(cache, vendor)
    clock.seconds = 10
    await ask(cache, vendor)
    await background_refreshes(vendor, 1)
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


async def test_close_cancels_loads_in_flight(cache: Cache, vendor: Vendor) -> None:
    vendor.answers.clear()
    caller = asyncio.create_task(get(cache, vendor))
    await settle()
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert vendor.cancelled == 1
