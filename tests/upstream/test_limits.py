from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.limits import RateLimit
from gateway.upstream.waits import MAX_PAUSE
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now
from tests.upstream.network import NOW


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


def limit_of(rate: float) -> RateLimit:
    return RateLimit("shop", rate, clock=now)


async def passed(
    limit: RateLimit, calls: int, places: asyncio.Semaphore | None = None, seconds: float = 100.0
) -> list[float]:
    """Make instantaneous calls; return the seconds that each one waited."""
    places = places or asyncio.Semaphore(10)
    began = now()

    async def enter() -> float:
        await limit.enter(places, seconds)
        places.release()
        return round(now() - began, 6)

    return await asyncio.gather(*(enter() for _ in range(calls)))


async def test_first_calls_pass_at_once_and_the_others_at_the_rate() -> None:
    limit = limit_of(4)
    assert await passed(limit, 8) == [0.0] * 4 + [0.25, 0.5, 0.75, 1.0]
    assert await passed(limit, 1) == [0.25]
    await asyncio.sleep(100)
    assert await passed(limit, 5) == [0.0] * 4 + [0.25]


async def test_rate_below_one_lets_single_calls_pass() -> None:
    assert await passed(limit_of(0.5), 3) == [0.0, 2.0, 4.0]


async def test_rate_is_exact_over_many_calls() -> None:
    """1000 calls at once take 9 seconds after the first hundred."""
    times = await passed(limit_of(100), 1000)
    assert times == sorted(times)
    assert times[-1] == pytest.approx(9, abs=0.001)


async def test_call_without_enough_time_to_wait_is_refused_at_once() -> None:
    limit = limit_of(2)
    line = asyncio.create_task(passed(limit, 6))
    await asyncio.sleep(0.01)
    before = now()
    with pytest.raises(UpstreamError) as failure:
        await limit.enter(asyncio.Semaphore(1), 2.4)
    assert now() == before
    error = failure.value
    assert (error.code, error.sent, error.status) == (
        ErrorCode.UPSTREAM_RATE_LIMITED,
        False,
        None,
    )
    assert error.retry_after == pytest.approx(2.49, abs=0.001)
    assert str(error) == (
        "Source shop is asked as often as its rate_limit allows, and the next turn is in 2.49"
        " seconds. Ask again later, or raise rate_limit if the vendor takes more."
    )
    # The refused call did not use up a turn.
    assert await line == [0.0, 0.0, 0.5, 1.0, 1.5, 2.0]


async def test_pause_holds_all_calls_back() -> None:
    limit = limit_of(100)
    limit.pause(3)
    limit.pause(1)
    assert await passed(limit, 3) == [3.0] * 3
    limit.pause(5)
    with pytest.raises(UpstreamError, match="asked for a pause of another 5 seconds"):
        await passed(limit, 1, seconds=4.9)


async def test_pause_also_holds_back_waiting_calls() -> None:
    limit = limit_of(1)
    places = asyncio.Semaphore(1)
    calls = asyncio.create_task(passed(limit, 3, places))
    await asyncio.sleep(0.5)
    limit.pause(10)
    assert await calls == [0.0, 10.5, 11.5]
    # This includes a call that waits for a slot; it is refused if the pause is too long for it.
    await asyncio.sleep(5)
    await places.acquire()
    waiting = asyncio.create_task(passed(limit, 1, places, seconds=30))
    refused = asyncio.create_task(passed(limit, 1, places, seconds=8))
    await asyncio.sleep(1)
    limit.pause(20)
    places.release()
    assert await waiting == [21.0]
    with pytest.raises(UpstreamError, match=r"rate_limit|pause"):
        await refused
    assert not places.locked()


async def test_waiting_holds_no_slot() -> None:
    limit = limit_of(1)
    places = asyncio.Semaphore(1)
    limit.pause(5)
    waiting = asyncio.create_task(passed(limit, 2, places))
    await asyncio.sleep(1)
    assert not places.locked()
    assert await waiting == [5.0, 6.0]


async def test_cancelled_call_leaves_the_queue() -> None:
    limit = limit_of(1)
    places = asyncio.Semaphore(1)
    calls = [asyncio.create_task(passed(limit, 1, places)) for _ in range(4)]
    await asyncio.sleep(0.5)
    calls[1].cancel()
    calls[2].cancel()
    assert await calls[3] == [1.0]
    assert not places.locked()
    assert limit.seconds == pytest.approx(1.0, abs=0.001)


async def test_call_out_of_turn_delays_the_next() -> None:
    limit = limit_of(1)
    limit.take()
    limit.take()
    assert await passed(limit, 1) == [2.0]


HEADERS: list[tuple[dict[str, str], float]] = [
    ({"RateLimit-Remaining": "0", "RateLimit-Reset": "7"}, 7),
    ({"RateLimit-Limit": "9", "RateLimit-Remaining": "1", "RateLimit-Reset": "7"}, 0),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7.5"}, 7.5),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW // 10**9 + 30)}, 30),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW // 10**9 - 30)}, 0),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "999999"}, MAX_PAUSE),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 13}, MAX_PAUSE),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 400}, 0),
    ({"X-RateLimit-Remaining": "0"}, 0),
    ({"X-RateLimit-Reset": "7"}, 0),
    ({"X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "7"}, 0),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, 0),
    ({"X-RateLimit-Remaining": "\u0660", "X-RateLimit-Reset": "\u0667"}, 0),
    ({"RateLimit": "limit=100, remaining=0, reset=50"}, 50),
    ({"RateLimit": "limit=100, remaining=5, reset=50"}, 0),
    ({"RateLimit": '"default";r=0;t=12'}, 12),
    ({"RateLimit": '"second";r=5;t=1, "day";r=0;t=90'}, 90),
    ({"RateLimit": '"second";r=0;t=1, "day";r=7;t=90'}, 1),
    ({"RateLimit": '"default";r=0'}, 0),
    ({"RateLimit": "r=0.0.0;t=1"}, 0),
    ({"RateLimit": "=,;" * 1000}, 0),
]


@pytest.mark.parametrize(("headers", "seconds"), HEADERS, ids=range(len(HEADERS)))
async def test_used_up_limit_pauses_the_calls(headers: dict[str, Any], seconds: float) -> None:
    limit = limit_of(100)
    encoded = {name: value.encode() for name, value in headers.items()}
    limit.read_headers(httpx.Headers(encoded), NOW)
    assert limit.seconds == pytest.approx(seconds)
