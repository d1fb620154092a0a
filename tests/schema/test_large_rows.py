"""Rows with bodies: what is kept of them, and that they do not hold up other work."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from gateway.schema import build_schema, kept, rows
from gateway.schema.kept import Kept
from gateway.schema.rows import _Layout
from gateway.service import Gateway
from gateway.settings import Settings
from tests.schema.sides import Side
from tests.support.clock import SECOND, Clock
from tests.support.fake_source import log
from tests.support.moment import MOMENT
from tests.support.operations import Operation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COUNT = 12
DATA = {"text": "a letter " * 3000, "parts": [1, 2.5, None, "\u00fc"]}
SOURCE = {
    "name": "mt",
    "provider": "language-weaver",
    "base_url": "http://127.0.0.1:1",
    "auth": {"type": "api-key", "key": SecretStr("aK7tokenOfTheGateway")},
}
BODIES = Operation("{ webhookLogs(first: 50) { nodes { id request { bodyJson } } } }", {}, 1)
WITH_LIVE = Operation(
    """{ webhookLogs(first: 50) { totalCount edges { cursor node {
    request { bodyJson body } source { name } hook { name } freshness { status } event } } } }""",
    {},
    1,
)


def respond(request: httpx.Request) -> httpx.Response:
    envelope = {"page": 1, "perPage": 100, "totalItems": COUNT, "totalPages": 1}
    if request.url.path.endswith("/webhooks") and "/audit/" not in request.url.path:
        return httpx.Response(200, json={"webhooks": [{"uuid": "u"}], **envelope, "totalItems": 1})
    found = [
        {
            "id": number,
            "uuid": "u",
            "url": "https://hooks.example/a",
            "event": "translation.created",
            "timeTriggered": f"2026-11-28 09:00:{number:02d}.000000Z",
            "data": DATA,
            "errorMessage": "",
            "retryAttempts": 0,
        }
        for number in range(COUNT, 0, -1)
    ]
    first = request.url.params.get("page") == "1"
    return httpx.Response(200, json={"entries": found if first else [], **envelope})


@contextlib.asynccontextmanager
async def opened(*, writes: bool = True) -> AsyncIterator[Side]:
    settings = Settings.model_validate(
        {"sources": [SOURCE], "journal": {"url": SecretStr("sqlite:////dev/null/none")}}
    )
    clock = Clock(MOMENT * SECOND)
    transport = httpx.MockTransport(respond)
    async with Gateway(settings, transport=transport, clock=clock) as gateway:
        side = Side(gateway, build_schema(), writes=writes)
        for asked in (BODIES, WITH_LIVE):
            assert not side.schema.documents.get(asked.text).errors
        await gateway.logs(gateway.operation(), first=50)
        yield side


async def expected(asked: Operation) -> bytes:
    async with opened(writes=False) as core:
        return (await core.execute(asked))[0]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The records that were written, not taken from what is kept."""
    ids: list[str] = []
    write = _Layout._written

    def counted(self: _Layout, record: Any, info: Any) -> Any:
        ids.append(record.id)
        return write(self, record, info)

    monkeypatch.setattr(_Layout, "_written", counted)
    return ids


@pytest.mark.parametrize("asked", [BODIES, WITH_LIVE], ids=["rows", "live"])
async def test_rows_with_bodies_are_written_once(asked: Operation, written: list[str]) -> None:
    async with opened() as side:
        answers = [await side.execute(asked) for _ in range(3)]
    assert answers == [(await expected(asked), True)] * 3
    assert len(written) == COUNT
    assert len(answers[0][0]) > COUNT * kept.LARGE


async def test_written_bodies_are_not_kept_in_another_form() -> None:
    async with opened() as side:
        await side.execute(BODIES)
        page = await side.gateway.logs(side.gateway.operation(), first=50)
        for record in page.slice.entries.records:
            assert record.request is not None
            assert "body_json" not in record.request.__dict__
            assert record.request.body_json == DATA


@pytest.mark.parametrize("asked", [BODIES, WITH_LIVE], ids=["rows", "live"])
async def test_other_work_has_its_turn_between_rows(
    asked: Operation, monkeypatch: pytest.MonkeyPatch, written: list[str]
) -> None:
    """A list of large rows must not keep the answers of others waiting."""
    seen = []

    async def work() -> None:
        while True:
            seen.append(len(written))
            await asyncio.sleep(0)

    async with opened() as side:
        monkeypatch.setattr(rows, "TURN", 0)
        other = asyncio.create_task(work())
        answer, is_written = await side.execute(asked)
        other.cancel()
        assert (answer, is_written) == (await expected(asked), True)
        assert set(seen) >= set(range(COUNT))


async def test_row_that_cannot_be_written_in_its_turn_is_left_to_graphql_core(
    monkeypatch: pytest.MonkeyPatch, written: list[str]
) -> None:
    async with opened() as side:
        page = await side.gateway.logs(side.gateway.operation(), first=50)
        record = page.slice.entries.records[COUNT // 2]
        record.request.__dict__["body_json"] = ValueError("odd")
        monkeypatch.setattr(rows, "TURN", 0)
        answer, is_written = await side.execute(WITH_LIVE)
        assert not is_written
        document = json.loads(answer)
        [error] = document["errors"]
        assert error["path"][2:] == [COUNT // 2, "node", "request", "bodyJson"]
        assert len(document["data"]["webhookLogs"]["edges"]) == COUNT
        assert written[-1] == record.id


def test_large_rows_have_room_of_their_own() -> None:
    """They are few, and would push out all others."""
    size = kept.LARGE + 1
    room = 3 * (kept.RECORD + size + kept.OVERHEAD)
    store = Kept(room)
    small, *large = (log("shop", number, number) for number in range(6))
    store.keep(small, "mark", b"", 1)
    for record in large:
        store.keep(record, "mark", b"", size)
    assert [len(each.__dict__["written"]) for each in large] == [0, 0, 1, 1, 1]
    assert len(small.__dict__["written"]) == 1
    assert store.size == room + kept.RECORD + 1 + kept.OVERHEAD


def test_answer_of_the_largest_size_is_kept() -> None:
    largest = Settings.model_validate({"sources": [SOURCE]}).limits.answer.max
    assert largest <= kept.ROOM
