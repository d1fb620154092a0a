"""What Prometheus sees of a gateway over the sandbox that is healthy, then has faults, then stops.

The gateway is a process of its own, and its metrics are read as Prometheus reads them. Minutes are
counted, and not waited for: each look at the metrics counts as the next minute.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox, deliveries
from tests.support.processes import started
from tests.support.redis import Redis
from tests.support.sources import SOURCES, VENDORS

HEALTHY, FAULTY, DOWN = 6, 16, 4
"""Minutes of each state, in this order."""
PATIENCE = 60.0
ARRIVALS = 64
"""Webhook deliveries in a minute."""
OPERATIONS = 10
"""The limit on operations at a time."""
LATENCY = 2.2
"""Seconds of a slow vendor, more than operations wait for their turn."""
LIST = """
query($first: Int!, $filter: WebhookLogFilter!) {
  webhookLogs(first: $first, filter: $filter) { nodes { id source { name } } }
}
"""
RETRY = "mutation($id: ID!) { retryWebhookLog(id: $id) { userErrors { message } } }"

Series = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a metric, and its labels in order."""
TARGET = {"job": "webhook-log-gateway", "instance": "gateway:9464"}
"""The labels that Prometheus adds."""


class Recording:
    """The values of each series by minute, from 0; it has none where nothing was seen.

    ``healthy`` is the last minute before the faults, ``faulty`` the last one before the end.
    """

    def __init__(self) -> None:
        self.minutes = 0
        self.healthy = HEALTHY
        self.faulty = HEALTHY + 1 + FAULTY
        self.series: dict[Series, dict[int, float]] = {}

    def add(self, text: str) -> None:
        """Add what a look at the metrics has found; nothing if there was no answer."""
        self._add("up", {}, 1 if text else 0)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._add(sample.name, sample.labels, sample.value)
        self.minutes += 1

    def _add(self, name: str, labels: Mapping[str, str], value: float) -> None:
        key = name, tuple(sorted({**labels, **TARGET}.items()))
        self.series.setdefault(key, {})[self.minutes] = value


class Run:
    """A gateway that runs, with the sandbox behind it."""

    def __init__(
        self, line: str, sandbox: str, redis: Redis, journal: Path, recording: Recording
    ) -> None:
        found = re.match(r"Serving (\S+), and metrics at (\S+/metrics)\.", line)
        assert found, line
        self._url, self._metrics = found.groups()
        self._sandbox = sandbox
        self._redis = redis
        self._journal = journal
        self._recording = recording
        self._client = httpx.AsyncClient(timeout=PATIENCE)

    async def all(self, patch: pytest.MonkeyPatch) -> None:
        """Let time pass until the gateway is about to stop."""
        async with self._client:
            await self._look()
            for _ in range(HEALTHY):
                await self._control("POST", "arrive", count=ARRIVALS)
                await asyncio.gather(*(self._list(20, source) for source in SOURCES))
                await self._look()
            patch.setattr(deliveries, "_FAILURE_RATE", 1.0)
            await self._break()
            for minute in range(FAULTY):
                await self._faulty(minute)
                await self._look()

    async def _break(self) -> None:
        """Switch the faults on that last."""
        self._redis.kill()
        await self._fault("github", kind="status", status=503)
        await self._fault("gitlab", kind="status", status=401)
        await self._fault("hookdeck", kind="latency", seconds=LATENCY)
        # The answer to a retry is lost.
        await self._fault("language-weaver", kind="reset", paths="/retry")
        log = (await self._list(1, "translations"))["data"]["webhookLogs"]["nodes"][0]
        await self._ask(RETRY, id=log["id"])
        with sqlite3.connect(self._journal) as database:
            database.execute("ALTER TABLE gateway_actions RENAME TO lost")
        database.close()
        await self._look()
        await self._ask(RETRY, id=log["id"])

    async def _faulty(self, minute: int) -> None:
        await self._control("POST", "arrive", count=ARRIVALS)
        await self._fault("svix", kind="rate-limit", times=1)
        await asyncio.gather(
            *(self._list(20, source) for source in SOURCES if source != "hookdeck"),
            self._list(20, "github", "translations"),
        )
        if minute % 4 == 0:
            # More than may wait for their turn. None shares an answer, but they share two calls.
            crowd = range(1, 2 * OPERATIONS + 6)
            failed = {"status": {"eq": "FAILED"}}
            await asyncio.gather(
                *(self._list(it, "hookdeck", **failed if it > 3 else {}) for it in crowd)
            )

    async def _look(self) -> None:
        answer = await self._client.get(self._metrics)
        self._recording.add(answer.raise_for_status().text)

    async def _list(self, first: int, *sources: str, **filter: Any) -> Any:
        return await self._ask(LIST, first=first, filter={"source": {"in": sources}, **filter})

    async def _ask(self, query: str, **variables: Any) -> Any:
        answer = await self._client.post(
            self._url,
            json={"query": query, "variables": variables},
            headers={"Cache-Control": "no-cache"},
        )
        return answer.json()

    async def _fault(self, vendor: str, **fault: Any) -> None:
        assert vendor in VENDORS.values()
        await self._control("PUT", f"faults/{vendor}", **fault)

    async def _control(self, method: str, path: str, **body: Any) -> None:
        url = f"{self._sandbox}/control/{path}"
        (await self._client.request(method, url, json=body)).raise_for_status()


def record(folder: Path, sandbox: Sandbox, url: str, redis: Redis) -> Recording:
    """Return what was seen of a gateway in ``folder``; the ``sandbox`` is served at ``url``."""
    file = write_configuration(folder, sandbox, url, port=0)
    # One call at a time, so that the others wait.
    text = file.read_text().replace('name = "hookdeck"\n', 'name = "hookdeck"\nconcurrency = 1\n')
    file.write_text(f"{text}\n[metrics]\nport = 0\n")
    environ = {
        "GATEWAY_CACHE__URL": redis.url,
        "GATEWAY_CACHE__STALE_IF_ERROR": "0",
        "GATEWAY_LIMITS__OPERATIONS": str(OPERATIONS),
        "GATEWAY_LOG__LEVEL": "error",
    }
    recording = Recording()
    with (
        started("serve", "--config", str(file), **environ) as (_, output, complaints),
        pytest.MonkeyPatch.context() as patch,
    ):
        # No incident by chance, and no failure before there are faults.
        patch.setattr(deliveries, "_HOURS_PER_INCIDENT", 2**40)
        patch.setattr(deliveries, "_FAILURE_RATE", 0.0)
        line = output.readline()
        assert line, complaints.read()
        run = Run(line, url, redis, folder / "journal.sqlite3", recording)
        asyncio.run(run.all(patch))
    for _ in range(DOWN):
        recording.add("")
    return recording
