"""A trace shows which part of an operation waited for what."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from gateway.cache import cache
from gateway.events import CacheLookedUp, Events, SourcesReplaced
from gateway.model import CacheStatus, Freshness, Timestamp
from gateway.sandbox import Sandbox
from gateway.sources.observed import CacheEvents
from gateway.telemetry.logs import MAX_NAME
from gateway.telemetry.traces import OWN
from gateway.upstream import retry, trace
from gateway.upstream.operation import Operation
from tests.support.moment import stopped
from tests.telemetry.recorded import (
    ONE,
    PARENT,
    SAMPLED,
    UNSAMPLED,
    Recorded,
    attributes,
    id_of,
    linked,
    trace_of,
)
from tests.web.direct import KEY, Direct, direct
from tests.web.test_collapsed import begin, prepare, release, settle

if TYPE_CHECKING:
    from pathlib import Path

TWO = """
query Two {
  webhookLogs(first: 3, filter: { source: { in: ["translations", "tracker"] } }) { nodes { id } }
}
"""
COLD = """\
query One MISS
  look up translations MISS
    read translations
      GET /api/v2/audit/webhooks"""
FAILED = """\
query One ALL_SOURCES_FAILED !
  look up translations FAILED
    read translations UPSTREAM_ERROR !
      GET /api/v2/audit/webhooks UPSTREAM_ERROR !
      GET /api/v2/audit/webhooks UPSTREAM_ERROR !
      GET /api/v2/audit/webhooks UPSTREAM_ERROR !"""


async def test_list_over_two_sources(app: Direct, recorded: Recorded) -> None:
    """Each source has its look-ups, and each look-up what was read and called for it."""
    await app.post(TWO, key=KEY)
    root, *lines = recorded.tree()
    assert root == "query Two MISS"
    assert Counter(line for line in lines if line.startswith("  look up")) == {
        "  look up translations MISS": 1,
        "  look up tracker MISS": 7,
    }
    calls = [line for line in lines if line.startswith("      GET ")]
    assert len(calls) == len(app.vendors.calls)
    assert {call for call in calls if "queue" in call} == {
        "      GET /v3/queues/{queue}/triggers",
        "      GET /v3/queues/{queue}/triggers/{trigger}/webhooks/log",
    }
    kinds = {span.name.split()[0]: span.kind for span in recorded.spans}
    assert kinds == {
        "query": SpanKind.SERVER,
        "look": SpanKind.INTERNAL,
        "read": SpanKind.INTERNAL,
        "GET": SpanKind.CLIENT,
    }
    assert len({trace_of(span) for span in recorded.spans}) == 1
    for span in recorded.spans:
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time


async def test_cached_list(app: Direct, recorded: Recorded) -> None:
    """What is in memory takes no time, and is counted."""
    trees, lookups = [], []
    for _ in range(4):
        recorded.clear()
        await app.post(ONE, key=KEY)
        trees.append("\n".join(recorded.tree()))
        (root,) = recorded.named("query One")
        lookups.append(attributes(root).get(f"{OWN}.lookups"))
    assert trees == [COLD, "query One HIT", "query One HIT", "query One KEPT"]
    # An answer that is sent again was made of those of an earlier operation.
    assert lookups == [1, 1, 1, None]


async def test_who_waits_has_a_link_to_what_it_waits_for(app: Direct, recorded: Recorded) -> None:
    await prepare(app, ONE)
    recorded.clear()
    # The first two are equal, and the last needs the same page.
    requests = [begin(app, ONE), begin(app, ONE), begin(app, ONE.replace("One", "Other"))]
    await settle()
    release(app)
    await asyncio.gather(*requests)
    leader, follower = sorted(recorded.named("query One"), key=lambda span: len(span.links))
    assert attributes(follower)[f"{OWN}.cache"] == "COLLAPSED"
    assert linked(follower) == [id_of(leader)]
    assert follower.links[0].context.trace_id == trace_of(leader) != trace_of(follower)
    (read,) = recorded.named("read translations")
    first, second = sorted(recorded.named("look up translations"), key=lambda span: len(span.links))
    assert [attributes(span)[f"{OWN}.cache"] for span in (first, second)] == ["MISS", "COLLAPSED"]
    assert read.parent is not None
    assert read.parent.span_id == id_of(first)
    assert linked(second) == [id_of(read)]
    assert len(recorded.named("GET /api/v2/audit/webhooks")) == 1


async def test_who_waits_for_a_failure_has_a_link_to_it(app: Direct, recorded: Recorded) -> None:
    app.vendors.gate, app.vendors.status = asyncio.Event(), 400
    requests = [begin(app, ONE), begin(app, ONE.replace("One", "Other"))]
    await settle()
    release(app)
    await asyncio.gather(*requests)
    (read,) = recorded.named("read translations")
    links = sorted(map(linked, recorded.named("look up translations")))
    assert links == [[], [id_of(read)]]


async def test_read_that_is_not_recorded_has_no_link(app: Direct, recorded: Recorded) -> None:
    """Nor has one that was recorded before for the same page."""
    await prepare(app, ONE)
    recorded.clear()
    requests = [asyncio.create_task(app.post(ONE, UNSAMPLED, key=KEY))]
    await settle()
    requests.append(asyncio.create_task(app.post(ONE, SAMPLED, key=KEY)))
    await settle()
    release(app)
    await asyncio.gather(*requests)
    assert recorded.tree() == ["query One MISS", "  look up translations COLLAPSED"]
    assert [linked(span) for span in recorded.spans] == [[], []]


async def test_address_of_a_vendor_that_has_moved(app: Direct, recorded: Recorded) -> None:
    """A reload replaces sources, and the traces go on."""
    moved = {"translations": "http://10.0.0.7:81", "new": "https://new.example"}
    app.gateway.events.emit(SourcesReplaced(moved, []))
    await app.post(ONE, key=KEY)
    (call,) = map(attributes, recorded.named("GET /api/v2/audit/webhooks"))
    assert (call["server.address"], call["server.port"]) == ("10.0.0.7", 81)


async def test_failing_vendor(
    app: Direct, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "sleep", lambda _: asyncio.sleep(0))
    app.vendors.status = 503
    await app.post(ONE, key=KEY)
    assert "\n".join(recorded.tree()) == FAILED
    calls = sorted(
        map(attributes, recorded.named("GET /api/v2/audit/webhooks")),
        key=lambda found: found.get("http.request.resend_count", 0),
    )
    for call in calls:
        assert call.pop(f"{OWN}.waited", 0) >= 0
    assert calls == [
        {
            "http.request.method": "GET",
            "url.template": "/api/v2/audit/webhooks",
            "server.address": "vendor.example",
            "server.port": 8443,
            "http.response.status_code": 503,
            "error.type": "UPSTREAM_ERROR",
            f"{OWN}.source": "translations",
            **({"http.request.resend_count": number} if number else {}),
        }
        for number in range(3)
    ]
    (root,) = recorded.named("query One")
    assert attributes(root)[f"{OWN}.errors"] == ["ALL_SOURCES_FAILED"]


async def test_partial_list_is_no_error(
    app: Direct, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing in it is told by the codes of the sources."""
    handle = app.vendors.handle_async_request

    async def failing(request: httpx.Request) -> httpx.Response:
        if "audit" in request.url.path:
            return httpx.Response(400)
        return await handle(request)

    monkeypatch.setattr(app.vendors, "handle_async_request", failing)
    await app.post(TWO, key=KEY)
    (root,) = recorded.named("query Two")
    assert root.status.status_code is StatusCode.UNSET
    assert attributes(root)[f"{OWN}.lost"] == ["UPSTREAM_REJECTED"]
    assert "error.type" not in attributes(root)


