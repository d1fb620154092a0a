"""The time spent waiting for a slow Redis, in virtual time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from gateway.cache.wait_budget import OPENING
from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.service import Gateway
from gateway.settings import load
from tests.cache.vendor import SECOND
from tests.support.moment import MOMENT, stopped
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now

if TYPE_CHECKING:
    from gateway.cache.redis import RedisStore

NOWHERE = "redis://127.0.0.1:1"
PATIENCE, TURN, PAUSE = 0.5, 0.03, 1.0


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


def clock() -> int:
    return round((MOMENT + now()) * SECOND)


class Slow:
    """A Redis that stores nothing and takes ``seconds`` for each response."""

    def __init__(self, store: RedisStore, seconds: float) -> None:
        self.seconds = seconds
        self.asked = 0
        store._redis.execute_command = self.answer

    async def answer(self, command: str, *words: Any, **_: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        return [b"0" * 16, *[None] * (len(words) - 1)] if command == "MGET" else [1, 0]


@pytest.fixture
async def store() -> AsyncIterator[RedisStore]:
    from gateway.cache.redis import RedisStore  # noqa: PLC0415 - an extra

    made = RedisStore(NOWHERE, clock=clock)
    yield made
    await made.close()


@pytest.mark.sampled(11)
@pytest.mark.parametrize("seconds", [0.05, 0.07, 0.1, 0.3, 0.5, 0.9, math.inf])
async def test_list_of_many_pages_is_not_slowed_by_redis(tmp_path: Path, seconds: float) -> None:
    sandbox = Sandbox(clock=stopped, logs=400)
    settings = load(write_configuration(tmp_path, sandbox, "http://127.0.0.1:1", port=0), {})
    (source,) = (each for each in settings.sources if each.name == "translations")
    gateway = Gateway(
        settings.model_copy(
            update={
                "cache": settings.cache.model_copy(update={"url": SecretStr(NOWHERE)}),
                "sources": [source.model_copy(update={"page_size": 5})],
            }
        ),
        transport=httpx.ASGITransport(sandbox.app),
        clock=clock,
    )
    async with gateway:
        Slow(gateway._cache._store, seconds)  # type: ignore[arg-type]
        began = now()
        page = await gateway.logs(gateway.operation(), first=40)
        assert gateway._cache.counts["loads"] == 8
        assert now() - began < gateway.settings.server.deadline.max / 4
        assert len(page.slice.entries) == 40
        assert not any(report.error for report in page.slice.reports)


async def test_total_wait_for_slow_responses_is_bounded(store: RedisStore) -> None:
    redis = Slow(store, 0.3)
    began = now()
    for _ in range(20):
        assert await store.lease("key") is not None
    assert not store.available
    assert now() - began < PATIENCE + 3 * TURN
    assert redis.asked == 2


async def test_slightly_slow_redis_stays_available(store: RedisStore) -> None:
    redis = Slow(store, 1.9 * TURN)
    for _ in range(100):
        await store.lease("key")
    assert store.available
    assert redis.asked == 100


async def test_occasional_pauses_are_forgotten(store: RedisStore) -> None:
    redis = Slow(store, 0)
    for _ in range(10):
        redis.seconds = 0.4
        await store.lease("key")
        redis.seconds = 0
        for _ in range(20):
            await store.lease("key")
    assert store.available
    assert redis.asked == 210


async def test_recovery_is_logged_once(store: RedisStore, caplog: pytest.LogCaptureFixture) -> None:
    redis = Slow(store, 0.4)
    for _ in range(20):
        await store.lease("key")
        await asyncio.sleep(PAUSE / 2)
    assert not store.available
    assert redis.asked < 15
    redis.seconds = 0
    await asyncio.sleep(PAUSE)
    await store.lease("key")
    assert store.available
    assert [record.getMessage()[:28] for record in caplog.records] == [
        "The cache's Redis is out of ",
        "The cache's Redis is back.",
    ]


def busy(seconds: float, turns: int) -> Callable[..., Awaitable[Any]]:
    """Return a Redis that needs some turns of an event loop in which each takes so long."""
    loop = asyncio.get_running_loop()

    async def answer(*_: Any, **__: Any) -> Any:
        for _turn in range(turns):
            await asyncio.sleep(0)
            loop._timer.now += seconds  # type: ignore[attr-defined]
        return [1, 0]

    return answer


async def test_busy_event_loop_does_not_count_as_slow_redis(store: RedisStore) -> None:
    store._redis.execute_command = busy(60, turns=5)
    for _ in range(2):
        await store.lease("key")
    assert store.available


@pytest.mark.parametrize("when", ["at first", "after an outage"])
async def test_connections_may_be_opened_in_a_busy_event_loop(store: RedisStore, when: str) -> None:
    """Each call then takes about ten answers in turn, and waits for as many turns of the loop."""
    if when == "after an outage":
        Slow(store, math.inf)
        await store.lease("key")
        assert not store.available
        await asyncio.sleep(PAUSE)
        Slow(store, 0)
        await store.lease("key")
        assert store.available
    store._redis.execute_command = busy(0.05, turns=18)
    for _ in range(2):
        await store.lease("key")
    assert store.available


async def test_hanging_redis_is_noticed_in_a_busy_event_loop(store: RedisStore) -> None:
    redis = Slow(store, math.inf)
    loop, call = asyncio.get_running_loop(), asyncio.create_task(store.lease("key"))
    began = now()
    while not call.done():
        await asyncio.sleep(0)
        loop._timer.now += 1.5 * TURN  # type: ignore[attr-defined]
    assert not store.available
    assert redis.asked == 1
    assert now() - began < OPENING + 3 * PATIENCE


async def test_slow_redis_is_noticed_in_a_busy_event_loop(store: RedisStore) -> None:
    Slow(store, 0)
    await store.lease("key")
    await asyncio.sleep(OPENING)
    store._redis.execute_command = busy(0.7 * TURN, turns=12)
    for _ in range(8):
        await store.lease("key")
    assert not store.available
