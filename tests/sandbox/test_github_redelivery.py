from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.sandbox import Sandbox
from tests.sandbox.test_github import APP, LIST, ORGANIZATION, read, read_all, redeliver

if TYPE_CHECKING:
    from tests.support.clock import Clock


@pytest.fixture
def sandbox(clock: Clock[float]) -> Sandbox:
    return Sandbox(clock=clock, logs=8_000, vendors={"github", "github-app"})


@pytest.mark.parametrize(
    ("path", "content"),
    [(LIST, None), (f"{ORGANIZATION}/512500/deliveries", {}), (APP, {})],
)
async def test_redelivery_appears_a_second_later(
    client: httpx.AsyncClient, clock: Clock[float], path: str, content: Any
) -> None:
    before = await read_all(client, path)
    old = before[10]
    response = await redeliver(client, path, old["id"])
    assert (response.status_code, response.json()) == (202, content)
    clock.now += 0.9
    assert await read_all(client, path) == before
    clock.now += 0.2
    new, *rest = await read_all(client, path)
    assert rest == before
    assert new["id"] > old["id"]
    assert (new["guid"], new["event"], new["action"]) == (
        old["guid"],
        old["event"],
        old["action"],
    )
    assert (new["redelivery"], new["delivered_at"]) == (True, "2026-03-04T09:10:12Z")
    again = (await read(client, f"{path}/{new['id']}")).json()
    first = (await read(client, f"{path}/{old['id']}")).json()
    assert again["request"] == first["request"]


async def test_redelivery_of_a_passing_failure_succeeds(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    rows = await read_all(client, LIST)
    passing = next(row for row in rows if row["status_code"] == 503)
    lasting = next(row for row in rows if row["status_code"] == 404)
    for row in (passing, lasting):
        await redeliver(client, LIST, row["id"])
    clock.now += 1
    newest = (await read(client, LIST, per_page=2)).json()
    assert [row["status_code"] for row in newest] == [404, 200]


async def test_redelivery_comes_in_order_among_arrivals(clock: Clock[float]) -> None:
    """Ids and times ascend together, however many seconds pass between two requests."""
    sandbox = Sandbox(clock=clock, logs=500, vendors={"github"}, arrivals_per_second=20)
    transport = httpx.ASGITransport(sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        before = await read_all(client, LIST)
        await redeliver(client, LIST, before[0]["id"])
        clock.now += 4
        rows = await read_all(client, LIST)
    assert all(newer["id"] > older["id"] for newer, older in pairwise(rows))
    assert all(newer["delivered_at"] >= older["delivered_at"] for newer, older in pairwise(rows))
    (position,) = (
        number
        for number, row in enumerate(rows)
        if row["guid"] == before[0]["guid"] and row["redelivery"]
    )
    assert 0 < position < len(rows) - len(before) - 1
