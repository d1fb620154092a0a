"""Gateway processes that share a Redis, which may fail at any time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from tests.support.moment import stopped
from tests.support.processes import started
from tests.support.sources import FEW

if TYPE_CHECKING:
    from tests.support.redis import Redis

pytestmark = pytest.mark.slow

PATIENCE = 60.0
"""Seconds after which a test fails."""
QUERIES = 200
CALLERS = 4
"""Callers of each process; each sends one query after the other."""
ANSWERS = 25
"""Responses of each process that `wait` waits for."""
USER, PASSWORD = "gateway", "planted-password"
LOGS = """
query($cache: CacheDemand) {
  webhookLogs(first: 25, cache: $cache) {
    nodes { id }
    sourceReports { source { name } outcome error { code } }
  }
}
"""
CACHE = "{ cache { shared available hits collapsed storeFailures } }"


class Server:
    """A gateway in another process; ``log`` is its complete output, once it has ended."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.log: list[str] = []
        self._url = url
        self._client = client

    async def data(self, document: str, **variables: Any) -> dict[str, Any]:
        """Execute a query; errors fail the test."""
        response = await self._client.post(
            self._url, json={"query": document, "variables": variables}
        )
        assert response.status_code == 200, response.text
        answer = response.json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def logs(self, max_age: float | None = None) -> list[str]:
        """List logs; a failed source fails the test."""
        demand = None if max_age is None else {"maxAge": max_age}
        page = (await self.data(LOGS, cache=demand))["webhookLogs"]
        assert all(report["outcome"] == "OK" for report in page["sourceReports"]), page
        return [log["id"] for log in page["nodes"]]

    async def cache(self) -> dict[str, Any]:
        state: dict[str, Any] = (await self.data(CACHE))["cache"]
        return state


@contextlib.asynccontextmanager
async def serving(configuration: Path) -> AsyncIterator[Server]:
    """Serve the gateway in a separate process."""
    # A reused connection may be one that the server is closing.
    limits = httpx.Limits(max_connections=QUERIES, max_keepalive_connections=0)
    with started("serve", "--config", str(configuration)) as (process, output, complaints):
        said = output.readline()
        assert said, complaints.read()
        async with httpx.AsyncClient(timeout=PATIENCE, limits=limits) as client:
            server = Server(said.split()[1].rstrip("."), client)
            try:
                yield server
            finally:
                process.kill()
                server.log += complaints.read().splitlines()


@pytest.fixture(scope="module")
def slow(serve: Callable[[ASGIApp], str]) -> tuple[Sandbox, str]:
    """Return vendors so slow that all queries arrive before the first response."""
    sandbox = Sandbox(clock=stopped, logs=400, latency=(0.5, 0.5), vendors=FEW)
    return sandbox, serve(sandbox.app)


@pytest.fixture(scope="module")
def quick(serve: Callable[[ASGIApp], str]) -> tuple[Sandbox, str]:
    sandbox = Sandbox(clock=stopped, logs=400)
    return sandbox, serve(sandbox.app)


def configured(folder: Path, vendors: tuple[Sandbox, str], *cache: str) -> Path:
    """Write a configuration with these lines under [cache], and limits for all callers."""
    file = write_configuration(folder, *vendors, port=0)
    lines = "\n".join(("[limits]", 'operations = "off"', 'rate = "off"', "[cache]", *cache))
    file.write_text(f"{lines}\n\n{file.read_text()}")
    return file


LASTING = ("first_page = 600.0", "hooks = 600.0")
"""A long lifetime, so that nothing expires on a slow machine."""


async def upstream_calls(vendors: tuple[Sandbox, str], servers: Sequence[Server]) -> Counter[str]:
    """Send all queries at the same time, and count the equal calls to the vendors."""
    async with httpx.AsyncClient(base_url=vendors[1] + "/control") as control:
        await control.delete("/calls")
        asked = [servers[number % len(servers)].logs() for number in range(QUERIES)]
        answers = await asyncio.gather(*asked)
        assert answers == [answers[0]] * QUERIES
        made = (await control.get("/calls")).json()
    calls = Counter(f"{call['path']}?{httpx.QueryParams(call['query'])}" for call in made["calls"])
    assert calls.total() == sum(sum(counts.values()) for counts in made["counts"].values())
    return calls


def is_token(call: str) -> bool:
    return call.partition("?")[0].endswith(("/tokens", "/access_token"))


async def test_equal_queries_to_one_process_make_one_call_per_stream(
    slow: tuple[Sandbox, str], tmp_path: Path
) -> None:
    async with serving(configured(tmp_path, slow, *LASTING)) as server:
        calls = await upstream_calls(slow, [server])
        assert len(calls) > 20
        assert set(calls.values()) == {1}, calls
        assert (await server.cache())["collapsed"] > QUERIES


