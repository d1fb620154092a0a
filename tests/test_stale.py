"""What callers get while a page is refreshed, and while its vendor fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.callers import Authenticator, Caller, Grant, Method, Role
from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.limits import Limits
from gateway.model import CacheStatus
from gateway.sandbox import Sandbox
from gateway.web.view import GraphQLView
from tests.support.clock import SECOND, Clock
from tests.support.demo import NOWHERE, SCHEMA, Demo, demo_settings
from tests.support.moment import MOMENT

FRESH = 5
"""Default seconds for which pages are fresh."""
REFRESHABLE = 30
"""Seconds after that for which a page is served while it is refreshed."""
RETRY = 2
"""Seconds until a failed refresh is retried."""
REST = 5
"""Seconds for which an open circuit breaker lets no call pass."""
NEGATIVE = 10
"""Seconds for which a missing log is remembered."""
KEPT = 3600
"""Seconds for which a stale page is served in place of a failure."""
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
    """A first page; the report is that of the last source, translations."""

    def __init__(self, response: httpx.Response) -> None:
        document = response.json()
        assert "errors" not in document, document["errors"]
        page = document["data"]["webhookLogs"]
        self.status = response.headers["cache-status"]
        self.report: dict[str, Any] = page["sourceReports"][-1]
        self.nodes: list[dict[str, Any]] = page["nodes"]
        self.ids = [node["id"] for node in self.nodes]
        self.cache = self.report["cache"]


class Desk(Demo):
    """The demo, queried over HTTP, on a clock that only a test moves."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(MOMENT * SECOND)
        sandbox = Sandbox(clock=self.clock.unix, logs=300)
        super().__init__(
            demo_settings(folder, sandbox),
            sandbox,
            clock=self.clock,
            # Circuit breakers follow the clock; rate limits need time that passes by itself.
            monotonic=lambda: self.clock.unix() + time.monotonic(),
        )
        authenticator, limits = Authenticator(self.settings.auth), Limits(self.settings.limits)
        view = GraphQLView(SCHEMA, self.gateway, authenticator, limits)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(view), base_url=NOWHERE)

    async def send(self, headers: dict[str, str] | None = None, **variables: Any) -> httpx.Response:
        body = {"query": LOGS, "variables": variables}
        return await self.client.post("/graphql", json=body, headers=headers)

    async def read(self, headers: dict[str, str] | None = None, **variables: Any) -> Answer:
        return Answer(await self.send(headers, **variables))

    async def refreshed(self) -> None:
        """Wait for the background refreshes."""
        flights = self.gateway._cache._flights
        while flights._tasks:
            await asyncio.wait(flights._tasks)
            await asyncio.sleep(0)

    async def calls_made(self) -> int:
        """Count the calls to Language Weaver since the last count."""
        made = await self.calls("language-weaver")
        await self.forget_calls()
        return len(made)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Desk(tmp_path) as made, made.client:
        yield made


async def test_fresh_page_is_a_hit(desk: Desk) -> None:
    missed = await desk.read()
    assert (missed.cache, missed.report["age"]) == ("MISS", 0.0)
    assert missed.status == 'gateway; fwd=miss; stored; key="translations"'
    assert await desk.calls_made() == 1
    desk.clock.advance(FRESH - 1)
    await desk.arrive(60)
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
    assert await desk.calls_made() == 0


@pytest.mark.slow
async def test_stale_page_is_served_at_once_and_refreshed_once(desk: Desk) -> None:
    before = await desk.read()
    await desk.arrive(60)
    desk.clock.advance(FRESH)
    await desk.calls_made()
    several = await asyncio.gather(*(desk.read() for _ in range(20)))
    for stale in several:
        assert (stale.cache, stale.report["age"], stale.ids) == ("STALE", FRESH, before.ids)
        assert (stale.report["outcome"], stale.report["notes"]) == ("OK", [])
        assert stale.status == 'gateway; hit; ttl=0; key="translations"'
    await desk.refreshed()
    assert await desk.calls_made() == 1
    after = await desk.read()
    assert (after.cache, after.report["age"]) == ("HIT", 0.0)
    assert after.ids != before.ids
    assert after.ids == (await desk.read(cache={"maxAge": 0})).ids


