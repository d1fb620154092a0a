"""Each operation is told of once, whichever way its answer takes."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import asdict

from gateway.events import (
    AnswerReused,
    CacheLookedUp,
    Event,
    OperationBegan,
    OperationEnded,
    OperationFailed,
    PageRefreshed,
    UpstreamCallEnded,
)
from gateway.sandbox import Sandbox
from tests.support.moment import stopped
from tests.web.direct import KEY, LONG_WAY, Direct, direct, watch_ways
from tests.web.test_collapsed import begin, prepare, release, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUERY = "query Three { webhookLogs(first: 3) { nodes { id } } }"
KINDS = (
    OperationBegan,
    OperationEnded,
    OperationFailed,
    AnswerReused,
    CacheLookedUp,
    PageRefreshed,
    UpstreamCallEnded,
)


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Direct]:
    watch_ways(monkeypatch)
    sandbox = Sandbox(clock=stopped, logs=60)
    async with direct(tmp_path, sandbox, monkeypatch) as app:
        yield app


@pytest.fixture
def told(app: Direct) -> list[Any]:
    """Return the list of events."""
    heard: list[Any] = []
    for kind in KINDS:
        app.gateway.events.subscribe(kind, heard.append)
    return heard


def of(told: list[Any], *kinds: type[Event]) -> list[Any]:
    return [event for event in told if type(event) in kinds]


async def test_every_way_is_told_of(app: Direct, told: list[Any]) -> None:
    replies = [await app.post(QUERY, LONG_WAY, key=KEY)]
    replies += [await app.post(QUERY, key=KEY) for _ in range(6)]
    assert {reply.way for reply in replies} == {"view", "door", "kept"}
    ended = of(told, OperationEnded, AnswerReused)
    assert [event.request_id for event in ended] == [
        reply.headers["x-request-id"] for reply in replies
    ]
    first, *_, last = ended
    assert (first.calls > 0, first.cache, last.calls, last.cache) == (True, "MISS", 0, "KEPT")
    assert first.upstream_seconds > 0
    for event in ended:
        assert (event.name, event.kind) == ("Three", "query")
        assert event.document == hashlib.sha256(QUERY.encode()).hexdigest()
        assert event.caller.startswith("api-keys:")
        assert event.role == "admin"
        assert (event.returned, event.codes, event.lost) == (3, (), ())
    kept = [reply.way == "kept" for reply in replies]
    assert [type(event) is AnswerReused for event in ended] == kept
    assert len(of(told, OperationBegan)) == kept.count(False)
    assert not of(told, OperationFailed)


async def test_operation_that_waits_for_another_is_told_of(app: Direct, told: list[Any]) -> None:
    await prepare(app, QUERY)
    told.clear()
    requests = [begin(app, QUERY) for _ in range(5)]
    await settle()
    release(app)
    await asyncio.gather(*requests)
    assert len(of(told, OperationEnded)) == 1
    shared = of(told, AnswerReused)
    assert [(event.cache, event.name, event.returned) for event in shared] == [
        ("COLLAPSED", "Three", 3)
    ] * 4


async def test_calls_and_pages_are_told_of(app: Direct, told: list[Any]) -> None:
    await app.post(QUERY, LONG_WAY, key=KEY)
    calls = of(told, UpstreamCallEnded)
    (ended,) = of(told, OperationEnded)
    assert len(calls) == len(app.vendors.calls)
    assert {(call.code, call.attempt, call.sent) for call in calls} == {(None, 1, True)}
    # Tokens are for all operations.
    own = [call for call in calls if call.endpoint != "token"]
    assert ended.calls == len(own) == len(calls) - 2
    assert {call.status for call in own} == {200}
    assert {call.request_id for call in own} == {ended.request_id}
    assert {call.trace_id for call in own} == {ended.trace_id} != {None}
    looked_up = of(told, CacheLookedUp)
    assert {event.outcome for event in looked_up} <= {"MISS", "COLLAPSED"}
    assert {event.source for event in looked_up} == set(app.gateway.sources)
    assert {event.source for event in of(told, PageRefreshed)} == set(app.gateway.sources)
    told.clear()
    await app.post(QUERY, LONG_WAY, key=KEY)
    assert {event.outcome for event in of(told, CacheLookedUp)} == {"HIT"}
    assert not of(told, PageRefreshed, UpstreamCallEnded)


@pytest.mark.parametrize(
    ("query", "kind", "codes"),
    [
        ("{ nope }", "query", ("GRAPHQL_VALIDATION_FAILED",)),
        ("{", None, ("GRAPHQL_PARSE_FAILED",)),
        ('mutation M { deleteWebhookLog(id: "x") { webhookLog { id } } }', "mutation", ()),
        ('{ webhookLog(id: "x") { id } a: webhookLog(id: "y") { id } }', "query", None),
        ("", None, ("BAD_REQUEST",)),
    ],
)
async def test_errors_are_told_of(
    app: Direct, told: list[Any], query: str, kind: str | None, codes: tuple[str, ...] | None
) -> None:
    for given in ((LONG_WAY,), ()):
        told.clear()
        await app.post(query, *given, key=KEY)
        (event,) = of(told, OperationEnded)
        expected = ("INVALID_ID", "INVALID_ID") if codes is None else codes
        assert (event.kind, tuple(event.codes)) == (kind, expected)
        failed = [asdict(event)] if expected else []
        assert list(map(asdict, of(told, OperationFailed))) == failed


async def test_client_that_disconnects_is_told_of(app: Direct, told: list[Any]) -> None:
    app.vendors.gate = asyncio.Event()
    request = begin(app, QUERY)
    await settle()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    release(app)
    (event,) = of(told, OperationEnded)
    assert event.codes == ("CANCELLED",)
