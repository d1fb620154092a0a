"""Stale responses during a refresh or an outage of the vendor, as a caller sees them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.callers import Authenticator, Caller, Grant, Method, Role
from gateway.cli.demo_configuration import write_configuration
from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.limits import Limits
from gateway.model import CacheStatus
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.service import Gateway
from gateway.settings import load
from gateway.web.view import GraphQLView
from tests.support.moment import MOMENT

NOWHERE = "http://127.0.0.1:1"
SCHEMA = build_schema()
FRESH = 5
"""Default lifetime of a fresh page, first or later, in seconds."""
RENEWABLE = 30
"""Seconds after that in which a stale page is returned at once."""
RETRY = 2
"""Seconds until a failed vendor is called again."""
REST = 5
"""Seconds without calls after the breaker has opened."""
NEGATIVE = 10
"""Seconds for which a missing log is cached as missing."""
KEPT = 3600
"""Seconds in which a stale page replaces a failure."""
REPORT = """
  sourceReports { outcome notes age fetchedAt cache upstreamCalls error { code } }
"""
LOGS = f"""
query($sources: [String!] = ["translations"], $cache: CacheDemand) {{
  webhookLogs(first: 5, filter: {{ source: {{ in: $sources }} }}, cache: $cache) {{
    nodes {{ id source {{ name }} freshness {{ status age fetchedAt failure }} }}
    {REPORT}
  }}
}}
"""


class Answer:
    """A first page of the source translations, and its report."""

    def __init__(self, response: httpx.Response) -> None:
        document = response.json()
        assert "errors" not in document, document["errors"]
        page = document["data"]["webhookLogs"]
        self.status = response.headers["cache-status"]
        self.report: dict[str, Any] = page["sourceReports"][-1]
        self.nodes: list[dict[str, Any]] = page["nodes"]
        self.ids = [node["id"] for node in self.nodes]
        self.cache = self.report["cache"]


class Desk:
    """The gateway over HTTP and its vendors, in one process, on one clock."""

    def __init__(self, folder: Path) -> None:
        self.now = MOMENT
        self.sandbox = Sandbox(clock=lambda: float(self.now), logs=300)
        vendors = httpx.ASGITransport(self.sandbox.app)
        self.control = httpx.AsyncClient(transport=vendors, base_url=f"{NOWHERE}/control")
        settings = load(write_configuration(folder, self.sandbox, NOWHERE, port=0), {})
        self.gateway = Gateway(
            settings,
            transport=vendors,
            clock=lambda: self.now * 10**9,
            # Breakers use the same clock, rate limits the real one.
            monotonic=lambda: self.now + time.monotonic(),
        )
        self.client = self.client_of(self.gateway)

    @staticmethod
    def client_of(gateway: Gateway) -> httpx.AsyncClient:
        settings = gateway.settings
        authenticator, limits = Authenticator(settings.auth), Limits(settings.limits)
        view = GraphQLView(SCHEMA, gateway, authenticator, limits)
        return httpx.AsyncClient(transport=httpx.ASGITransport(view), base_url=NOWHERE)

    async def send(self, headers: dict[str, str] | None = None, **variables: Any) -> httpx.Response:
        body = {"query": LOGS, "variables": variables}
        return await self.client.post("/graphql", json=body, headers=headers)

    async def read(self, headers: dict[str, str] | None = None, **variables: Any) -> Answer:
        return Answer(await self.send(headers, **variables))

    async def renewed(self) -> None:
        """Wait for background refreshes."""
        flights = self.gateway._cache._flights
        while flights._tasks:
            await asyncio.wait(flights._tasks)
            await asyncio.sleep(0)

    async def arrive(self) -> None:
        """Add deliveries, some of them to the source translations."""
        (await self.control.post("/arrive", json={"count": 60})).raise_for_status()

    async def fault(self, **fault: Any) -> None:
        put = await self.control.put("/faults/language-weaver", json=fault)
        put.raise_for_status()

    async def heal(self) -> None:
        (await self.control.delete("/faults")).raise_for_status()

    async def calls(self) -> int:
        """Count the calls to the vendor since the last count."""
        made = (await self.control.get("/calls")).json()["calls"]
        await self.control.delete("/calls")
        return sum(call["vendor"] == "language-weaver" for call in made)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    async with made.gateway, made.client, made.control:
        yield made


async def test_fresh_page_is_a_hit(desk: Desk) -> None:
    missed = await desk.read()
    assert (missed.cache, missed.report["age"]) == ("MISS", 0.0)
    assert missed.status == 'gateway; fwd=miss; stored; key="translations"'
    assert await desk.calls() == 1
    desk.now += FRESH - 1
    await desk.arrive()
    hit = await desk.read()
    assert (hit.cache, hit.report["age"], hit.ids) == ("HIT", FRESH - 1, missed.ids)
    assert hit.status == 'gateway; hit; ttl=1; key="translations"'
    assert hit.report["fetchedAt"] == missed.report["fetchedAt"] == "2026-03-04T09:10:11Z"
    assert hit.report["upstreamCalls"] == 0
    assert hit.nodes[0]["freshness"] == {
        "status": "HIT",
        "age": FRESH - 1,
        "fetchedAt": "2026-03-04T09:10:11Z",
        "failure": None,
    }
    assert await desk.calls() == 0


async def test_stale_page_is_returned_at_once_and_refreshed_once(desk: Desk) -> None:
    before = await desk.read()
    await desk.arrive()
    desk.now += FRESH
    await desk.calls()
    several = await asyncio.gather(*(desk.read() for _ in range(20)))
    for stale in several:
        assert (stale.cache, stale.report["age"], stale.ids) == ("STALE", FRESH, before.ids)
        assert (stale.report["outcome"], stale.report["notes"]) == ("OK", [])
        assert stale.status == 'gateway; hit; ttl=0; key="translations"'
    await desk.renewed()
    assert await desk.calls() == 1
    after = await desk.read()
    assert (after.cache, after.report["age"]) == ("HIT", 0.0)
    assert after.ids != before.ids
    assert after.ids == (await desk.read(cache={"maxAge": 0})).ids


async def test_expired_page_is_loaded_before_the_response(desk: Desk) -> None:
    before = await desk.read()
    await desk.arrive()
    desk.now += FRESH + RENEWABLE
    after = await desk.read()
    assert after.cache == "MISS"
    assert after.ids != before.ids


async def test_stale_page_replaces_a_failure_and_reports_it(desk: Desk) -> None:
    before = await desk.read()
    await desk.fault(kind="status", status=500)
    desk.now += FRESH + RENEWABLE
    await desk.calls()
    for waited in (0, RETRY - 1):
        desk.now += waited
        stale = await desk.read()
        age = FRESH + RENEWABLE + waited
        assert (stale.cache, stale.report["age"], stale.ids) == ("STALE", age, before.ids)
        assert (stale.report["outcome"], stale.report["error"]) == ("OK", None)
        (note,) = stale.report["notes"]
        assert note.startswith("What was read earlier is given in place of a failure: ")
        assert {node["freshness"]["failure"] for node in stale.nodes} == {"UPSTREAM_ERROR"}
        assert 'detail="UPSTREAM_ERROR"' in stale.status
    await desk.renewed()
    # After the retry delay, the vendor is called again in the background.
    assert await desk.calls() == 1
    desk.now += 1
    assert (await desk.read()).ids == before.ids
    await desk.renewed()
    assert await desk.calls() == 1


async def test_first_successful_refresh_ends_staleness(desk: Desk) -> None:
    before = await desk.read()
    await desk.fault(kind="status", status=500)
    desk.now += FRESH + RENEWABLE
    await desk.read()
    await desk.heal()
    await desk.arrive()
    desk.now += RETRY
    assert (await desk.read()).cache == "STALE"
    await desk.renewed()
    after = await desk.read()
    assert (after.cache, after.report["age"], after.report["notes"]) == ("HIT", 0.0, [])
    assert after.ids != before.ids
    assert {node["freshness"]["failure"] for node in after.nodes} == {None}


@pytest.mark.parametrize(
    ("vendor", "source"),
    [("codearts", "repo-cn"), ("language-weaver", "translations"), ("elastic-path", "shop")],
)
async def test_one_refresh_after_an_outage_makes_the_source_fresh(
    desk: Desk, vendor: str, source: str
) -> None:
    async def freshness() -> tuple[str, str]:
        answer = await desk.read(sources=[source])
        assert answer.report["error"] is None
        await desk.renewed()
        (seen,) = (seen for seen in desk.gateway.sources.values() if seen.name == source)
        return answer.cache, seen.client.health.breaker.name

    await freshness()
    await desk.control.put(f"/faults/{vendor}", json={"kind": "status", "status": 500})
    desk.now += FRESH + RENEWABLE
    while (await freshness())[1] != "OPEN":
        desk.now += RETRY
    await desk.heal()
    # Until the breaker allows a probe, no call is made and no retry is postponed.
    for _ in range(REST - 1):
        desk.now += 1
        assert await freshness() == ("STALE", "OPEN")
    desk.now += 1
    assert await freshness() == ("STALE", "CLOSED")
    assert await freshness() == ("HIT", "CLOSED")


@pytest.mark.parametrize("bridged", [False, True], ids=["at once", "after a failure"])
async def test_refusal_is_not_replaced_by_a_stale_page(desk: Desk, bridged: bool) -> None:
    await desk.read()
    await desk.fault(kind="status", status=500)
    desk.now += FRESH + RENEWABLE
    if bridged:
        assert (await desk.read()).cache == "STALE"
        desk.now += RETRY
    await desk.fault(kind="status", status=401)
    if bridged:
        # The gateway does not know of the refusal yet.
        assert (await desk.read()).cache == "STALE"
        await desk.renewed()
    answer = await desk.read(sources=["shop", "translations"])
    assert answer.report["outcome"] == "FAILED"
    assert answer.report["error"] == {"code": "UPSTREAM_UNAUTHORIZED"}
    assert {node["source"]["name"] for node in answer.nodes} == {"shop"}


async def test_refused_refresh_expires_the_stale_page(desk: Desk) -> None:
    await desk.read()
    await desk.fault(kind="status", status=403)
    desk.now += FRESH
    assert (await desk.read()).cache == "STALE"
    await desk.renewed()
    answer = await desk.read(sources=["shop", "translations"])
    assert answer.report["error"] == {"code": "UPSTREAM_FORBIDDEN"}


async def test_stale_fallback_expires(desk: Desk) -> None:
    await desk.read()
    await desk.fault(kind="status", status=500)
    desk.now += FRESH + KEPT
    answer = await desk.read(sources=["shop", "translations"])
    assert answer.report["outcome"] == "FAILED"
    assert answer.report["error"] == {"code": "UPSTREAM_ERROR"}


@pytest.mark.parametrize(
    ("headers", "variables"),
    [
        ({}, {"cache": {"maxAge": 0}}),
        ({"Cache-Control": "no-cache"}, {}),
        ({"Cache-Control": "max-age=0"}, {}),
        ({"Cache-Control": "max-age=1"}, {"cache": {"maxAge": 9}}),
    ],
    ids=["argument", "no-cache", "max-age", "the lower counts"],
)
async def test_request_for_a_lower_age_calls_the_vendor(
    desk: Desk, headers: dict[str, str], variables: dict[str, Any]
) -> None:
    before = await desk.read()
    await desk.arrive()
    desk.now += 1
    await desk.calls()
    after = await desk.read(headers, **variables)
    assert await desk.calls() == 1
    assert (after.cache, after.report["age"]) == ("MISS", 0.0)
    assert after.ids != before.ids
    # The new page is cached for all callers.
    assert (await desk.read()).ids == after.ids


async def test_stale_fallback_applies_to_requests_for_a_lower_age(desk: Desk) -> None:
    before = await desk.read()
    await desk.fault(kind="status", status=500)
    desk.now += 1
    stale = await desk.read(cache={"maxAge": 0})
    assert (stale.cache, stale.report["age"], stale.ids) == ("STALE", 1.0, before.ids)
    assert len(stale.report["notes"]) == 1


@pytest.mark.parametrize("fails", [False, True], ids=["it is there now", "the vendor fails"])
async def test_missing_log_is_cached_but_never_served_stale(desk: Desk, fails: bool) -> None:
    page = await desk.gateway.logs(
        desk.gateway.operation(), first=1, wanted={"source": {"eq": "repo-cn"}}
    )
    id = page.slice.entries[0].log.id

    async def missing() -> bool:
        try:
            await desk.gateway.log(desk.gateway.operation(), id)
        except RequestError as error:
            return error.code is ErrorCode.NOT_FOUND
        return False

    await desk.control.put("/faults/codearts", json={"kind": "status", "status": 404})
    assert await missing()
    await desk.heal()
    desk.now += NEGATIVE - 1
    assert await missing()
    desk.now += 1
    if fails:
        await desk.control.put("/faults/codearts", json={"kind": "status", "status": 500})
        with pytest.raises(UpstreamError):
            await missing()
    else:
        assert not await missing()


@pytest.mark.parametrize("role", Role)
async def test_callers_below_operator_are_limited_to_the_least_age(desk: Desk, role: Role) -> None:
    caller = Caller(name="ada", method=Method.API_KEYS, grants=(Grant(role),))
    seen = desk.gateway.seen_by(caller)
    await desk.read()
    for age in (0, desk.gateway.settings.cache.least_age):
        desk.now += int(age)
        operation = seen.operation(max_age=0)
        page = await seen.logs(operation, first=5, wanted={"source": {"eq": "translations"}})
        (report,) = page.slice.reports
        assert report.freshness is not None
        asked = role >= Role.OPERATOR or age > 0
        assert report.freshness.status is (CacheStatus.MISS if asked else CacheStatus.HIT)
