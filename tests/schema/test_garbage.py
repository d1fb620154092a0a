"""What an operation has read is freed at its end.

In reference cycles it would stay until Python's collector runs, which is seldom: pages of several
hundred operations would be in memory at once.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.feed.reader import Reader
from gateway.feed.stream_pages import StreamPages
from gateway.model import WebhookLog
from gateway.schema.rows import Output
from gateway.stats.reading import ListReading
from gateway.upstream.answer import Answer
from gateway.vendors.pages import Page

if TYPE_CHECKING:
    from tests.schema.conftest import Demo

READ = (Answer, ListReading, Output, Page, Reader, StreamPages, WebhookLog, httpx.Response)
LIST = """
query($first: Int) {
  webhookLogs(first: $first) {
    nodes { id status triggeredAt hook { name } request { body } }
    sourceReports { error { code } }
  }
}
"""
DETAILS = '{ webhookLog(id: "%s") { request { body } } }'
QUERIES = {
    "list": LIST,
    "statistics": "query { webhookLogStats { count buckets { count } } }",
    "failures": "query { failureGroups { groups { message count } } }",
    "hooks": "query { sources { hooks { nodes { name url } } } }",
}


@pytest.fixture
def garbage() -> Iterator[list[object]]:
    """What only the collector can free; collecting puts it into the list."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.fixture
async def warm(demo: Demo) -> Demo:
    """A demo in which all that is made once has been made."""
    for query in QUERIES.values():
        await demo.answer(query)
    return demo


async def left_by(demo: Demo, query: str, garbage: list[object]) -> Counter[type]:
    """Return what was read by some operations without a cache, and is garbage now."""
    gc.collect()
    garbage.clear()
    for first in range(10, 15):
        body = {"query": query, "variables": {"first": first} if "$first" in query else {}}
        response = await demo.client.post(
            "/graphql", json=body, headers={"Cache-Control": "no-cache"}
        )
        assert "data" in response.json()
    gc.collect()
    return Counter(type(one) for one in garbage if isinstance(one, READ))


@pytest.mark.parametrize("query", QUERIES)
async def test_collector_has_nothing_to_free(warm: Demo, garbage: list[object], query: str) -> None:
    left = await left_by(warm, QUERIES[query], garbage)
    # The requests of the test itself.
    assert left.pop(httpx.Response, 0) <= 10
    assert not left


@pytest.mark.parametrize(
    "fault",
    [{"kind": "status", "status": 503}, {"kind": "reset"}, {"kind": "html"}],
    ids=lambda fault: fault["kind"],
)
async def test_failures_leave_little(
    warm: Demo, garbage: list[object], fault: dict[str, object]
) -> None:
    """Little: the frame that raises a failure may refer to it, with an answer of the vendor."""
    found = await warm.data("{ webhookLogs(first: 50) { nodes { id source { provider } } } }")
    nodes = found["webhookLogs"]["nodes"]
    id = next(node["id"] for node in nodes if node["source"]["provider"] == "ELASTIC_PATH")
    await warm.fault("yandex-tracker", **fault)
    await warm.fault("elastic-path", **fault)
    for query in (LIST, DETAILS % id):
        left = await left_by(warm, query, garbage)
        assert left[Answer] <= 10
        assert not left[Reader] + left[StreamPages] + left[ListReading]