async def test_equal_queries_to_two_processes_make_one_call_per_stream(
    slow: tuple[Sandbox, str], tmp_path: Path, redis: Redis
) -> None:
    redis.flush()
    file = configured(tmp_path, slow, f'url = "{redis.url}"', *LASTING)
    async with serving(file) as one, serving(file) as other:
        calls = await upstream_calls(slow, [one, other])
        assert len(calls) > 20
        tokens = [calls.pop(call) for call in list(calls) if is_token(call)]
        assert set(calls.values()) == {1}, calls
        # Processes do not share tokens: each one fetches its own.
        assert set(tokens) <= {1, 2}
        for server in (one, other):
            state = await server.cache()
            assert (state["shared"], state["storeFailures"]) == (True, 0)


class Load:
    """Callers that query servers without a pause; a failed query fails the test."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.max_age: float | None = None
        self._servers = servers
        self._answers: Counter[Server] = Counter()
        self._answered = asyncio.Condition()
        self._callers: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Load:
        self._callers = asyncio.create_task(self._ask())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._callers is not None
        self._callers.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._callers

    async def _ask(self) -> None:
        async with asyncio.TaskGroup() as group:
            for server in self._servers:
                for _ in range(CALLERS):
                    group.create_task(self._go_on_asking(server))

    async def _go_on_asking(self, server: Server) -> None:
        while True:
            assert len(await server.logs(self.max_age)) == 25
            async with self._answered:
                self._answers[server] += 1
                self._answered.notify_all()

    async def a_while(self) -> None:
        """Wait for more responses of every server."""
        assert self._callers is not None
        goal = {server: self._answers[server] + ANSWERS for server in self._servers}
        enough = asyncio.create_task(self._reach(goal))
        await asyncio.wait(
            [enough, self._callers], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        if self._callers.done():
            self._callers.result()
        assert enough.done()

    async def _reach(self, goal: dict[Server, int]) -> None:
        async with self._answered:
            await self._answered.wait_for(
                lambda: all(self._answers[server] >= goal[server] for server in goal)
            )

    async def until(self, what: Callable[[dict[str, Any]], bool], server: Server) -> dict[str, Any]:
        """Wait until the condition holds for the server's cache."""
        async with asyncio.timeout(PATIENCE):
            while not what(state := await server.cache()):
                await self.a_while()
        return state


OUT_OF_REACH = "The cache's Redis is out of reach"
BACK = "The cache's Redis is back."
FULL = "The cache's Redis refuses to store"


def _hits_exceed(count: int) -> Callable[[dict[str, Any]], bool]:
    return lambda state: state["hits"] > count


def transitions(server: Server) -> list[str]:
    """Return the lines about the cache in the log of a process."""
    assert not [line for line in server.log if PASSWORD in line]
    told = (OUT_OF_REACH, BACK, FULL)
    return [text for line in server.log for text in told if text in line]


async def test_no_query_fails_while_redis_is_killed_and_restarted(
    quick: tuple[Sandbox, str], tmp_path: Path, redis: Redis
) -> None:
    redis.flush()
    file = configured(tmp_path, quick, f'url = "{redis.url}"')
    async with serving(file) as one, serving(file) as other:
        servers = (one, other)
        async with Load(servers) as load:
            await load.a_while()
            redis.kill()
            try:
                states = [
                    await load.until(lambda state: not state["available"], server)
                    for server in servers
                ]
                await load.a_while()
            finally:
                await asyncio.to_thread(redis.restart)
            for server, before in zip(servers, states, strict=True):
                more = before["hits"] + ANSWERS
                state = await load.until(_hits_exceed(more), server)
                assert state["available"]
                assert state["storeFailures"] > 0
    for server in servers:
        assert transitions(server) == [OUT_OF_REACH, BACK]


async def test_no_query_fails_while_redis_is_slow_or_full(
    quick: tuple[Sandbox, str], tmp_path: Path, redis: Redis
) -> None:
    redis.flush()
    with redis.client() as client:
        client.acl_setuser(
            USER, enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=["+@all"]
        )
    (tmp_path / "address").write_text(redis.url.replace("//", f"//{USER}:{PASSWORD}@"))
    file = configured(tmp_path, quick, 'url = { file = "address" }')
    async with serving(file) as server:  # noqa: SIM117 - the log is read after the inner context
        async with Load([server]) as load:
            await load.a_while()
            assert (await server.cache())["storeFailures"] == 0
            with redis.paused():
                await load.until(lambda state: not state["available"], server)
            before = await load.until(lambda state: state["available"], server)

            redis.limit_memory(1)
            # A query that bypasses the cache still fills it.
            load.max_age = 0
            full = await load.until(
                lambda state: state["storeFailures"] > before["storeFailures"] + ANSWERS, server
            )
            assert full["available"]
            redis.limit_memory(0)
            await load.a_while()
            load.max_age = None
            await load.until(_hits_exceed(full["hits"]), server)
    assert transitions(server) == [OUT_OF_REACH, BACK, FULL]
