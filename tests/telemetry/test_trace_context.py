"""Traces are those of callers, go on at vendors, and are recorded as the sampling says."""

from __future__ import annotations

import asyncio
import re

import pytest

from gateway.events import Events, OperationEnded
from gateway.upstream import retry
from tests.telemetry.recorded import (
    ONE,
    PARENT,
    SAMPLED,
    TRACE,
    UNSAMPLED,
    Recorded,
    id_of,
    trace_of,
)
from tests.web.direct import KEY, Direct


async def test_caller_s_span_is_the_parent(
    app: Direct, recorded: Recorded, parents: list[str | None]
) -> None:
    """And vendors get the id of the span of their call."""
    heard: list[OperationEnded] = []
    app.gateway.events.subscribe(OperationEnded, heard.append)
    await app.post(ONE, SAMPLED, key=KEY)
    (root,) = recorded.named("query One")
    assert root.parent is not None
    assert root.parent.is_remote
    assert f"{root.parent.span_id:016x}" == PARENT
    assert {f"{trace_of(span):032x}" for span in recorded.spans} == {TRACE}
    (call,) = recorded.named("GET /api/v2/audit/webhooks")
    assert parents == [f"00-{TRACE}-{id_of(call):016x}-01"]
    assert [event.trace_id for event in heard] == [TRACE]


async def test_each_try_is_a_span(
    app: Direct, recorded: Recorded, parents: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "sleep", lambda _: asyncio.sleep(0))
    app.vendors.status = 503
    await app.post(ONE, key=KEY)
    calls = recorded.named("GET /api/v2/audit/webhooks")
    assert parents == [f"00-{trace_of(call):032x}-{id_of(call):016x}-03" for call in calls]


async def test_trace_that_is_not_sampled_is_passed_on_only(
    app: Direct, recorded: Recorded, parents: list[str | None]
) -> None:
    await app.post(ONE, UNSAMPLED, key=KEY)
    assert recorded.spans == []
    assert parents
    for parent in parents:
        assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", parent or "")


async def test_share_of_operations_is_recorded(app: Direct, parents: list[str | None]) -> None:
    """Of the others, vendors get no trace."""
    never = Recorded(app.gateway.events, sample=0.0)
    await app.post(ONE, key=KEY)
    assert never.spans == []
    assert set(parents) == {None}
    await app.post(ONE, SAMPLED, key=KEY)
    assert [span.name for span in never.spans] == ["query One"]
    some = Recorded(Events(), sample=0.25)
    assert 150 < sum(some.samples() for _ in range(1000)) < 350


async def test_nothing_is_recorded_unless_somebody_wants_it(
    app: Direct, parents: list[str | None]
) -> None:
    await app.post(ONE, key=KEY)
    await app.post(ONE, SAMPLED, key=KEY)
    assert app.gateway.events.samples is None
    assert set(parents) == {None}
