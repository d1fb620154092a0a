"""What happens to callers when replicas, Redis or PostgreSQL are killed or restarted."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx

from tests.replicas.cluster import FORGET, LIST, STATE, Cluster, Process, answer_of, headers
from tests.replicas.vendor import Vendor
from tests.support.actions import ACTIONS, RETRY
from tests.support.postgres import Postgres
from tests.web.test_workers import PATIENCE, until

if TYPE_CHECKING:
    from tests.support.redis import Redis

CALLERS = 4
PAUSE = 0.02
"""Seconds between two requests of a caller."""
ANSWERS = 30
"""Responses that ``Load.more`` waits for."""
CHANGE = 1000
"""Retries that the vendor's log gets at once, so that it is seen."""
LONG = 5 * PATIENCE
"""Seconds until all restarts have to be over."""
RETRY_EACH = 10
"""Every so many requests of a caller, one is a retry."""

_keys = itertools.count(1)


class Load:
    """Callers that send one request after the other through nginx; a failed one fails the test."""

    def __init__(self, url: str, id: str) -> None:
        self.answers = 0
        self.retries: list[str] = []
        self._url = url
        self._id = id
        self._stopping = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with (
            asyncio.timeout(LONG),
            httpx.AsyncClient(timeout=PATIENCE) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(CALLERS):
                group.create_task(self._ask(client))
            await self.more()
            try:
                yield
                await self.more()
            finally:
                self._stopping = True

    async def more(self) -> None:
        """Wait for more responses."""
        goal = self.answers + ANSWERS
        while self.answers < goal:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _ask(self, client: httpx.AsyncClient) -> None:
        for number in itertools.count(1):
            if self._stopping:
                return
            if number % RETRY_EACH:
                logs = (await self._data(client, LIST))["webhookLogs"]
                assert [report["outcome"] for report in logs["sourceReports"]] == ["OK"], logs
                assert len(logs["nodes"]) == 2
            else:
                key = f"load {next(_keys)}"
                retried = await self._data(client, RETRY, id=self._id, key=key)
                assert retried["retryWebhookLog"]["userErrors"] == []
                self.retries.append(key)
            self.answers += 1
            # Processes that start need the processor, too.
            await asyncio.sleep(PAUSE)

    async def _data(self, client: httpx.AsyncClient, document: str, **variables: Any) -> Any:
        body = {"query": document, "variables": variables}
        response = await client.post(f"{self._url}/graphql", json=body, headers=headers())
        return answer_of(response.status_code, response.text)


def first_id(cluster: Cluster) -> str:
    with cluster.processes() as (process, *_):
        id: str = process.logs()["nodes"][0]["id"]
        return id


def journal(process: Process) -> dict[str, str]:
    """Return the outcomes of the latest actions by their keys."""
    nodes = process.data(ACTIONS, first=100)["actions"]["nodes"]
    return {node["idempotencyKey"]: node["outcome"] for node in nodes}


async def test_restart_of_one_replica_after_the_other_loses_no_request(
    cluster: Cluster, vendor: Vendor
) -> None:
    load = Load(cluster.url, await asyncio.to_thread(first_id, cluster))
    tried = len(cluster.passed_on())
    async with load.running():
        for replica in cluster.replicas:
            await asyncio.to_thread(replica.stop)
            await load.more()
            replica.launch()
            await asyncio.to_thread(replica.wait)
        for replica in cluster.replicas:
            await load.more()
            await asyncio.to_thread(replica.hang_up)
    ports = {replica.port for replica in cluster.replicas}
    passed_on = [one for one in cluster.passed_on()[tried:] if len(one) > 1]
    assert {one[0] for one in passed_on} == ports, "no request met a stopped replica"
    assert vendor.calls["PUT"] == len(load.retries) > 0
    with cluster.processes() as (process, *_):
        recorded = journal(process)
    assert {recorded[key] for key in load.retries[-50:]} == {"SUCCEEDED"}


async def test_killed_redis_costs_no_request_and_hides_no_change(
    cluster: Cluster, vendor: Vendor, redis: Redis
) -> None:
    load = Load(cluster.url, await asyncio.to_thread(first_id, cluster))
    async with load.running():
        redis.kill()
        try:
            await load.more()
            await asyncio.to_thread(_invalidate_without_redis, cluster, vendor)
        finally:
            await asyncio.to_thread(redis.restart)
        await load.more()
    assert vendor.calls["PUT"] == len(load.retries) > 0
    await asyncio.to_thread(_share_again, cluster, vendor)


def _invalidate_without_redis(cluster: Cluster, vendor: Vendor) -> None:
    with cluster.processes() as processes:
        for process in processes:
            process.logs()
            assert not process.data(STATE)["cache"]["available"]
        vendor.retries += CHANGE
        assert processes[0].data(FORGET)["invalidateCache"]["entries"] == 0
        assert processes[0].attempts()[0] > CHANGE
        # Another process may still wait for a call that began before the change.
        for process in processes:
            until(lambda: process.attempts()[0] > CHANGE)  # noqa: B023


def _share_again(cluster: Cluster, vendor: Vendor) -> None:
    with cluster.processes() as processes:
        for process in processes:
            until(lambda: process.logs() and process.data(STATE)["cache"]["available"])  # noqa: B023
            assert process.attempts() == [vendor.retries + 1, 1]
        calls = vendor.calls.total()
        for process in processes:
            assert process.attempts() == [vendor.retries + 1, 1]
        assert vendor.calls.total() == calls


def test_killed_postgres_stops_actions_only_and_loses_none(
    cluster: Cluster, vendor: Vendor, postgres: Postgres
) -> None:
    with cluster.processes() as processes:
        id = processes[0].logs()["nodes"][0]["id"]
        for process in processes:
            process.data(ACTIONS)  # by a connection that is kept
        postgres.kill()
        try:
            for number, process in enumerate(processes):
                status, text = process.send(RETRY, id=id, key=f"refused {number}")
                assert status == 200
                assert b'"JOURNAL_UNAVAILABLE"' in text
                assert process.attempts() == [1, 1]
                process.data(FORGET)
                assert process.attempts() == [1, 1]
            assert vendor.calls["PUT"] == 0
        finally:
            postgres.restart()
        for number, process in enumerate(processes):
            answer = process.data(RETRY, id=id, key=f"refused {number}")
            assert answer["retryWebhookLog"]["userErrors"] == []
            assert process.attempts() == [number + 2, 1]
        recorded = journal(processes[0])
    assert vendor.calls["PUT"] == len(processes)
    assert {recorded[f"refused {number}"] for number in range(4)} == {"SUCCEEDED"}


def test_outcome_of_an_action_that_postgres_could_not_take_is_recorded_later(
    cluster: Cluster, vendor: Vendor, postgres: Postgres
) -> None:
    with cluster.processes() as processes, ThreadPoolExecutor(1) as pool:
        id = processes[0].logs()["nodes"][0]["id"]
        vendor.open.clear()
        asked = pool.submit(processes[0].data, RETRY, id=id, key="late")
        until(lambda: vendor.calls["PUT"])
        postgres.kill()
        try:
            vendor.open.set()
            answer = asked.result(PATIENCE)
        finally:
            postgres.restart()
        assert answer["retryWebhookLog"]["userErrors"] == []
        until(lambda: journal(processes[1])["late"] == "SUCCEEDED")
        assert processes[1].data(RETRY, id=id, key="late") == answer
        assert vendor.calls["PUT"] == 1
