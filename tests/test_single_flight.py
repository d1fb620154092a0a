from __future__ import annotations

import asyncio
import gc

import pytest

from gateway.single_flight import SingleFlight


class Work:
    """A call that ends when ``ready`` is set."""

    def __init__(self) -> None:
        self.started = 0
        self.ready = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.started += 1
        await self.ready.wait()
        if self.error:
            raise self.error
        return self.started


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_concurrent_calls_with_the_same_key_run_once() -> None:
    flights: SingleFlight[int] = SingleFlight()
    work = Work()
    callers = [asyncio.create_task(flights.run("key", work)) for _ in range(50)]
    await settle()
    work.ready.set()
    assert await asyncio.gather(*callers) == [1] * 50


async def test_calls_with_other_keys_run_concurrently() -> None:
    flights: SingleFlight[int] = SingleFlight()
    one, other = Work(), Work()
    waiting = asyncio.create_task(flights.run("one", one))
    other.ready.set()
    assert await flights.run("other", other) == 1
    one.ready.set()
    assert await waiting == 1


async def test_result_is_not_cached() -> None:
    flights: SingleFlight[int] = SingleFlight()
    work = Work()
    work.ready.set()
    assert [await flights.run("key", work) for _ in range(3)] == [1, 2, 3]


async def test_finished_task_is_not_joined() -> None:
    flights: SingleFlight[int] = SingleFlight()
    work = Work()

    async def comes_right_after() -> int:
        await work.ready.wait()
        assert "key" not in flights
        return await flights.run("key", work)

    first = asyncio.create_task(flights.run("key", work))
    await settle()
    after = asyncio.create_task(comes_right_after())
    await settle()
    work.ready.set()
    assert [await first, await after] == [1, 2]


async def test_failure_is_raised_for_all_waiters_and_forgotten() -> None:
    flights: SingleFlight[int] = SingleFlight()
    work = Work()
    work.error = ValueError("broken")
    callers = [asyncio.create_task(flights.run("key", work)) for _ in range(50)]
    await settle()
    work.ready.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert {str(result) for result in results} == {"broken"}
    assert work.started == 1
    work.error = None
    assert await flights.run("key", work) == 2


async def test_cancelled_caller_does_not_affect_others() -> None:
    flights: SingleFlight[int] = SingleFlight()
    work = Work()
    first, second = (asyncio.create_task(flights.run("key", work)) for _ in range(2))
    await settle()
    first.cancel()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await flights.run("key", work)
    await settle()
    assert first.cancelled()
    work.ready.set()
    assert await second == 1


async def test_failure_without_waiters_is_not_reported_by_asyncio() -> None:
    """asyncio reports an exception that was never retrieved when its task is collected."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    flights: SingleFlight[int] = SingleFlight()
    work = Work()
    work.error = ValueError("broken")
    flights.start("key", work)
    await settle()
    work.ready.set()
    await settle()
    assert work.started == 1
    gc.collect()
    assert complaints == []


async def test_cancel_ends_all_tasks_and_waiters() -> None:
    flights: SingleFlight[int] = SingleFlight()
    work = Work()
    callers = [asyncio.create_task(flights.run(key, work)) for key in range(3)]
    await settle()
    await flights.cancel()
    await settle()
    assert [caller.cancelled() for caller in callers] == [True] * 3
    await flights.cancel()


async def test_task_without_waiters_is_cancelled() -> None:
    flights: SingleFlight[int] = SingleFlight()
    work = Work()
    callers = [asyncio.create_task(flights.run("key", work)) for _ in range(2)]
    await settle()
    for caller in callers:
        assert "key" in flights
        caller.cancel()
        await settle()
    assert "key" not in flights
    # A caller that arrives right after the last one left does not join the cancelled task.
    work.ready.set()
    assert await flights.run("key", work) == 2


async def test_task_being_cancelled_is_not_joined() -> None:
    flights: SingleFlight[int] = SingleFlight()
    work = Work()
    caller = asyncio.create_task(flights.run("key", work))
    await settle()
    caller.cancel()
    await asyncio.sleep(0)
    late = asyncio.create_task(flights.run("key", work))
    await settle()
    work.ready.set()
    assert await late == 2


async def test_background_task_runs_without_waiters() -> None:
    flights: SingleFlight[int] = SingleFlight()
    work = Work()
    flights.start("key", work)
    caller = asyncio.create_task(flights.run("key", work))
    await settle()
    caller.cancel()
    await settle()
    late = asyncio.create_task(flights.run("key", work))
    await settle()
    work.ready.set()
    assert await late == 1
