"""While a vendor is down, callers get all logs that were read from it before, marked stale."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox import Sandbox
from tests.support.clock import SECOND, Clock
from tests.support.demo import Demo, demo_settings
from tests.support.moment import MOMENT

pytestmark = pytest.mark.slow

SOURCES = {
    "codearts": "repo-cn",
    "yandex-tracker": "tracker",
    "language-weaver": "translations",
    "elastic-path": "shop",
}
STALE = 36
"""Seconds after which a first page is no longer served while it is refreshed."""
ARRIVALS = 40
"""Deliveries of all vendors together; each vendor has fewer than fit on a page."""
LIST = """
query List($source: String!, $first: Int!) {
  webhookLogs(first: $first, filter: { source: { eq: $source } }) {
    nodes {
      id hook { name } request { headers { name } body } response { statusCode body }
      freshness { status failure }
    }
    sourceReports { outcome returned notes cache error { code } }
  }
}
"""
REST = """
query Rest($source: String!, $id: ID!) {
  webhookLog(id: $id) { id }
  source(name: $source) { hooks(first: 100) { nodes { id name } } }
}
"""


@pytest.fixture
def clock() -> Clock[int]:
    return Clock(MOMENT * SECOND)


@pytest.fixture(params=[(50, False), (20, True)], ids=["large pages", "small pages and ETags"])
async def demo(
    tmp_path: Path, request: pytest.FixtureRequest, clock: Clock[int]
) -> AsyncIterator[Demo]:
    page_size, etags = request.param
    sandbox = Sandbox(clock=clock.unix, logs=1200, etags=etags)
    settings = demo_settings(tmp_path, sandbox)
    sources = [it.model_copy(update={"page_size": page_size}) for it in settings.sources]
    settings = settings.model_copy(update={"sources": sources})
    async with Demo(settings, sandbox, clock=clock) as made:
        yield made


async def read(demo: Demo, source: str, first: int) -> dict[str, Any]:
    page: dict[str, Any] = (await demo.data(LIST, source=source, first=first))["webhookLogs"]
    return page


@pytest.mark.parametrize("arrivals", [0, ARRIVALS])
@pytest.mark.parametrize("vendor", SOURCES)
async def test_stale_list_has_all_logs_read_before(
    demo: Demo, clock: Clock[int], vendor: str, arrivals: int
) -> None:
    source = SOURCES[vendor]
    before = await read(demo, source, 100)
    ids = [node["id"] for node in before["nodes"]]
    rest = await demo.data(REST, source=source, id=ids[-1])
    assert (len(ids), len(rest["source"]["hooks"]["nodes"])) > (99, 1)
    # Then other callers read only the newest logs.
    await demo.arrive(arrivals)
    clock.advance(STALE)
    newest = [node["id"] for node in (await read(demo, source, 20))["nodes"]]
    new = [id for id in newest if id not in ids]
    assert bool(new) == bool(arrivals)

    await demo.fault(vendor, kind="status", status=500)
    clock.advance(STALE)
    after = await read(demo, source, 100)
    (report,) = after["sourceReports"]
    assert (report["outcome"], report["error"], report["returned"]) == ("OK", None, 100)
    assert report["cache"] == "STALE"
    assert [note.partition(":")[0] for note in report["notes"]] == [
        "What was read earlier is given in place of a failure"
    ]
    given = [node["id"] for node in after["nodes"]]
    assert given[: len(newest)] == newest
    assert [id for id in given if id in ids] == ids[: 100 - len(set(given) - set(ids))]
    details = {node["id"]: {**node, "freshness": None} for node in before["nodes"]}
    for node in after["nodes"]:
        assert node["freshness"]["status"] == "STALE"
        if node["id"] in ids:
            assert {**node, "freshness": None} == details[node["id"]]
    assert await demo.data(REST, source=source, id=ids[-1]) == rest


async def test_log_without_a_detail_call_is_found_in_stale_pages(
    demo: Demo, clock: Clock[int]
) -> None:
    """An outage must not break links to logs that were on a page before."""
    before = await read(demo, "translations", 100)
    ids = [node["id"] for node in before["nodes"]]
    await demo.arrive(ARRIVALS)
    clock.advance(STALE)
    await read(demo, "translations", 20)
    await demo.fault("language-weaver", kind="status", status=500)
    one = "query($id: ID!) { webhookLog(id: $id) { id freshness { status failure } } }"
    stale = {"status": "STALE", "failure": "UPSTREAM_ERROR"}
    for id in (ids[60], ids[-1]):
        found = await demo.data(one, id=id)
        assert found == {"webhookLog": {"id": id, "freshness": stale}}
