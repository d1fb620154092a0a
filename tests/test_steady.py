"""An occasionally failing vendor under many callers, in virtual time.

Processor time does not count here, so any wait that the failures cause to other sources shows to
the microsecond. ``tests.benchmarks.failing_vendor`` measures their cost in processor time.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.callers import Authenticator
from gateway.cli.demo_configuration import write_configuration
from gateway.config import LimitSettings
from gateway.limits import Limits
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.service import Gateway
from gateway.settings import load
from gateway.web.view import GraphQLView
from tests.support.moment import MOMENT
from tests.support.sources import VENDORS
from tests.support.virtual_time import now, run

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:1"
SCHEMA = build_schema()
CALLERS = 50
SECONDS = 60
PAUSE = 5.0
"""Seconds between two reads of a caller."""
SHARE = 0.3
LATENCY = 0.04
LIST = """query($source: String!) {{
  webhookLogs(first: {first}, filter: {{ source: {{ eq: $source }} }}) {{
    nodes {{ id {nodes} }} sourceReports {{ error {{ code }} }} }} }}"""
READS = (
    LIST.format(first=25, nodes="status"),
    LIST.format(first=100, nodes="status"),
    LIST.format(first=25, nodes="hook { name }"),
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on WebhookLog { request { body } } } }",
    "query($source: String!) { source(name: $source) { hooks { nodes { id } } } }",
)
DEMANDS: tuple[dict[str, str], ...] = ({}, {}, {}, {"Cache-Control": "no-cache"})

Reads = dict[str, list[tuple[float, float]]]
"""When each read of a source began, and how long it took, in seconds."""


def errors_in(answer: dict[str, Any]) -> list[str]:
    logs = answer["data"].get("webhookLogs") or {"sourceReports": []}
    reported = [report["error"]["code"] for report in logs["sourceReports"] if report["error"]]
    return [error["extensions"]["code"] for error in answer.get("errors", ())] + reported


class Office:
    """Callers that read everything from all sources repeatedly."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.reads: Reads = defaultdict(list)
        self.errors: list[str] = []
        self._http = http
        self._ids: dict[str, list[str]] = {}

    async def ask(
        self, source: str, query: str, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        variables = {"source": source, "ids": self._ids.get(source, [])}
        body = {"query": query, "variables": variables}
        answer: dict[str, Any] = (
            await self._http.post("/graphql", json=body, headers=headers)
        ).json()
        return answer

    async def begin(self) -> None:
        """Read everything once."""
        for source in VENDORS:
            logs = (await self.ask(source, READS[0]))["data"]["webhookLogs"]["nodes"]
            self._ids[source] = [log["id"] for log in logs[:3]]
            for query in READS:
                assert errors_in(await self.ask(source, query)) == []

    async def go_on(self) -> None:
        """Let all callers read for a while, each on its own schedule."""
        await asyncio.gather(*map(self._call, range(CALLERS)))

    async def _call(self, number: int) -> None:
        start = now() + PAUSE * number / CALLERS
        reads = itertools.cycle(itertools.product(READS, VENDORS))
        for index, (query, source) in enumerate(itertools.islice(reads, number, None)):
            began = start + PAUSE * index
            if began > SECONDS:
                return
            await asyncio.sleep(began - now())
            answer = await self.ask(source, query, DEMANDS[(number + index) % len(DEMANDS)])
            self.reads[source].append((began, round(now() - began, 6)))
            self.errors += [f"{code} {source} {query}" for code in errors_in(answer)]


async def office_of(folder: Path, vendor: str | None) -> tuple[Office, int]:
    """Run an office while one vendor fails, or none; return it and the number of failed calls.

    Retries start at once, as in all tests, so that no wait is random.
    """
    sandbox = Sandbox(
        clock=lambda: MOMENT + now(),
        logs=1000,
        arrivals_per_second=2.0,
        latency=(LATENCY, LATENCY),
    )
    vendors = httpx.ASGITransport(sandbox.app)
    settings = load(write_configuration(folder, sandbox, NOWHERE, port=0), {})
    lifetimes = dict.fromkeys(("first_page", "page", "detail", "hooks"), 1.0)
    settings = settings.model_copy(update={"cache": settings.cache.model_copy(update=lifetimes)})
    gateway = Gateway(
        settings,
        transport=vendors,
        clock=lambda: round((MOMENT + now()) * 10**9),
        monotonic=now,
    )
    limits = Limits(LimitSettings.model_validate({"rate": "off"}))
    view = GraphQLView(SCHEMA, gateway, Authenticator(settings.auth), limits)
    async with (
        gateway,
        httpx.AsyncClient(transport=httpx.ASGITransport(view), base_url=NOWHERE) as http,
        httpx.AsyncClient(transport=vendors, base_url=f"{NOWHERE}/control") as control,
    ):
        office = Office(http)
        await office.begin()
        if vendor is not None:
            fault = {"kind": "status", "status": 503, "share": SHARE}
            (await control.put(f"/faults/{vendor}", json=fault)).raise_for_status()
        await office.go_on()
        failed = (await control.get("/calls")).json()["suffered"]
    return office, failed.get(vendor, 0)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office that ran while no vendor failed, to compare with."""
    office, _ = run(office_of(tmp_path_factory.mktemp("calm"), None))
    assert office.errors == []
    return office


@pytest.mark.parametrize("source", VENDORS)
def test_callers_see_no_errors_and_other_sources_are_not_slower(
    calm: Office, tmp_path: Path, source: str
) -> None:
    office, failed = run(office_of(tmp_path, VENDORS[source]))
    assert failed > 20
    assert office.errors == []
    for other in VENDORS:
        if other != source:
            assert office.reads[other] == calm.reads[other]
