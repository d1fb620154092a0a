"""The queue ahead of the execution: its bound, its waits, and when it counts as overloaded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.config import Limit
from gateway.web.concurrency import (
    MAX_DELAY,
    MAX_RETRY_AFTER,
    MAX_WAIT,
    ConcurrencyLimit,
    OverloadedError,
)
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now
from tests.web.test_rates import Work, limits, settled
from tests.web.test_view import DATA, QUERY, client_of, made_app

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Busy:
    """A limit all of whose slots are taken, with operations that wait for one."""

    def __init__(self, most: int) -> None:
        self.held = limits(operations=Limit(most))
        self.limit = ConcurrencyLimit(self.held)
        self.releases: list[Callable[[], None]] = []
        self.waiting: list[asyncio.Task[Callable[[], None]]] = []

    async def fill(self) -> None:
        for _ in range(self.held.of("operations").max):
            self.releases.append(await self.limit.take())

    async def join(self, **given: Any) -> asyncio.Task[Callable[[], None]]:
        """Let an operation join the queue."""
        task = asyncio.create_task(self.limit.take(**given))
        self.waiting.append(task)
        await settled([task])
        return task

    async def retry_after(self) -> int:
        """Return what an operation is told that is refused at once."""
        began = now()
        with pytest.raises(OverloadedError) as refused:
            await self.limit.take()
        assert now() == began
        return refused.value.retry_after

    async def end(self) -> None:
        """End everything."""
        for task in self.waiting:
            task.cancel()
        await asyncio.gather(*self.waiting, return_exceptions=True)


async def test_waits_end_and_leave_the_queue_empty() -> None:
    busy = Busy(2)
    await busy.fill()
    began = now()
    results = await asyncio.gather(busy.limit.take(), busy.limit.take(), return_exceptions=True)
    assert [type(result) for result in results] == [OverloadedError] * 2
    assert now() - began == MAX_WAIT
    assert busy.held.exceeded == {"operations": 2}
    assert not busy.limit.is_full


async def test_disconnected_waiter_frees_its_place_in_the_queue() -> None:
    busy = Busy(2)
    await busy.fill()
    first, second = [await busy.join() for _ in range(2)]
    assert await busy.retry_after() == 1
    first.cancel()
    await settled([first])
    third = await busy.join()
    assert not third.done()
    assert await busy.retry_after() == 1
    # In the order of arrival.
    busy.releases.pop()()
    await settled([second])
    assert (second.done(), third.done()) == (True, False)
    await busy.end()


async def test_nobody_joins_a_queue_whose_head_waits_too_long() -> None:
    busy = Busy(3)
    await busy.fill()
    head = await busy.join()
    await asyncio.sleep(MAX_DELAY)
    assert not busy.limit.is_full
    later = await busy.join()
    await asyncio.sleep(0.1)
    assert (busy.limit.is_full, len(busy.limit._waiting)) == (True, 2)
    await busy.retry_after()
    # The later one has not waited that long, so that there is hope again.
    busy.releases.pop()()
    await settled([head])
    assert head.done()
    assert not busy.limit.is_full
    assert not (await busy.join()).done()
    assert not later.done()
    await busy.end()


async def test_callers_come_back_the_later_the_longer_nothing_moves() -> None:
    busy = Busy(1)
    await busy.fill()
    told = []
    for _ in range(8):
        await busy.join()
        told.append(await busy.retry_after())
        await asyncio.sleep(MAX_WAIT)
    assert told == [1, 2, 4, 6, 8, MAX_RETRY_AFTER, MAX_RETRY_AFTER, MAX_RETRY_AFTER]
    served = await busy.join()
    busy.releases.pop()()
    await served
    await busy.join()
    assert await busy.retry_after() == 1
    await busy.end()


async def test_wait_ends_at_the_deadline_of_the_operation() -> None:
    """An impatient caller is no sign of overload."""
    busy = Busy(2)
    await busy.fill()
    began = now()
    with pytest.raises(OverloadedError):
        await busy.limit.take(deadline=began + 0.5)
    assert now() - began == 0.5
    assert not busy.limit.is_overloaded


async def test_overload_lasts_from_a_full_queue_until_a_free_slot() -> None:
    busy = Busy(2)
    await busy.fill()
    assert not busy.limit.is_overloaded
    first, second = await busy.join(), await busy.join()
    assert busy.limit.is_overloaded
    # The queue is not full any more, but the slots are.
    for task in (first, second):
        busy.releases.pop()()
        await settled([task])
        busy.releases.append(task.result())
        assert not busy.limit.is_full
        assert busy.limit.is_overloaded
    busy.releases.pop()()
    assert not busy.limit.is_overloaded
    busy.releases.append(await busy.limit.take())
    assert not busy.limit.is_overloaded


async def test_overload_ends_if_the_last_waiter_leaves_as_it_gets_its_slot() -> None:
    """Nobody would end it otherwise: no more requests come to a gateway that is not ready."""
    busy = Busy(1)
    await busy.fill()
    waiter = await busy.join()
    assert busy.limit.is_overloaded
    busy.releases.pop()()
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert not busy.limit.is_overloaded


@pytest.mark.parametrize("mode", ["warn", "off"])
async def test_limit_that_is_not_enforced_is_no_overload(mode: Any) -> None:
    work = Work(limit := ConcurrencyLimit(limits(operations=Limit(1, mode))))
    tasks = [asyncio.create_task(work.run()) for _ in range(3)]
    await settled(tasks)
    assert (limit.is_full, limit.is_overloaded) == (False, False)
    work.end.set()
    await asyncio.gather(*tasks)


async def test_hanging_vendor_sheds_and_recovers() -> None:
    """Whoever comes late in the queue is refused at once, and readiness follows."""
    end = asyncio.Event()

    async def wait(_: httpx.Request) -> httpx.Response:
        await end.wait()
        return httpx.Response(403)

    listing = {"query": "{ webhookLogs { nodes { id } } }"}
    async with client_of(made_app({"operations": 5}, answer=wait)) as client:
        asked = [asyncio.create_task(client.post("/graphql", json=listing)) for _ in range(6)]
        await asyncio.sleep(MAX_DELAY + 0.5)
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "overloaded")
        began = now()
        late = await client.post("/graphql", json={"query": QUERY})
        assert (late.status_code, late.headers["retry-after"], now() - began) == (503, "2", 0)
        await asyncio.sleep(1)  # the one in the queue has given up
        soon = {"x-request-timeout": "0.25"}
        late = await client.post("/graphql", json={"query": QUERY}, headers=soon)
        assert (late.status_code, now() - began) == (503, 1.25)
        end.set()
        statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
        assert statuses == [*[200] * 5, 503]
        assert (await client.get("/readyz")).json()["status"] == "ready"
        assert (await client.post("/graphql", json={"query": QUERY})).json() == DATA