async def test_retry_of_a_delivery(app: Direct, recorded: Recorded) -> None:
    nodes = (await app.post(ONE, key=KEY)).data["webhookLogs"]["nodes"]
    recorded.clear()
    mutation = "mutation Again($id: ID!) { retryWebhookLog(id: $id) { userErrors { message } } }"
    body = {"query": mutation, "variables": {"id": nodes[0]["id"]}}
    assert not (await app.post(body, key=KEY)).data["retryWebhookLog"]["userErrors"]
    assert recorded.tree() == [
        "mutation Again",
        "  PUT /api/v2/audit/webhooks/{id}/retry",
        "  GET /api/v2/audit/webhooks",
    ]


async def test_operation_is_described(app: Direct, recorded: Recorded) -> None:
    reply = await app.post(ONE, key=KEY)
    (root,) = recorded.named("query One")
    assert root.parent is None
    assert attributes(root) == {
        "graphql.operation.type": "query",
        "graphql.operation.name": "One",
        "graphql.document.hash": f"sha256:{hashlib.sha256(ONE.encode()).hexdigest()}",
        f"{OWN}.cache": "MISS",
        f"{OWN}.lookups": 1,
        f"{OWN}.calls": 1,
        f"{OWN}.rows.scanned": 3,
        f"{OWN}.rows.returned": 3,
        f"{OWN}.request_id": reply.headers["x-request-id"],
    }