async def test_page_too_old_to_serve_is_refreshed_first(desk: Desk) -> None:
    before = await desk.read()
    await desk.arrive(60)
    desk.clock.advance(FRESH + REFRESHABLE)
    after = await desk.read()
    assert after.cache == "MISS"
    assert after.ids != before.ids


async def test_failure_is_reported_and_the_stale_page_served(desk: Desk) -> None:
    before = await desk.read()
    await desk.fault("language-weaver", kind="status", status=500)
    desk.clock.advance(FRESH + REFRESHABLE)
    await desk.calls_made()
    for waited in (0, RETRY - 1):
        desk.clock.advance(waited)
        stale = await desk.read()
        age = FRESH + REFRESHABLE + waited
        assert (stale.cache, stale.report["age"], stale.ids) == ("STALE", age, before.ids)
        assert (stale.report["outcome"], stale.report["error"]) == ("OK", None)
        (note,) = stale.report["notes"]
        assert note.startswith("What was read earlier is given in place of a failure: ")
        assert {node["freshness"]["failure"] for node in stale.nodes} == {"UPSTREAM_ERROR"}
        assert 'detail="UPSTREAM_ERROR"' in stale.status
    await desk.refreshed()
    # The retry waits, and then happens in the background.
    assert await desk.calls_made() == 1
    desk.clock.advance(1)
    assert (await desk.read()).ids == before.ids
    await desk.refreshed()
    assert await desk.calls_made() == 1


async def test_page_is_fresh_again_after_the_first_successful_refresh(desk: Desk) -> None:
    before = await desk.read()
    await desk.fault("language-weaver", kind="status", status=500)
    desk.clock.advance(FRESH + REFRESHABLE)
    await desk.read()
    await desk.heal()
    await desk.arrive(60)
    desk.clock.advance(RETRY)
    assert (await desk.read()).cache == "STALE"
    await desk.refreshed()
    after = await desk.read()
    assert (after.cache, after.report["age"], after.report["notes"]) == ("HIT", 0.0, [])
    assert after.ids != before.ids
    assert {node["freshness"]["failure"] for node in after.nodes} == {None}


async def test_vendor_is_asked_first_when_nobody_has_asked_since_its_failure(desk: Desk) -> None:
    before = await desk.read()
    await desk.fault("language-weaver", kind="status", status=500)
    desk.clock.advance(FRESH + REFRESHABLE)
    assert (await desk.read()).cache == "STALE"
    await desk.heal()
    await desk.arrive(60)
    desk.clock.advance(RETRY + REFRESHABLE)
    after = await desk.read()
    assert (after.cache, after.report["age"], after.report["notes"]) == ("MISS", 0.0, [])
    assert after.ids != before.ids


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vendor", "source"),
    [("codearts", "repo-cn"), ("language-weaver", "translations"), ("elastic-path", "shop")],
)
async def test_one_refresh_after_an_outage_makes_the_whole_source_fresh(
    desk: Desk, vendor: str, source: str
) -> None:
    async def freshness() -> tuple[str, str]:
        answer = await desk.read(sources=[source])
        assert answer.report["error"] is None
        await desk.refreshed()
        (seen,) = (seen for seen in desk.gateway.sources.values() if seen.name == source)
        return answer.cache, seen.client.health.breaker.name

    await freshness()
    await desk.fault(vendor, kind="status", status=500)
    desk.clock.advance(FRESH + REFRESHABLE)
    while (await freshness())[1] != "OPEN":
        desk.clock.advance(RETRY)
    await desk.heal()
    # There is no call, and no further delay, until the breaker lets the first one pass.
    for _ in range(REST - 1):
        desk.clock.advance(1)
        assert await freshness() == ("STALE", "OPEN")
    desk.clock.advance(1)
    assert await freshness() == ("STALE", "CLOSED")
    assert await freshness() == ("HIT", "CLOSED")


