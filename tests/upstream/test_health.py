"""The sample of a source's latest calls: honest about its size and its time, in bounded memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.errors import UpstreamError
from gateway.upstream.health import MAX_CALLS, WINDOW, CallSample, RecentCalls
from tests.support.clock import SECOND, Clock
from tests.upstream.network import NOW, call, client_of, document

if TYPE_CHECKING:
    from gateway.upstream.client import UpstreamClient


@pytest.fixture
def clock() -> Clock[int]:
    return Clock(NOW)


def recent(client: UpstreamClient) -> RecentCalls:
    found = client.health.recent
    assert found is not None
    return found


def test_nothing_is_said_without_a_call(clock: Clock[int]) -> None:
    """A ratio of zero would claim that calls succeeded."""
    sample = CallSample(clock)
    assert sample.recent() is None
    sample.add(1.0, failed=True)
    clock.advance(WINDOW)
    assert sample.recent() == RecentCalls(1, 1.0, 1.0, NOW)
    clock.advance(1)
    assert sample.recent() is None


def test_ratio_and_percentile_are_those_of_the_window(clock: Clock[int]) -> None:
    sample = CallSample(clock)
    sample.add(1000.0, failed=True)
    clock.advance(WINDOW)
    for seconds in range(20, 0, -1):
        clock.advance(1)
        sample.add(float(seconds), failed=seconds % 4 == 0)
    since = NOW + int(WINDOW + 1) * SECOND
    assert sample.recent() == RecentCalls(20, 0.25, 19.0, since)


def test_sample_holds_no_more_than_the_latest_calls(clock: Clock[int]) -> None:
    sample = CallSample(clock)
    for number in range(MAX_CALLS + 3):
        sample.add(1.0, failed=number < 4)
        clock.advance(0.1)
    assert sample.recent() == RecentCalls(MAX_CALLS, 1 / MAX_CALLS, 1.0, NOW + 3 * SECOND // 10)
    assert len(sample._calls) == MAX_CALLS


async def test_each_attempt_that_was_sent_counts() -> None:
    """The retry hides a failure from callers, but not from whoever looks after the source."""
    answers = iter([document({}, 503), document({}), document({}, 404), document({}, 404)])
    client = client_of(lambda _: next(answers))
    assert client.health.recent is None
    await call(client)
    seen = recent(client)
    assert (seen.count, seen.error_ratio, seen.first_at) == (2, 0.5, NOW)
    assert 0 < seen.p95 < 5
    with pytest.raises(UpstreamError):
        await call(client)
    seen = recent(client)
    assert (seen.count, seen.error_ratio) == (3, 2 / 3)


async def test_call_that_times_out_counts_as_long_as_it_took() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = client_of(never, timeout=0.02)
    with pytest.raises(UpstreamError):
        await call(client)
    seen = recent(client)
    assert (seen.count, seen.error_ratio) == (1, 1.0)
    assert seen.p95 >= 0.02


async def test_calls_that_prove_nothing_do_not_count() -> None:
    """One that was cancelled, and those that the breaker or the rate limit did not let out."""
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def wait(_: httpx.Request) -> httpx.Response:
        begun.set()
        await goes_on.wait()
        return document({})

    client = client_of(wait, concurrency=1)
    sent = asyncio.create_task(call(client))
    await begun.wait()
    with pytest.raises(UpstreamError):
        await call(client, seconds=0.01)
    sent.cancel()
    await asyncio.gather(sent, return_exceptions=True)
    assert client.health.recent is None
    goes_on.set()
    await call(client)
    assert recent(client).count == 1


async def test_callers_with_credentials_of_their_own_learn_nothing_of_each_other() -> None:
    client = client_of(lambda _: document({}), private=True)
    await call(client)
    assert client.health.last_success_at == NOW
    assert client.health.recent is None
