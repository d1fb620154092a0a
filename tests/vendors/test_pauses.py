"""Errors for callers when a vendor asks for pauses until the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.sources import Source
from gateway.upstream import retry
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Found
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now
from tests.vendors.vendors import Vendor, answer, make

PROJECTS = [f"{number:032x}" for number in range(2)]


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


@pytest.fixture(autouse=True)
def real_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "sleep", asyncio.sleep)


def source_of(answers: Callable[[int], httpx.Response | None]) -> Source:
    """Return a source of two projects; a response of None means no response."""
    requests = 0

    async def respond(_: httpx.Request) -> httpx.Response:
        nonlocal requests
        requests += 1
        if (said := answers(requests)) is None:
            await asyncio.Event().wait()
        assert said is not None
        return said

    return make("codearts", Vendor(respond), monotonic=now, projects=PROJECTS)


def pause(seconds: int) -> httpx.Response:
    return answer({}, 429, Retry_After=str(seconds))


async def failure_of(source: Source, operation: Operation) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await source.find_streams(operation)
    return caught.value


async def test_pause_beyond_the_deadline_is_reported() -> None:
    """Other operations may have enough time to wait for its end."""
    source = source_of(lambda _: pause(5))
    error = await failure_of(source, Operation(3, longest=10))
    assert error.code is ErrorCode.UPSTREAM_RATE_LIMITED
    assert error.retry_after == 2.0
    assert str(error) == "Source it asked for a pause of another 2 seconds. Ask again after that."


async def test_pause_that_left_too_little_time_is_reported() -> None:
    source = source_of(lambda request: pause(2) if request == 1 else None)
    error = await failure_of(source, Operation(3))
    assert error.code is ErrorCode.UPSTREAM_RATE_LIMITED
    assert str(error).startswith("Source it asked for a pause, after which too little time")


@pytest.mark.parametrize("seconds", [3, 8])
@pytest.mark.parametrize("pauses", [0, 1])
async def test_silence_after_an_answer_is_a_timeout(pauses: int, seconds: float) -> None:
    def answers(request: int) -> httpx.Response | None:
        if request <= pauses:
            return pause(2)
        return answer([]) if request == pauses + 1 else None

    found: Found = await source_of(answers).find_streams(Operation(seconds))
    assert [error.code for error in found.errors] == [ErrorCode.UPSTREAM_TIMEOUT]


async def test_silence_longer_than_the_pause_is_a_timeout() -> None:
    source = source_of(lambda request: pause(2) if request == 1 else None)
    error = await failure_of(source, Operation(8))
    assert error.code is ErrorCode.UPSTREAM_TIMEOUT