@pytest.mark.parametrize("covered", [False, True], ids=["at once", "after a failure"])
async def test_refusal_is_not_covered_by_a_stale_page(desk: Desk, covered: bool) -> None:
    await desk.read()
    await desk.fault("language-weaver", kind="status", status=500)
    desk.clock.advance(FRESH + REFRESHABLE)
    if covered:
        assert (await desk.read()).cache == "STALE"
        desk.clock.advance(RETRY)
    await desk.fault("language-weaver", kind="status", status=401)
    if covered:
        # The refusal shows only in the refresh.
        assert (await desk.read()).cache == "STALE"
        await desk.refreshed()
    answer = await desk.read(sources=["shop", "translations"])
    assert answer.report["outcome"] == "FAILED"
    assert answer.report["error"] == {"code": "UPSTREAM_UNAUTHORIZED"}
    assert {node["source"]["name"] for node in answer.nodes} == {"shop"}


async def test_page_is_not_served_after_its_refresh_was_refused(desk: Desk) -> None:
    await desk.read()
    await desk.fault("language-weaver", kind="status", status=403)
    desk.clock.advance(FRESH)
    assert (await desk.read()).cache == "STALE"
    await desk.refreshed()
    answer = await desk.read(sources=["shop", "translations"])
    assert answer.report["error"] == {"code": "UPSTREAM_FORBIDDEN"}


async def test_stale_page_is_served_for_a_limited_time(desk: Desk) -> None:
    await desk.read()
    await desk.fault("language-weaver", kind="status", status=500)
    desk.clock.advance(FRESH + KEPT)
    answer = await desk.read(sources=["shop", "translations"])
    assert answer.report["outcome"] == "FAILED"
    assert answer.report["error"] == {"code": "UPSTREAM_ERROR"}


@pytest.mark.sampled(3)
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
async def test_request_for_newer_logs_reaches_the_vendor(
    desk: Desk, headers: dict[str, str], variables: dict[str, Any]
) -> None:
    before = await desk.read()
    await desk.arrive(60)
    desk.clock.advance(1)
    await desk.calls_made()
    after = await desk.read(headers, **variables)
    assert await desk.calls_made() == 1
    assert (after.cache, after.report["age"]) == ("MISS", 0.0)
    assert after.ids != before.ids
    # All callers share the newer page.
    assert (await desk.read()).ids == after.ids


async def test_failure_is_covered_for_callers_that_want_newer_logs_too(desk: Desk) -> None:
    before = await desk.read()
    await desk.fault("language-weaver", kind="status", status=500)
    desk.clock.advance(1)
    stale = await desk.read(cache={"maxAge": 0})
    assert (stale.cache, stale.report["age"], stale.ids) == ("STALE", 1.0, before.ids)
    assert len(stale.report["notes"]) == 1


@pytest.mark.parametrize("fails", [False, True], ids=["it is there now", "the vendor fails"])
async def test_missing_log_is_remembered_and_never_served_as_stale(desk: Desk, fails: bool) -> None:
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

    await desk.fault("codearts", kind="status", status=404)
    assert await missing()
    await desk.heal()
    desk.clock.advance(NEGATIVE - 1)
    assert await missing()
    desk.clock.advance(1)
    if fails:
        await desk.fault("codearts", kind="status", status=500)
        with pytest.raises(UpstreamError):
            await missing()
    else:
        assert not await missing()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("role", Role)
async def test_only_operators_may_go_below_the_least_age(desk: Desk, role: Role) -> None:
    caller = Caller(name="ada", method=Method.API_KEYS, grants=(Grant(role),))
    seen = desk.gateway.seen_by(caller)
    await desk.read()
    for age in (0, desk.gateway.settings.cache.least_age):
        desk.clock.advance(age)
        operation = seen.operation(max_age=0)
        page = await seen.logs(operation, first=5, wanted={"source": {"eq": "translations"}})
        (report,) = page.slice.reports
        assert report.freshness is not None
        asked = role >= Role.OPERATOR or age > 0
        assert report.freshness.status is (CacheStatus.MISS if asked else CacheStatus.HIT)
