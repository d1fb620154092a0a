"""One vendor fails altogether: of what was read before, every caller is given all, as stale."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import load
from tests.support.moment import MOMENT

NOWHERE = "http://127.0.0.1:1"
SCHEMA = build_schema()
SOURCES = {
    "codearts": "repo-cn",
    "yandex-tracker": "tracker",
    "language-weaver": "translations",
    "elastic-path": "shop",
}
STALE = 36
"""Seconds after which a first page is waited for."""
ARRIVALS = 40
"""Deliveries, over all vendors: fewer of each than it has on a page."""
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


class Demo:
    """The gateway and the vendors behind it, in process, on one clock."""

    def __init__(self, folder: Path, page_size: int, *, etags: bool) -> None:
        self.now = MOMENT
        sandbox = Sandbox(clock=lambda: float(self.now), logs=1200, etags=etags)
        vendors = httpx.ASGITransport(sandbox.app)
        self.control = httpx.AsyncClient(transport=vendors, base_url=f"{NOWHERE}/control")
        settings = load(write_configuration(folder, sandbox, NOWHERE, port=0), {})
        sources = [it.model_copy(update={"page_size": page_size}) for it in settings.sources]
        self.gateway = Gateway(
            settings.model_copy(update={"sources": sources}),
            transport=vendors,
            clock=lambda: self.now * 10**9,
        )

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        context = Context(self.gateway, self.gateway.operation())
        result = await SCHEMA.execute(query, variable_values=variables, context_value=context)
        assert result.errors is None, result.errors
        assert result.data is not None
        return result.data

    async def read(self, source: str, first: int) -> dict[str, Any]:
        page: dict[str, Any] = (await self.ask(LIST, source=source, first=first))["webhookLogs"]
        return page


@pytest.fixture(params=[(50, False), (20, True)], ids=["large pages", "small pages and ETags"])
async def demo(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Demo]:
    page_size, etags = request.param
    made = Demo(tmp_path, page_size, etags=etags)
    async with made.gateway, made.control:
        yield made


@pytest.mark.parametrize("arrivals", [0, ARRIVALS])
@pytest.mark.parametrize("vendor", SOURCES)
async def test_all_that_was_read_is_given(demo: Demo, vendor: str, arrivals: int) -> None:
    source = SOURCES[vendor]
    before = await demo.read(source, 100)
    ids = [node["id"] for node in before["nodes"]]
    rest = await demo.ask(REST, source=source, id=ids[-1])
    assert (len(ids), len(rest["source"]["hooks"]["nodes"])) > (99, 1)
    # Others look at the newest logs alone.
    (await demo.control.post("/arrive", json={"count": arrivals})).raise_for_status()
    demo.now += STALE
    newest = [node["id"] for node in (await demo.read(source, 20))["nodes"]]
    new = [id for id in newest if id not in ids]
    assert bool(new) == bool(arrivals)

    fault = {"kind": "status", "status": 500}
    (await demo.control.put(f"/faults/{vendor}", json=fault)).raise_for_status()
    demo.now += STALE
    after = await demo.read(source, 100)
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
    assert await demo.ask(REST, source=source, id=ids[-1]) == rest


async def test_a_log_is_found_by_its_id_in_the_pages_of_a_list(demo: Demo) -> None:
    """Where the vendor has no call for one log, and nobody asked for it before."""
    before = await demo.read("translations", 100)
    ids = [node["id"] for node in before["nodes"]]
    (await demo.control.post("/arrive", json={"count": ARRIVALS})).raise_for_status()
    demo.now += STALE
    await demo.read("translations", 20)
    fault = {"kind": "status", "status": 500}
    (await demo.control.put("/faults/language-weaver", json=fault)).raise_for_status()
    one = "query($id: ID!) { webhookLog(id: $id) { id freshness { status failure } } }"
    stale = {"status": "STALE", "failure": "UPSTREAM_ERROR"}
    for id in (ids[60], ids[-1]):
        found = await demo.ask(one, id=id)
        assert found == {"webhookLog": {"id": id, "freshness": stale}}