@pytest.mark.parametrize(
    ("query", "name", "failed"),
    [
        ("{ __typename }", "query", False),
        ("{", "GraphQL Operation", False),
        (f"query {'A' * 200} {{ __typename }}", f"query {'A' * MAX_NAME}", False),
        ("mutation M { deleteWebhookLog(id: 5) }", "mutation M", False),
    ],
)
async def test_names_and_mistakes_of_callers(
    app: Direct, recorded: Recorded, query: str, name: str, failed: bool
) -> None:
    """A mistake of the caller is no error of this server."""
    await app.post(query, key=KEY)
    (span,) = recorded.spans
    assert span.name == name
    assert (span.status.status_code is StatusCode.ERROR) is failed


async def test_background_refresh_is_part_of_the_trace_that_began_it(
    app: Direct, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "REFRESH_DELAY", 0.0)
    await app.post(ONE, key=KEY)
    recorded.clear()
    app.clock.advance(30)
    await app.post(ONE, key=KEY)
    await settle()
    assert recorded.tree() == [
        "query One STALE",
        "  look up translations STALE",
        "    read translations",
        "      GET /api/v2/audit/webhooks",
    ]
    (read,) = recorded.named("read translations")
    assert attributes(read)[f"{OWN}.background"] is True


async def test_client_that_disconnects(app: Direct, recorded: Recorded) -> None:
    """No span is without its parent."""
    app.vendors.gate = asyncio.Event()
    request = begin(app, ONE)
    await settle()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    release(app)
    assert recorded.tree() == [
        "query One CANCELLED",
        "  look up translations CANCELLED",
        "    read translations CANCELLED",
        "      GET /api/v2/audit/webhooks CANCELLED",
    ]


@pytest.mark.parametrize("in_memory", [True, False])
async def test_look_up_over_the_network_has_a_span(in_memory: bool) -> None:
    events = Events()
    recorded, heard = Recorded(events), list[CacheLookedUp]()
    events.subscribe(CacheLookedUp, heard.append)
    told = CacheEvents("shop", events, in_memory=in_memory)
    lookup = told.begin("key", Operation(5, trace=trace.begin(None, lambda: True)))
    now = Timestamp(0)
    told.found(lookup, Freshness(status=CacheStatus.HIT, fetched_at=now, fresh_until=now))
    assert recorded.tree() == ([] if in_memory else ["look up shop HIT"])
    assert [event.outcome for event in heard] == ["HIT"]


async def test_batch_has_a_span_for_each_operation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(clock=stopped, logs=60)
    async with direct(tmp_path, sandbox, monkeypatch, server={"batch_size": 2}) as app:
        recorded = Recorded(app.gateway.events)
        batch = [{"query": f"query {name} {{ __typename }}"} for name in "AB"]
        await app.post(batch, SAMPLED, key=KEY)
        assert sorted(recorded.tree()) == ["query A", "query B"]
        assert {span.parent.span_id for span in recorded.spans if span.parent} == {int(PARENT, 16)}
