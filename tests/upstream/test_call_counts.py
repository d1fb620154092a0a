"""Workers and replicas keep to a rate limit together, and a single busy one may use all of it."""

from __future__ import annotations

import asyncio
import multiprocessing

import pytest

from gateway.errors import UpstreamError
from gateway.upstream import call_counts
from gateway.upstream.call_counts import CallCounts
from gateway.upstream.limits import RateLimit
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


def workers(number: int, *names: str) -> list[CallCounts]:
    """Return the same counts several times, as processes have them."""
    first = CallCounts(names)
    return [first, *(CallCounts(names, first._memory) for _ in range(number - 1))]


def limits_of(rate: float, number: int) -> list[RateLimit]:
    return [
        RateLimit("shop", rate, clock=now, shared=counts.of("shop"))
        for counts in workers(number, "shop")
    ]


async def begin(limit: RateLimit, calls: int) -> list[float]:
    """Make instantaneous calls; return the seconds after which each began."""
    slots, start = asyncio.Semaphore(100), now()

    async def enter() -> float:
        await limit.enter(slots, 1000.0)
        slots.release()
        return now() - start

    return await asyncio.gather(*(enter() for _ in range(calls)))


class Bucket:
    """What replicas share, as ``Store.take`` has it; ``works`` is False while it is away."""

    def __init__(self) -> None:
        self.works = True
        self.asked = 0
        self._full_at = 0.0

    async def take(self, name: str, limit: float, seconds: float) -> float | None:
        self.asked += 1
        if not self.works:
            return None
        assert name == "calls:shop"
        full_at = max(now(), self._full_at)
        left = limit - 1 - (full_at - now()) * limit / seconds
        if left >= 0:
            self._full_at = full_at + seconds / limit
        return left


@pytest.mark.parametrize("rate", [0.5, 10])
async def test_replicas_keep_to_the_limit_together(rate: float) -> None:
    bucket = Bucket()
    limits = [RateLimit("shop", rate, clock=now, take=bucket.take) for _ in range(2)]
    begun = await asyncio.gather(*(begin(one, 20) for one in limits))
    times = sorted(time for each in begun for time in each)
    burst = max(1, rate)
    for index, time in enumerate(times):
        assert index + 1 <= burst + rate * time + 0.1
    # Nothing of the limit is lost to the waits for it.
    assert times[-1] == pytest.approx((len(times) - burst) / rate, rel=0.1)
    assert max(await begin(limits[0], 10)) == pytest.approx(10 / rate, rel=0.1)


async def test_replicas_with_a_high_limit_do_not_ask_for_each_call() -> None:
    bucket = Bucket()
    limits = [RateLimit("shop", 200, clock=now, take=bucket.take) for _ in range(2)]
    begun = await asyncio.gather(*(begin(one, 400) for one in limits))
    times = sorted(time for each in begun for time in each)
    for index, time in enumerate(times):
        assert index + 1 <= 200 + 200 * time + 2 * 10
    assert times[-1] == pytest.approx(3.0, rel=0.1)
    assert bucket.asked < len(times) / 3


async def test_each_replica_keeps_to_the_limit_when_they_can_not_count_together() -> None:
    bucket = Bucket()
    limit = RateLimit("shop", 10, clock=now, take=bucket.take)
    bucket.works = False
    assert max(await begin(limit, 30)) == pytest.approx(2.0)


async def test_call_without_time_for_a_turn_among_replicas_is_refused_at_once() -> None:
    bucket = Bucket()
    busy, other = (RateLimit("shop", 1, clock=now, take=bucket.take) for _ in range(2))
    await begin(busy, 1)
    slots, start = asyncio.Semaphore(1), now()
    with pytest.raises(UpstreamError, match="as often as its rate_limit allows") as failure:
        await other.enter(slots, 0.5)
    assert failure.value.retry_after == pytest.approx(1.0)
    assert now() == start
    await other.enter(slots, 2.0)
    assert now() == pytest.approx(start + 1.0)


async def test_one_busy_worker_uses_the_whole_limit() -> None:
    busy, _idle = limits_of(10, 2)
    assert max(await begin(busy, 30)) == pytest.approx(2.0)


@pytest.mark.parametrize("number", [2, 3, 5])
async def test_busy_workers_keep_to_the_limit_together(number: int) -> None:
    begun = await asyncio.gather(*(begin(one, 40) for one in limits_of(10, number)))
    times = sorted(time for each in begun for time in each)
    for index, time in enumerate(times):
        # The burst, what the time allows, and the last token, which all may take at once.
        assert index + 1 <= 10 + 10 * time + number
    assert times[-1] <= (len(times) - 10) / 10 + number


async def test_worker_that_was_idle_does_not_wait_for_all_calls_of_the_others() -> None:
    """Most of them are long past, and were within the limit."""
    busy, idle = limits_of(10, 2)
    assert max(await begin(busy, 510)) == pytest.approx(50.0)
    assert max(await begin(idle, 1)) <= 1.1
    await asyncio.sleep(100)
    assert max(await begin(idle, 10)) == 0.0


async def test_calls_before_a_worker_was_started_do_not_count() -> None:
    first, second = workers(2, "shop")
    count = first.of("shop")
    assert count is not None
    for _ in range(50):
        count.add()
    late = RateLimit("shop", 10, clock=now, shared=second.of("shop"))
    assert max(await begin(late, 10)) == 0.0


def test_sources_are_counted_apart_and_keep_their_counts_when_others_are_added() -> None:
    one, two = workers(2, "shop", "lab")
    shop, lab = two.of("shop"), two.of("lab")
    assert shop is not None
    assert lab is not None
    one.add_sources(["desk", "shop"])
    for name in ("shop", "desk", "shop"):
        count = one.of(name)
        assert count is not None
        count.add()
    assert (shop.by_others(), lab.by_others()) == (2, 0)
    assert (shop.by_others(), two.of("desk")) == (0, None)


def test_sources_beyond_the_room_for_counts_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """They keep to their limit for each worker, as a server with so many sources still starts."""
    monkeypatch.setattr(call_counts, "MAX_SOURCES", 2)
    counts = CallCounts()
    counts.add_sources(["a", "b", "c"])
    assert [counts.of(name) is None for name in "abc"] == [False, False, True]


def _add(counts: CallCounts, calls: int) -> None:
    count = counts.of("shop")
    assert count is not None
    for _ in range(calls):
        count.add()


@pytest.mark.slow
def test_no_call_of_several_processes_is_lost() -> None:
    counts = CallCounts(["shop"])
    seen = counts.of("shop")
    assert seen is not None
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_add, args=(counts, 5000)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert seen.by_others() == 10_000
