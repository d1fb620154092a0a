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
        assert response.json()["data"]
    gc.collect()
    return Counter(type(one) for one in garbage if isinstance(one, READ))


@pytest.mark.parametrize("query", QUERIES)
async def test_collector_has_nothing_to_free(warm: Demo, garbage: list[object], query: str) -> None:
    left = await left_by(warm, QUERIES[query], garbage)
    # The requests of the test itself.
    assert left.pop(httpx.Response, 0) <= 10
    assert not left


async def test_failures_leave_little(warm: Demo, garbage: list[object]) -> None:
    """Few: a failure that several callers wait for is raised in the frames of each."""
    await warm.fault("yandex-tracker", kind="status", status=503)
    await warm.fault("elastic-path", kind="status", status=503)
    left = await left_by(warm, LIST, garbage)
    assert left[Answer] + left[StreamPages] + left[Page] < 40
